"""The schema from nothing, from an old populated file, and from a newer version."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from sqlite_utils import Database

from storage import migrations
from storage.database import open_database
from storage.errors import DatabaseNewer, DatabaseUnreadable
from storage.origins import ORIGINS
from storage.quarantine import WAITS_SINCE_IMPORT
from storage.recall_records import NewChunk, NewDocument, Recalled
from storage.store import Store
from tests.storage.conftest import ALICE, BOB, a_reply

OLD = Path(__file__).with_name("old_database.sql")
TABLES = {
    "replies",
    "reviews",
    "reply_authors",
    "reply_messages",
    "consents",
    "runs",
    "run_metrics",
    "candidates",
    "candidate_pairs",
    "adapters",
    "promotions",
    "audit",
    "introductions",
    "joined_servers",
    "run_replies",
    "guild_settings",
    "holds",
    "votes",
    "quarantine",
    "erasures",
    "forgettings",
    "forgetting_key",
    "posts",
    "threads",
    "bot_state",
    "home_server",
    "answer_messages",
    "said_words",
    "said_words_key",
    "outbox",
    "growing",
    "leases",
    "undoings",
    "undone_reviews",
    "undone_decisions",
    "documents",
    "left_servers",
    "recall_entries",
    "recall_vectors",
    "recall_versions",
    "recall_askers",
    "recall_due",
    "recall_unembedded",
    "recalled",
    "answerability",
    "recall_words",
    *(f"recall_words_{part}" for part in ("data", "idx", "docsize", "config")),  # SQLite's own
}


def test_a_blank_file_gets_every_table(db_path):
    """Opening makes the schema, in WAL, with foreign keys."""
    db = open_database(db_path)
    tables = {row[0] for row in db.execute("select name from sqlite_master where type = 'table'")}
    assert tables == TABLES | {"_sqlite_migrations", "sqlite_sequence"}
    assert db.execute("pragma journal_mode").fetchone()[0] == "wal"
    assert db.execute("pragma foreign_keys").fetchone()[0] == 1
    assert migrations.applied(db) == [step.__name__ for step in migrations.STEPS]
    db.close()


def test_opening_again_changes_nothing(db_path):
    """A second start finds the schema as the first left it."""
    open_database(db_path).close()
    before = _schema(db_path)
    open_database(db_path).close()
    assert _schema(db_path) == before


@pytest.fixture
def old_file(db_path: Path) -> Path:
    connection = sqlite3.connect(db_path)
    connection.executescript(OLD.read_text())
    connection.close()
    return db_path


def test_an_old_populated_file_keeps_its_rows(old_file):
    """What was stored under the first schema reads the same under the present one."""
    with Store.open(old_file) as store:
        reply = store.reply(1)
        assert (reply.text, reply.message_id, reply.turns[1].author_id) == ("Second shelf.", 504, 101)
        assert [pair.completion for pair in store.pairs()] == ["Third shelf.", "Hello."]


def test_an_old_populated_file_ends_with_the_schema_of_a_blank_one(old_file, tmp_path):
    """There is one schema, however a database came to it."""
    blank = tmp_path / "blank.db"
    open_database(old_file).close()
    open_database(blank).close()
    assert _schema(old_file).keys() == _schema(blank).keys()
    assert _columns(old_file) == _columns(blank)


def test_people_are_found_in_the_replies_of_an_old_file(old_file):
    """Consent holds for what was said before the store kept a table of authors."""
    _answer_in_old_file(old_file)
    with Store.open(old_file) as store:
        assert store.counts("members", learn_from=ORIGINS).eligible == 1  # the import
        store.set_consent(101, opted_in=True)
        assert store.counts("members", learn_from=ORIGINS).eligible == 1
        store.set_consent(102, opted_in=True)
        assert store.counts("members", learn_from=ORIGINS).eligible == 2
        assert next(store.eligible_pairs("members", learn_from=ORIGINS)).authors == (101, 102)
        assert len(store.redact_messages([501])) == 1


def test_what_an_old_file_cannot_trace_is_not_learned_from(old_file):
    """A message of the bot's that stands in a conversation, and nothing says whom it answered."""
    with Store.open(old_file) as store:
        for person in (101, 102):
            store.set_consent(person, opted_in=True)
        assert [pair.source for pair in store.eligible_pairs("members", learn_from=ORIGINS)] == ["import"]


def test_the_home_server_of_an_old_file_is_that_of_its_first_reply(old_file):
    """Whichever servers the bot is on by then; what its moderators imported waits for a second one."""
    connection = sqlite3.connect(old_file)
    connection.execute("update replies set guild_id = 5 where id = 1")
    connection.execute("update replies set guild_id = 6, content_hash = 'abc' where id = 2")
    connection.commit()
    connection.close()
    with Store.open(old_file) as store:
        assert store.teaching_servers() == (5,)
        assert store.remember_home_server([6, 5]) == 5
        (waiting,) = store.quarantined(limit=None)
        assert (waiting.reply_id, waiting.run_id, waiting.reason) == (2, None, WAITS_SINCE_IMPORT)
        assert store.reply(2).conversation == "import:6:0123456789abcdef"


def _answer_in_old_file(path: Path) -> None:
    """The bot's message in the conversation of the first reply is a stored answer to one of its people."""
    connection = sqlite3.connect(path)
    connection.execute("""
        insert into replies select 3, source, conversation, '[{"role":"user","content":"Tea?","author_id":102}]',
            'Yes.', adapter, base_model, guild_id, channel_id, 502, 102, null, finish_reason, created_at, 0, 1, null
        from replies where id = 1
    """)
    connection.commit()
    connection.close()


def test_answers_that_an_earlier_version_stored_after_documents_are_learned_from_by_the_same_rules(db_path):
    """Whom a fact made of an answer may quote, whom nobody knows, and that the words were the bot's."""
    fact = NewDocument(guild_id=1, title="Fact", kind="fact", added_by="mo")
    with Store.open(db_path) as store:
        store.add_reply(a_reply("My code is 5.", "Your code is 5.", message_id=900))
        for message in (900, 990):
            store.add_document(fact, [NewChunk(f"Code {message}.", "", message)])
            (entry,) = store.matching_entries([1], str(message), documents=True, limit=5)
            answer = store.add_reply(a_reply(asker=BOB), recall=[Recalled(0.9, 10, entry_id=entry)])
            store.add_reply(a_reply(asker=BOB), recall=[Recalled(0.9, 10, example_id=answer)])
        rows = _recalled_rows(db_path)
        store._db.execute("delete from reply_authors where reply_id <> 1 and user_id = ?", [ALICE])
        store._db.execute("update replies set authors_known = 1, origins = 9 where id <> 1")
        store._db.execute("drop table recall_askers")
        store._db.execute("delete from _sqlite_migrations where name = 'm056_answers_in_documents'")
    assert _recalled_rows(db_path) != rows
    Store.open(db_path).close()
    assert _recalled_rows(db_path) == rows


def _recalled_rows(path: Path) -> list[tuple]:
    connection = sqlite3.connect(path)
    sql = """
        select id, authors_known, origins, (select group_concat(user_id) from reply_authors where reply_id = replies.id)
        from replies order by id
    """
    rows = connection.execute(sql).fetchall()
    connection.close()
    return rows


def test_a_newer_database_is_refused_and_left_alone(db_path):
    """One sentence that says what to do; not a byte is changed."""
    open_database(db_path).close()
    db = Database(db_path)
    db["_sqlite_migrations"].insert({"migration_set": "nightshift", "name": "m999_future", "applied_at": "2030"})
    db.close()
    before = db_path.read_bytes()
    with pytest.raises(DatabaseNewer, match=r"newer Nightshift .*m999_future.*update Nightshift") as caught:
        Store.open(db_path)
    assert caught.value.unknown == ("m999_future",)
    assert db_path.read_bytes() == before


def test_a_file_that_is_no_database_is_refused(db_path):
    """SQLite's words stay out of the sentence's advice."""
    db_path.write_bytes(b"this is not a database at all" * 100)
    with pytest.raises(DatabaseUnreadable, match="cannot be opened"):
        Store.open(db_path)


def test_a_database_in_a_missing_folder_is_refused(tmp_path):
    """`Home.ensure` makes folders, the store does not."""
    with pytest.raises(DatabaseUnreadable, match="cannot be opened"):
        Store.open(tmp_path / "nowhere" / "nightshift.db")


def test_a_failed_step_leaves_the_old_schema(old_file, monkeypatch):
    """All pending steps are one transaction: the next start tries them again from the same place."""

    def m998_broken(db: Database) -> None:
        db.execute("create table broken (nonsense")

    monkeypatch.setattr(migrations, "STEPS", (*migrations.STEPS, m998_broken))
    before = _schema(old_file)
    with pytest.raises(DatabaseUnreadable):
        Store.open(old_file)
    assert _schema(old_file) == before


def test_two_processes_opening_a_blank_file_at_once_both_succeed(db_path):
    """Bot and trainer may start in the same second."""
    code = "import sys; from storage.store import Store; Store.open(__import__('pathlib').Path(sys.argv[1])).close()"
    started = [subprocess.Popen([sys.executable, "-c", code, str(db_path)]) for _ in range(4)]
    assert [process.wait(60) for process in started] == [0] * 4


def test_steps_are_numbered_upwards():
    """m001, m002, ...: appended to, never inserted between; no number twice."""
    numbers = [int(step.__name__[1:4]) for step in migrations.STEPS]
    assert numbers == sorted(set(numbers))


def _schema(path: Path) -> dict[str, str]:
    connection = sqlite3.connect(path)
    rows = connection.execute("select name, sql from sqlite_master where name not like 'sqlite_%'").fetchall()
    connection.close()
    return dict(rows)


def _columns(path: Path) -> dict[str, list[tuple]]:
    connection = sqlite3.connect(path)
    columns = {name: connection.execute(f"pragma table_info({name})").fetchall() for name in sorted(TABLES)}
    connection.close()
    return columns


def test_opening_a_database_that_is_up_to_date_is_quick(db_path):
    """sqlite-utils (and pandas with it) is loaded only to change the schema."""
    open_database(db_path).close()
    code = (
        "import sys; from pathlib import Path; from storage.store import Store; Store.open(Path(sys.argv[1])).close();"
        "sys.exit(bool({'sqlite_utils', 'pandas', 'numpy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code, str(db_path)], check=False).returncode == 0


def test_the_standing_verdicts_of_an_old_file_are_found(old_file):
    """What the triggers keep from now on is made up for what was judged before."""
    with Store.open(old_file) as store:
        differing = store._db.execute("""
            select id, standing from replies where standing is not (
                select nullif(verdict, 'undo') from reviews where reply_id = replies.id
                order by reviews.id desc limit 1)
        """).fetchall()
        assert not differing
        assert store._db.execute("select count(*) from replies where standing is not null").fetchone()[0] > 0
