"""`import` and `export` on real files and a real database."""

from __future__ import annotations

import gzip
import json

import pytest

from bot.simulation.example_data import EXAMPLES
from storage import database
from storage.origins import LEARNED_BY_DEFAULT, ORIGINS
from storage.store import Store
from tests.storage.files.chats import ADA, BEN, MO, Chat


def line(prompt, reply):
    return json.dumps({"messages": [{"role": "user", "content": prompt}, {"role": "assistant", "content": reply}]})


def test_the_example_voice_is_taken_in_once(nightshift, store):
    """A second time, everything is a duplicate and nothing is stored."""
    assert nightshift("import", EXAMPLES / "voice.jsonl").out == "imported 110, duplicates 0, rejected 0\n"
    assert nightshift("import", EXAMPLES / "voice.jsonl").out == "imported 0, duplicates 110, rejected 0\n"
    assert store.counts(learn_from=ORIGINS).eligible == 110


def test_bad_rows_are_named_and_good_rows_kept(nightshift, store, tmp_path):
    """Broken JSON, missing role, empty, over-long, invalid UTF-8: each with its number and reason."""
    rows = [
        line("hello?", "Aye. - Night Watch").encode(),
        b'{"messages": [',
        b'{"prompt": "no messages"}',
        line("empty", "   ").encode(),
        line("long", "x" * 9000).encode(),
        b'{"messages": "\xff"}',
        line("bye", "Aye, bye. - Night Watch").encode(),
    ]
    (tmp_path / "pairs.jsonl").write_bytes(b"\n".join(rows))
    said = nightshift("import", tmp_path / "pairs.jsonl")
    assert said.code == 0
    *named, summary = said.out.splitlines()
    assert [words.split(":")[0] for words in named] == ["row 2", "row 3", "row 4", "row 5", "row 6"]
    assert all(len(words.split(": ", 1)[1]) > 5 for words in named)
    assert summary == "imported 2, duplicates 0, rejected 5"
    assert store.counts(learn_from=ORIGINS).approved == 2


def test_a_file_without_one_usable_row_fails(nightshift, tmp_path):
    """A script must notice that it took in nothing."""
    (tmp_path / "pairs.jsonl").write_text("not json\n")
    said = nightshift("import", tmp_path / "pairs.jsonl")
    assert said.code == 1
    assert said.out.endswith("imported 0, duplicates 0, rejected 1\n")


def test_csv_columns_are_found_and_replies_signed(nightshift, store, tmp_path):
    """The columns of the comments that this project starts from."""
    (tmp_path / "comments.csv").write_text(
        'Comment,Response\n"Great, thanks!",My pleasure\nNice,"Glad, it helped :)"\n'
    )
    said = nightshift("import", tmp_path / "comments.csv", "--append-signature", " -ShawGPT", "--approved-by", "Shaw")
    assert said.out == "imported 2, duplicates 0, rejected 0\n"
    pairs = list(store.pairs())
    assert [pair.completion for pair in pairs] == ["My pleasure -ShawGPT", "Glad, it helped :) -ShawGPT"]
    assert {pair.reviewer for pair in pairs} == {"Shaw"}


def test_unusual_csv_columns_are_named(nightshift, tmp_path):
    """And a wrong name is one sentence."""
    (tmp_path / "t.csv").write_text("ask,say\nhi,ho\n")
    said = nightshift("import", tmp_path / "t.csv", "--prompt-column", "ask", "--reply-column", "say")
    assert said.out == "imported 1, duplicates 0, rejected 0\n"
    nightshift("import", tmp_path / "t.csv", "--prompt-column", "asked", "--reply-column", "say").fails_with(
        1, "ask,say"
    )


@pytest.mark.parametrize("name", ["pairs.txt", "pairs"])
def test_an_unknown_ending_is_refused(nightshift, tmp_path, name):
    """In both directions, before anything is read or written."""
    (tmp_path / name).write_text("x")
    nightshift("import", tmp_path / name).fails_with(1, "use .jsonl or .csv")
    nightshift("export", tmp_path / name).fails_with(1, "use .jsonl or .csv")
    assert (tmp_path / name).read_text() == "x"


@pytest.mark.parametrize("name", ["out.jsonl", "out.csv"])
def test_what_is_exported_can_be_taken_in_again(nightshift, tmp_path, name):
    """Into another home, with nothing lost."""
    nightshift("import", EXAMPLES / "voice.jsonl")
    assert nightshift("export", tmp_path / name).out == "exported 110\n"
    said = nightshift("import", tmp_path / name, "--home", tmp_path / "other")
    assert said.out == "imported 110, duplicates 0, rejected 0\n"


def test_an_export_into_a_missing_folder_is_one_sentence(nightshift, tmp_path):
    """Nothing half-written is left."""
    nightshift("export", tmp_path / "missing" / "out.csv").fails_with(1, "cannot be written")


def test_an_import_onto_a_full_disk_is_a_sentence(nightshift, tmp_path, home, monkeypatch):
    """Nothing of it is kept, and what to do is said."""
    opened = database.open_database

    def no_room(path):
        db = opened(path)
        db.execute("pragma max_page_count = 1")  # no page more than there are
        return db

    file = tmp_path / "pairs.jsonl"
    row = {"messages": [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "word " * 1000}]}
    file.write_text("".join(json.dumps(row).replace("Why?", f"Why {number}?") + "\n" for number in range(200)))
    monkeypatch.setattr("storage.store.open_database", no_room)
    nightshift("import", str(file)).fails_with(1, "disk is full")
    monkeypatch.setattr("storage.store.open_database", opened)
    with Store.open(home.db) as store:
        assert store.counts(learn_from=ORIGINS).approved == 0


def test_of_many_bad_rows_the_first_thousand_are_named(nightshift, tmp_path):
    """And the others counted."""
    (tmp_path / "a.csv").write_text("prompt,reply\nHi,Hello\n" + "a,\n" * 1005)
    said = nightshift("import", str(tmp_path / "a.csv"))
    assert said.out.count("the reply is empty") == 1000
    assert "... and 5 rows more\nimported 1, duplicates 0, rejected 1005\n" in said.out


def test_a_spreadsheet_is_one_sentence_with_the_way_out(nightshift, tmp_path):
    """Nothing of it is read."""
    (tmp_path / "a.xlsx").write_bytes(b"PK\x03\x04" + bytes(100))
    said = nightshift("import", str(tmp_path / "a.xlsx"))
    assert said.code != 0
    assert "save it as CSV (UTF-8)" in said.err


@pytest.fixture
def export(tmp_path):
    """A short Discord export."""
    chat = Chat()
    for number in range(7):
        chat.say(ADA, f"Which glue for bench {number}?", after=90)
        chat.say(MO, f"Number {number} takes polyurethane.", after=2)
        chat.say(BEN, "Bye", after=90)
    return chat.json(tmp_path / "chat.json")


def test_a_voice_is_imported_from_a_discord_export(nightshift, store, export):
    """What the file is, is said in one line; consent is asked of everybody in it."""
    said = nightshift("import", export, "--voice", "mo")
    assert said.out.startswith("imported 7, duplicates 0, rejected 0\n")
    assert 'with "discord_export" in learn_from' in said.out
    assert said.err == (
        "chat.json: Discord export (DiscordChatExporter), JSON, UTF-8; the answers are Mo's (103, 7 messages)\n"
    )
    assert store.counts(learn_from=ORIGINS).eligible == 0
    for user in (ADA, MO):
        store.set_consent(user, opted_in=True)
    usual = store.counts(learn_from=LEARNED_BY_DEFAULT)
    assert (usual.approved, usual.eligible) == (7, 0)
    assert store.counts(learn_from=ORIGINS).eligible == 7
    again = nightshift("import", export, "--voice", "103").out
    assert again.startswith("imported 0, duplicates 7, rejected 0\n")


def test_who_answered_in_an_export_can_be_forgotten(nightshift, store, export, home):
    """Their words are the completions."""
    nightshift("import", export, "--voice", "mo")
    store.forget(MO)
    assert store.counts(learn_from=ORIGINS).approved == 0
    assert b"polyurethane" not in home.db.read_bytes()


def test_an_export_without_a_voice_says_who_speaks(nightshift, export):
    """And nothing is imported."""
    nightshift("import", export).fails_with(
        1, "say whose messages are the answers with --voice (who speaks most: Ada (101)"
    )


def test_a_dry_run_shows_five_pairs_and_imports_nothing(nightshift, store, export):
    """With roles, as the model will be shown them."""
    said = nightshift("import", export, "--voice", "mo", "--dry-run")
    assert said.out.count("--- pair") == 5
    assert "user: Which glue for bench 0?\nassistant, to be learned: Number 0 takes polyurethane.\n" in said.out
    assert "would import 7 (duplicates not looked for), rejected 0\n" in said.out
    assert store.counts(learn_from=ORIGINS).approved == 0


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("a.jsonl", line("Hi", "Ho"), "JSON, one row a line, UTF-8: OpenAI messages"),
        (
            "a.json",
            json.dumps([{"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Ho"}]}]),
            "JSON, an array or objects over several lines, UTF-8: ShareGPT conversations",
        ),
        ("a.json", json.dumps([{"instruction": "Hi", "input": "", "output": "Ho"}]), "UTF-8: Alpaca instructions"),
        ("a.json", json.dumps([{"frage": "Hi", "antwort": "Ho"}]), "prompts from 'frage', replies from 'antwort'"),
        (
            "a.csv",
            "Frage;Antwort\nHi;Ho\n",
            "CSV divided by semicolons, UTF-8: prompts from 'Frage', replies from 'Antwort'",
        ),
    ],
)
def test_what_a_file_is_is_said_in_one_line(nightshift, tmp_path, name, content, kind):
    """Layout, encoding and columns, found without being told; packed or not."""
    (tmp_path / name).write_text(content)
    assert kind in nightshift("import", tmp_path / name, "--dry-run").err
    (tmp_path / f"{name}.gz").write_bytes(gzip.compress(content.encode()))
    said = nightshift("import", tmp_path / f"{name}.gz")
    assert said.out == "imported 1, duplicates 0, rejected 0\n"
    assert said.err.startswith(f"{name}.gz: gzip, ")
    assert said.err.count("\n") == 1


def test_a_voice_means_nothing_for_other_files(nightshift, tmp_path):
    """It is not passed over in silence."""
    (tmp_path / "a.jsonl").write_text(line("Hi", "Ho"))
    nightshift("import", tmp_path / "a.jsonl", "--voice", "mo").fails_with(1, "is no Discord export")


@pytest.mark.parametrize("who", [ADA, MO])
def test_nothing_of_whoever_is_forgotten_stays_of_an_export(nightshift, store, tmp_path, home, who):
    """Neither their answers in later prompts, nor what was answered to them."""
    chat = Chat()
    for number in range(4):
        chat.say(ADA, f"Which zirconium glue for bench {number}?")
        chat.say(MO, f"Number {number} takes polyurethane.")
    nightshift("import", chat.json(tmp_path / "chat.json"), "--voice", "mo")
    (tmp_path / "chat.json").unlink()
    store.forget(who)
    left = b"".join(path.read_bytes() for path in home.root.rglob("*") if path.is_file())
    assert b"polyurethane" not in left
    assert who == MO or b"zirconium" not in left


def test_several_files_are_imported_one_after_the_other(nightshift, store, tmp_path, export):
    """As one export for each channel; where the voice said nothing, the others go on, and what is broken is named."""
    other = Chat()
    other.say(ADA, "Hello?")
    silent = other.json(tmp_path / "silent.json")
    other.say(MO, "Yes?")
    second = other.json(tmp_path / "second.json")
    said = nightshift("import", export, silent, second, "--voice", "mo")
    assert said.code == 0
    assert said.out.startswith("imported 8, duplicates 0, rejected 0\n")
    assert "silent.json holds no message of 'mo'" in said.err
    (tmp_path / "broken.jsonl").write_text(f"no json\n{line('Hi', 'Ho')}\n")
    (tmp_path / "book.csv").write_text("a,b\n")
    said = nightshift("import", tmp_path / "broken.jsonl", tmp_path / "book.csv")
    assert said.code == 1
    assert "broken.jsonl, row 1: it is broken JSON\nimported 1, duplicates 0, rejected 1\n" in said.out
    assert "book.csv has no usable columns" in said.err
