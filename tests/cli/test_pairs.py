"""`import` and `export` on real files and a real database."""

from __future__ import annotations

import json

import pytest

from bot.simulation.example_data import EXAMPLES
from storage import database
from storage.store import Store


def line(prompt, reply):
    return json.dumps({"messages": [{"role": "user", "content": prompt}, {"role": "assistant", "content": reply}]})


def test_the_example_voice_is_taken_in_once(nightshift, store):
    """A second time, everything is a duplicate and nothing is stored."""
    assert nightshift("import", EXAMPLES / "voice.jsonl").out == "imported 110, duplicates 0, rejected 0\n"
    assert nightshift("import", EXAMPLES / "voice.jsonl").out == "imported 0, duplicates 110, rejected 0\n"
    assert store.counts().eligible == 110


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
    assert store.counts().approved == 2


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
        assert store.counts().approved == 0


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
