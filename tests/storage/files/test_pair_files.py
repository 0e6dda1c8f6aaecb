"""Import and export: good rows are kept, bad ones named, and nothing is lost on the way round."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from storage.errors import FileUnusable
from storage.files.pair_files import read_pairs, write_pairs
from storage.files.row_rules import BadRow
from storage.pair_records import NewPair
from storage.reply_records import Turn
from storage.store import Store
from tests.storage.conftest import ALICE, BOB, a_reply


def pair(prompt: str, reply: str) -> NewPair:
    return NewPair((Turn("user", prompt),), reply)


def line(*messages: tuple[str, object]) -> str:
    return json.dumps({"messages": [{"role": role, "content": content} for role, content in messages]})


def read(path: Path, content: str | bytes, **options) -> list[NewPair | BadRow]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return list(read_pairs(path, **options))


# JSONL


def test_a_conversation_is_read_with_all_its_turns(tmp_path):
    """System, history, prompt; the last message is the reply."""
    content = line(
        ("system", "Be kind."), ("user", "Hi"), ("assistant", "Yes?"), ("user", "Tea?"), ("assistant", "Yes.")
    )
    turns = (Turn("system", "Be kind."), Turn("user", "Hi"), Turn("assistant", "Yes?"), Turn("user", "Tea?"))
    assert read(tmp_path / "a.jsonl", content) == [NewPair(turns, "Yes.")]


def test_several_people_may_speak_before_the_reply(tmp_path):
    """As in a channel: two user turns in a row are one conversation."""
    content = line(("user", "Hi"), ("user", "Hello"), ("assistant", "Both of you!"))
    assert read(tmp_path / "a.jsonl", content) == [NewPair((Turn("user", "Hi"), Turn("user", "Hello")), "Both of you!")]


GOOD = line(("user", "good"), ("assistant", "row"))


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ('{"messages": [', "broken JSON"),
        ("[" * 100_000, "broken JSON"),
        ("just words", "broken JSON"),
        ("[1]", 'no "messages"'),
        ('{"text": "a"}', 'no "messages"'),
        ('{"messages": "hi"}', "not a list"),
        ('{"messages": []}', "not the assistant's"),
        ('{"messages": ["hi"]}', "message 1 is not an object"),
        ('{"messages": [{"content": "hi"}]}', "message 1 has no role"),
        (line(("tool", "x"), ("assistant", "y")), "message 1 has no role"),
        (line(("user", "x")), "not the assistant's"),
        (line(("assistant", "y")), "before the assistant's last"),
        (line(("system", "s"), ("assistant", "y")), "before the assistant's last"),
        (line(("user", "x"), ("system", "s"), ("assistant", "y")), "system message, which can only come first"),
        (line(("user", "x"), ("assistant", "y"), ("assistant", "z")), "before the assistant's last"),
        (line(("user", " \n"), ("assistant", "y")), "message 1 is empty"),
        (line(("user", "x"), ("assistant", "")), "message 2 is empty"),
        (line(("user", None), ("assistant", "y")), "message 1 is not text"),
        (line(("user", [{"type": "text"}]), ("assistant", "y")), "message 1 is not text"),
        (line(("user", "x" * 8001), ("assistant", "y")), "8,001 characters, more than 8,000"),
        (
            '{"messages": [{"role": "user", "content": "\\ud800"}, {"role": "assistant", "content": "y"}]}',
            "not valid UTF",
        ),
        (
            '{"messages": [{"role": "user", "content": "a\\u0000b"}, {"role": "assistant", "content": "y"}]}',
            "not valid UTF",
        ),
        (b'{"messages": [{"role": "user", "content": "caf\xe9"}]}', "not valid UTF-8"),
    ],
)
def test_a_bad_line_is_refused_with_its_number_and_the_rest_is_kept(tmp_path, bad, reason):
    """Blank lines count as lines, but are not rows."""
    raw = bad if isinstance(bad, bytes) else bad.encode()
    rows = read(tmp_path / "a.jsonl", GOOD.encode() + b"\n\n" + raw + b"\r\n" + GOOD.encode())
    assert [rows[0], rows[2]] == [pair("good", "row")] * 2
    assert rows[1].number == 3
    assert reason in rows[1].reason
    assert len(rows) == 3


def test_a_byte_order_mark_is_no_fault(tmp_path):
    """Some editors put one before the first line."""
    assert read(tmp_path / "a.jsonl", b"\xef\xbb\xbf" + GOOD.encode()) == [pair("good", "row")]
    assert read(tmp_path / "a.csv", b"\xef\xbb\xbfprompt,reply\r\ngood,row\r\n") == [pair("good", "row")]


# CSV


@pytest.mark.parametrize(
    "header",
    [
        "prompt,reply",
        "Question,Answer",
        "Comment,Response",
        "INPUT,OUTPUT",
        " user , assistant ",
        "instruction,completion",
    ],
)
def test_common_column_names_are_found(tmp_path, header):
    """In any case, with other columns beside them."""
    assert read(tmp_path / "a.csv", f"{header},date\nHi,Hello,today\n") == [pair("Hi", "Hello")]


def test_columns_can_be_named(tmp_path):
    """When the names are of one's own."""
    options = {"prompt_column": "Frage", "reply_column": "antwort"}
    assert read(tmp_path / "a.csv", "nr,Frage,Antwort\n1,Hi,Hello\n", **options) == [pair("Hi", "Hello")]


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_other_delimiters_are_understood(tmp_path, delimiter):
    """As spreadsheets in many countries write them."""
    content = f'prompt{delimiter}reply\n"Hi, you"{delimiter}Hello\n'
    assert read(tmp_path / "a.csv", content) == [pair("Hi, you", "Hello")]


def test_quoted_cells_may_hold_line_ends_and_quotes(tmp_path):
    """The number of a later bad row is its line in the file."""
    content = 'prompt,reply\n"two\nlines","say ""hi"""\n,empty\n'
    good, bad = read(tmp_path / "a.csv", content)
    assert good == pair("two\nlines", 'say "hi"')
    assert bad == BadRow(4, "the prompt is empty")


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (b"only one", "a column is missing"),
        (b"not, quoted,reply", "is a text not quoted?"),
        (b",reply", "the prompt is empty"),
        (b"prompt,  ", "the reply is empty"),
        (b"caf\xe9,reply", "the prompt is not valid UTF-8"),
        (b"x" * 8001 + b",reply", "8,001 characters"),
        (b"x" * 140_000 + b",reply", "more than"),
        (b'"prompt" of mine,reply', "quotation marks are broken"),
        (b'"prompt,reply', "quotation mark"),
    ],
)
def test_a_bad_row_is_refused_with_its_number_and_the_rest_is_kept(tmp_path, bad, reason):
    """A stray quotation mark does not swallow what comes after it."""
    rows = read(tmp_path / "a.csv", b"prompt,reply\ngood,row\n\n" + bad + b"\ngood,row\ngood,row\n")
    assert [row for row in rows if isinstance(row, NewPair)] == [pair("good", "row")] * 3
    (refused,) = [row for row in rows if isinstance(row, BadRow)]
    assert refused.number == 4
    assert reason in refused.reason


def test_a_stray_quotation_mark_in_a_long_file_costs_one_row(tmp_path):
    """And not much time."""
    rows = ['"stray,reply' if n == 5 else f"question {n},answer {n}" for n in range(20_000)]
    started = time.perf_counter()
    found = read(tmp_path / "a.csv", "prompt,reply\n" + "\n".join(rows))
    assert sum(isinstance(row, NewPair) for row in found) == 19_999
    assert [row.number for row in found if isinstance(row, BadRow)] == [7]
    assert time.perf_counter() - started < 10


# Files as a whole


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.xlsx", "prompt,reply\n", "ending that is not known: use .jsonl or .csv"),
        ("a.csv", "name,age\nann,3\n", r"no usable columns \(its first line is: name,age\).*--prompt-column"),
        ("a.csv", "", r"no usable columns \(its first line is: nothing\)"),
        ("a.csv", "instruction,input,output\n", "'instruction' and 'input', either of which could be the prompt"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_at_once(tmp_path, name, content, sentence):
    """One sentence that says what to do, before the first row is asked for."""
    (tmp_path / name).write_text(content)
    with pytest.raises(FileUnusable, match=sentence):
        read_pairs(tmp_path / name)


def test_a_missing_file_or_column_is_refused_at_once(tmp_path):
    """With the file's name, and what its header holds."""
    with pytest.raises(FileUnusable, match=r"none\.csv cannot be read \(No such file"):
        read_pairs(tmp_path / "none.csv")
    (tmp_path / "a.csv").write_text("prompt,reply\n")
    with pytest.raises(FileUnusable, match="no usable columns"):
        read_pairs(tmp_path / "a.csv", prompt_column="ask")


def test_a_signature_is_added_once(tmp_path):
    """After the text's end, not after white space, and not to a reply that has it."""
    content = 'prompt,reply\na,Thanks!  \nb,Signed -Bot\nc,"Signed -Bot\n"\n'
    found = read(tmp_path / "a.csv", content, append_signature=" -Bot")
    assert [row.completion for row in found] == ["Thanks! -Bot", "Signed -Bot", "Signed -Bot"]


# Round trips

TRICKY = [
    pair('say "hi", please; or\tnot', "line one\nline two"),
    pair("Où est le thé? 🍵", "là-bas"),
    NewPair((Turn("system", "Be kind."), Turn("user", "a"), Turn("assistant", "b"), Turn("user", "c,d")), "e"),
    NewPair((Turn("user", "ann speaks"), Turn("user", "ben\r\nspeaks")), "both \u2028 of you"),
    pair("=1+1", "'quoted'"),
]


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv"])
def test_pairs_come_back_from_a_file_as_they_were(tmp_path, name):
    """Quotes, line ends, other scripts, and conversations of several turns."""
    assert write_pairs(tmp_path / name, TRICKY) == len(TRICKY)
    assert list(read_pairs(tmp_path / name)) == TRICKY
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv"])
def test_what_one_store_exports_another_imports(tmp_path, name):
    """Import, export, import: the same pairs in the same order."""
    with Store.open(tmp_path / "first.db") as first, Store.open(tmp_path / "second.db") as second:
        first.import_pairs(TRICKY, "ann")
        turns = (Turn("user", "hi", ALICE, 1), Turn("assistant", "yes?"), Turn("user", "tea", BOB, 2))
        first.add_review(first.add_reply(a_reply(turns=turns)), "edit", reviewer="mod", edited_text="second shelf")
        write_pairs(tmp_path / name, first.pairs())
        second.import_pairs(read_pairs(tmp_path / name), "ben")
        words = [[(t.role, t.content) for t in found.turns] + [found.completion] for found in second.pairs()]
        assert words == [[(t.role, t.content) for t in found.turns] + [found.completion] for found in first.pairs()]
        assert len(words) == len(TRICKY) + 1


def test_an_export_that_fails_leaves_the_old_file(tmp_path):
    """The new file appears whole or not at all."""

    def rows():
        yield TRICKY[0]
        raise RuntimeError("stopped")

    (tmp_path / "a.jsonl").write_text("old")
    with pytest.raises(RuntimeError):
        write_pairs(tmp_path / "a.jsonl", rows())
    assert (tmp_path / "a.jsonl").read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.jsonl"]


def test_an_export_to_nowhere_is_one_sentence(tmp_path):
    """A folder that is not there, an ending that is not known."""
    with pytest.raises(FileUnusable, match="cannot be written"):
        write_pairs(tmp_path / "no" / "a.jsonl", [])
    with pytest.raises(FileUnusable, match=r"use \.jsonl or \.csv"):
        write_pairs(tmp_path / "a.txt", [])
