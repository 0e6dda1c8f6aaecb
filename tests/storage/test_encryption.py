"""The encrypted database: nobody reads it without its key, and it is a database like any other with it."""

import sqlite3
from pathlib import Path

import pytest

from storage import encryption, encryption_change
from storage.database import check_database, open_database
from storage.encryption_errors import DatabaseEncrypted, DatabaseKeyWrong, DatabaseNotEncrypted, KeyFileUnusable
from storage.errors import DatabaseDamaged, DatabaseUnreadable
from storage.store import Store

pytest.importorskip("sqlcipher3")

WORDS = "the lighthouse keeper counts the gulls"


@pytest.fixture
def home(tmp_path):
    """A folder whose settings name a key outside it."""
    root = tmp_path / "home"
    root.mkdir()
    encryption.make_key_file(tmp_path / "keys" / "nightshift.key")
    return root


def set_key(home: Path, key: str = "../keys/nightshift.key") -> None:
    (home / "nightshift.toml").write_text(f'[storage]\nkey_file = "{key}"\n')


def key_of(home: Path) -> str:
    return encryption.read_key(home.parent / "keys" / "nightshift.key")


def fill(db: Path) -> None:
    with Store.open(db) as store:
        for number in range(300):
            store.audit(None, "operator", "test", f"{WORDS} {number}")


def details(db: Path) -> list[str]:
    with Store.open(db) as store:
        return sorted(act.subject for act in store.audit_search(limit=1000))


def every_byte(home: Path) -> bytes:
    return b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())


def test_a_new_database_is_encrypted_where_a_key_is_set(home):
    """No word of it is in any file, also while it is open with a log beside it."""
    set_key(home)
    with Store.open(home / "nightshift.db") as store:
        store.audit(None, "operator", "test", WORDS)
        assert (home / "nightshift.db-wal").exists()
        assert WORDS.encode() not in every_byte(home)
        assert b"SQLite format" not in every_byte(home)
    assert details(home / "nightshift.db") == [WORDS]
    check_database(home / "nightshift.db", thorough=True)


def test_the_variable_of_the_environment_names_the_key_too(home, monkeypatch):
    """It wins over the file, as for every setting."""
    set_key(home, "nothing-here")
    monkeypatch.setenv("NIGHTSHIFT_STORAGE__KEY_FILE", str(home.parent / "keys" / "nightshift.key"))
    fill(home / "nightshift.db")
    assert not encryption.is_plain(home / "nightshift.db")


def test_there_and_back_keeps_every_row(home):
    """Encrypting and decrypting an existing database change nothing but who can read it."""
    db = home / "nightshift.db"
    fill(db)
    before = details(db)
    schema = _schema(db)
    assert encryption_change.encrypt(db, key_of(home))
    assert WORDS.encode() not in every_byte(home)
    assert sorted(path.name for path in home.iterdir()) == ["nightshift.db"]
    with pytest.raises(DatabaseEncrypted):
        Store.open(db)
    set_key(home)
    assert details(db) == before
    assert not encryption_change.encrypt(db, key_of(home))
    assert encryption_change.decrypt(db, key_of(home))
    with pytest.raises(DatabaseNotEncrypted):
        Store.open(db)
    (home / "nightshift.toml").unlink()
    assert details(db) == before
    assert _schema(db) == schema
    assert not encryption_change.decrypt(db, key_of(home))


def _schema(db: Path) -> list[tuple[str, ...]]:
    connection = sqlite3.connect(db)
    rows = connection.execute("select type, name, sql from sqlite_master where name not like 'sqlite_stat%'").fetchall()
    connection.close()
    return sorted(rows, key=str)


def test_the_old_file_is_overwritten(home):
    """Somebody who holds the old file open reads zeros from it afterwards."""
    db = home / "nightshift.db"
    fill(db)
    with db.open("rb") as old:
        assert WORDS.encode() in old.read()
        encryption_change.encrypt(db, key_of(home))
        old.seek(0)
        assert not old.read().strip(b"\0")


def test_another_key_does_not_open_it(home):
    """And the sentence is about the key, not about a broken file."""
    set_key(home)
    fill(home / "nightshift.db")
    encryption.make_key_file(home.parent / "keys" / "other.key")
    set_key(home, "../keys/other.key")
    with pytest.raises(DatabaseKeyWrong, match="right key"):
        Store.open(home / "nightshift.db")


@pytest.mark.parametrize("text", ["", "x" * 64, "ab" * 31, "\u00e4" * 64])
def test_a_file_that_holds_no_key_is_refused(home, text):
    """Also an empty one: that would be a database encrypted with nothing."""
    (home.parent / "keys" / "nightshift.key").write_text(text, encoding="utf-8")
    set_key(home)
    with pytest.raises(KeyFileUnusable):
        Store.open(home / "nightshift.db")
    assert not (home / "nightshift.db").stat().st_size


def test_a_key_file_is_private_and_never_made_twice(home):
    """A second one would make the first database unreadable."""
    key = home.parent / "keys" / "nightshift.key"
    assert key.stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileExistsError):
        encryption.make_key_file(key)


def test_a_copy_that_is_not_whole_leaves_the_database(home, monkeypatch):
    """The plain database stays in place, and nothing lies beside it."""
    db = home / "nightshift.db"
    fill(db)
    before = details(db)
    export = encryption_change._export

    def incomplete(source, copy, key):
        export(source, copy, key)
        made = encryption.connect_encrypted(copy, key)
        made.execute("delete from audit where id % 2")
        made.close()

    monkeypatch.setattr(encryption_change, "_export", incomplete)
    with pytest.raises(DatabaseDamaged):
        encryption_change.encrypt(db, key_of(home))
    assert details(db) == before
    assert not list(home.glob("*.copy*"))


def test_a_file_of_something_else_is_not_called_encrypted(tmp_path):
    """A text file in the database's place stays what it was told to be before."""
    db = tmp_path / "nightshift.db"
    db.write_text("not a database at all\n" * 400)
    with pytest.raises(DatabaseUnreadable):
        open_database(db)


def test_removed_words_leave_the_encrypted_file(home):
    """Erasure (VACUUM, and the log cut to nothing) works there as well."""
    set_key(home)
    db = home / "nightshift.db"
    fill(db)
    with Store.open(db) as store:
        size = db.stat().st_size
        connection = store._db
        connection.execute("delete from audit")
        connection.execute("insert into erasures (requested_at) values ('2026-01-01')")
        assert store.erase(at_most=None)
    assert db.stat().st_size < size
    encryption_change.decrypt(db, key_of(home))
    assert WORDS.encode() not in every_byte(home)
