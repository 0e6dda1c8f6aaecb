"""Files as people have them: taken, or refused with the way out, in bounded time and memory."""

from __future__ import annotations

import csv
import gzip
import io
import json
import time
import tracemalloc
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.errors import FileUnusable
from storage.files.pair_files import read_pairs, write_pairs
from storage.files.row_rules import BadRow
from storage.pair_records import NewPair
from storage.reply_records import Turn

HI = NewPair((Turn("user", "Hi"),), "Hello")
TWO = [HI, NewPair((Turn("user", "Größe?"),), "Schön 🍵")]
TABLE = "prompt,reply\r\nHi,Hello\r\nGröße?,Schön 🍵\r\n"


def read(path, content, **options):
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return list(read_pairs(path, **options))


def messages(*said, **more):
    roles = ("user", "assistant")
    listed = [{"role": roles[index % 2], "content": text} for index, text in enumerate(said)]
    return {"messages": listed, **more}


# Encodings


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.json"])
def test_unicode_files_are_taken_in_any_encoding(tmp_path, encoding, name):
    """As Excel and Windows editors write them, with a mark or without."""
    content = TABLE if name == "a.csv" else json.dumps([messages("Hi", "Hello"), messages("Größe?", "Schön 🍵")])
    assert read(tmp_path / name, content.encode(encoding)) == TWO


def test_bytes_that_are_no_text_are_never_learned(tmp_path):
    """Half a character at the end of UTF-16, and another encoding than Unicode: the row is refused with the way out."""
    (bad,) = read(tmp_path / "a.csv", "prompt,reply\nHi,Hello".encode("utf-16") + b"\x00")
    assert "not valid UTF-8 text: save the file as UTF-8" in bad.reason
    good, bad = read(tmp_path / "b.csv", "prompt;reply\nHi;Hello\nGröße?;Schön".encode("cp1252"))
    assert good == HI
    assert "not valid UTF-8 text: save the file as UTF-8" in bad.reason


# By mistake


def workbook() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr("xl/workbook.xml", "<workbook/>")
    return packed.getvalue()


@pytest.mark.parametrize("name", ["a.xlsx", "a.csv", "a.jsonl", "a.json"])
@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (workbook(), r"spreadsheet .* save it as CSV \(UTF-8\)"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "spreadsheet"),
        (gzip.compress(b"prompt,reply\n", mtime=0), "compressed: unpack it"),
        (b"PAR1abc", "no text file: save it as .csv or .jsonl"),
    ],
)
def test_what_is_no_text_is_refused_in_a_sentence(tmp_path, name, content, sentence):
    """Whatever the file is called."""
    with pytest.raises(FileUnusable, match=sentence):
        read(tmp_path / name, content)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", json.dumps(messages("Hi", "Hello"))),
        ("a.csv", json.dumps([messages("Hi", "Hello")], indent=2)),
        ("a.json", json.dumps(messages("Hi", "Hello")) + "\n"),
        ("a.json", "prompt,reply\nHi,Hello\n"),
        ("a.jsonl", "prompt;reply\nHi;Hello\n"),
        ("a.jsonl", json.dumps([messages("Hi", "Hello")])),
        ("a.jsonl", json.dumps(messages("Hi", "Hello"), indent=1)),
        ("a.json", json.dumps({"data": [messages("Hi", "Hello")]})),
        ("a.json", json.dumps({"data": [messages("Hi", "Hello")]}, indent=4)),
    ],
)
def test_a_file_is_read_by_what_it_holds(tmp_path, name, content):
    """JSON called .csv, a table called .json, an array called .jsonl."""
    assert read(tmp_path / name, content) == [HI]


# Shapes


@pytest.mark.parametrize(
    "row",
    [
        {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]},
        {"conversation": [{"role": "User", "content": "Hi"}, {"role": "Assistant", "content": "Hello"}]},
        {"prompt": "Hi", "completion": "Hello"},
        {"Prompts": "Hi", "Responses": "Hello"},
        {"instruction": "Hi", "input": "", "output": "Hello"},
        {"message": "Hi", "response": "Hello", "id": 7},
        messages("Hi", "Hello", tools=None),
        {
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": "Hi"}]},
                messages("Hi", "Hello")["messages"][1],
            ]
        },
    ],
)
@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
def test_common_shapes_of_json_are_taken(tmp_path, row, name):
    """ShareGPT, OpenAI, Alpaca, and texts with names, as lines and in an array."""
    content = json.dumps(row) if name == "a.jsonl" else json.dumps([row, row])
    assert read(tmp_path / name, content) == [HI] * (1 if name == "a.jsonl" else 2)


def test_nothing_of_a_row_is_dropped_in_silence(tmp_path):
    """Alpaca's input, Dolly's context, a system prompt, what was said before."""
    rows = [
        {"instruction": "Shorten.", "input": "Tea is a drink.", "output": "Tea."},
        {"instruction": "Shorten.", "context": "Tea is a drink.", "response": "Tea."},
        {"prompt": "c", "reply": "d", "system": "s", "history": [["a", "b"]]},
    ]
    shorten = NewPair((Turn("user", "Shorten.\n\nTea is a drink."),), "Tea.")
    earlier = NewPair((Turn("system", "s"), Turn("user", "a"), Turn("assistant", "b"), Turn("user", "c")), "d")
    assert read(tmp_path / "a.json", json.dumps(rows)) == [shorten, shorten, earlier]
    table = "instruction,input,output\nShorten.,Tea is a drink.,Tea.\nHi,,Hello\n"
    for column in ("instruction", "input"):
        assert read(tmp_path / "a.csv", table, prompt_column=column) == [shorten, HI]
        assert read(tmp_path / "a.json", json.dumps(rows[:1]), prompt_column=column) == [shorten]
    assert read(tmp_path / "b.csv", "question,context,answer\nShorten.,Tea is a drink.,Tea.\n") == [shorten]
    with_system = NewPair((Turn("system", "Be kind."), *HI.turns), "Hello")
    assert read(tmp_path / "c.csv", "System Prompt,prompt,reply\nBe kind.,Hi,Hello\n,Hi,Hello\n") == [with_system, HI]


@pytest.mark.parametrize("weight", [0, 0.0, False, "0"])
def test_rows_that_are_not_to_be_learned_are_refused(tmp_path, weight):
    """OpenAI's weight: of the last message or of the row; an earlier answer of weight 0 is context."""
    last, earlier = messages("Hi", "Hello"), messages("a", "b", "c", "d")
    last["messages"][-1]["weight"] = weight
    earlier["messages"][1]["weight"] = weight
    bad, good, whole = read(tmp_path / "a.json", json.dumps([last, earlier, messages("Hi", "Hello", weight=weight)]))
    assert "weight 0, which says not to learn it" in bad.reason
    assert "weight 0" in whole.reason
    assert good.completion == "d"


def test_thoughts_are_no_part_of_a_reply(tmp_path):
    """Of a reasoning model; a reply that is nothing else is refused."""
    rows = [messages("Hi", "<think>They greet.</think>\n\nHello"), messages("Hi", "<think>They greet.")]
    good, bad = read(tmp_path / "a.json", json.dumps(rows))
    assert good == HI
    assert "nothing but what a model thought" in bad.reason


@pytest.mark.parametrize(
    ("header", "delimiter"),
    [("Prompts,Responses", ","), ("message;response", ";"), ("User Message\tBot_Reply", "\t"), ("Frage|Antwort", "|")],
)
def test_columns_of_other_programs_are_found(tmp_path, header, delimiter):
    """With Excel's own first line or without it, and in quotation marks."""
    row = f"Hi{delimiter}Hello\r\n"
    quoted = delimiter.join(f'"{name}"' for name in header.split(delimiter))
    for begin in (f"{header}\r\n", f"sep={delimiter}\r\n{header}\r\n", f"\ufeff{quoted}\r\n"):
        assert read(tmp_path / "a.csv", begin + row) == [HI]


def test_a_broken_array_gives_what_came_before(tmp_path):
    """And says that what follows is not read."""
    good, bad = read(tmp_path / "a.json", json.dumps([messages("Hi", "Hello")])[:-1] + ',\n{"messages": nothing}]')
    assert good == HI
    assert bad == BadRow(2, "it is broken JSON; what follows is not read")


def test_numbers_without_end_are_refused(tmp_path):
    """As an author's id, as a weight, as a text."""
    digits = "9" * 5000
    rows = [f'{{"messages": [{{"role": "user", "content": "a", "author_id": "{digits}"}}]}}', f'{{"prompt": {digits}}}']
    assert [type(row) for row in read(tmp_path / "a.jsonl", "\n".join(rows))] == [BadRow, BadRow]


# Bounds


def bounded(path, content, seconds=8.0, megabytes=60, **options):
    """Read within time and memory; returns the number of good and of bad rows."""
    path.write_bytes(content)
    tracemalloc.start()
    started = time.process_time()
    try:
        good = bad = 0
        for row in read_pairs(path, **options):
            good, bad = good + isinstance(row, NewPair), bad + isinstance(row, BadRow)
        assert tracemalloc.get_traced_memory()[1] < megabytes * 1e6
    finally:
        tracemalloc.stop()
    assert time.process_time() - started < seconds
    return good, bad


MEGABYTE = 1_000_000


@pytest.mark.parametrize(
    "line",
    [b'"a,b\n', b'a","\n', b'"""\n', b'x,"y\n', b'"\n', b'a,b,"' + b"c" * 90 + b"\n", b'",' * 50 + b"\n"],
)
def test_open_quotation_marks_cost_time_by_length_only(tmp_path, line):
    """Eight megabytes of them took minutes and gigabytes."""
    bounded(tmp_path / "a.csv", b"prompt,reply\n" + line * (MEGABYTE // len(line)), seconds=15)


def test_thousands_of_stray_quotation_marks_cost_their_own_rows(tmp_path):
    """As in a file that was put together by hand: the rows between them are kept."""
    rows = ['"stray,reply' if n % 5 == 0 else f"question {n},answer {n}" for n in range(20_000)]
    found = read(tmp_path / "a.csv", "prompt,reply\n" + "\n".join(rows))
    assert sum(isinstance(row, NewPair) for row in found) == 16_000


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", b"prompt,reply\n" + b"," * 8 * MEGABYTE),
        ("a.csv", b"," * 8 * MEGABYTE),
        ("a.csv", b'prompt,reply\n"' + b"x" * 8 * MEGABYTE),
        ("a.csv", b'prompt,reply\n"' + b'""' * 4 * MEGABYTE),
        ("a.json", b"[" * 8 * MEGABYTE),
        ("a.json", b'[{"a":' * MEGABYTE),
        ("a.json", b'["' + b"x" * 8 * MEGABYTE),
        ("a.json", b"[" + b"9" * 8 * MEGABYTE),
        ("a.jsonl", b'{"messages": [' + b"[]," * 2 * MEGABYTE),
        ("a.json", b" " * 8 * MEGABYTE),
    ],
)
def test_one_endless_row_is_bounded(tmp_path, name, content):
    """In cells, in brackets, in digits, in one text."""
    try:
        good, _ = bounded(tmp_path / name, content)
    except FileUnusable as error:
        good = 0 if error.kind == "columns" else None
    assert good == 0


@pytest.mark.parametrize("content", [b"prompt,reply\n" + b"a,b\n" * MEGABYTE, b"prompt,reply\n" + b"\n" * 4 * MEGABYTE])
def test_rows_are_counted_while_they_are_read(tmp_path, content):
    """Blank ones too: a small file may hold millions."""
    with pytest.raises(FileUnusable, match="more than 50,000 rows: divide it"):
        bounded(tmp_path / "a.csv", content, max_rows=50_000)


def test_a_device_is_no_file(tmp_path):
    """One that never ends would be read for ever."""
    (tmp_path / "a.csv").symlink_to("/dev/zero")
    with pytest.raises(FileUnusable, match="is no file"):
        read_pairs(tmp_path / "a.csv")


# Spreadsheets


FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "'=1", "''+x", "\uff1d1", "plain", "'plain", "a=1"]


def test_no_cell_of_an_export_is_a_formula_and_all_come_back(tmp_path):
    """Spreadsheets compute what begins with =, +, - or @; the mark before it goes again when the file is imported."""
    rows = [NewPair((Turn("user", text),), text.rstrip()) for text in FORMULAS]
    write_pairs(tmp_path / "a.csv", rows)
    with (tmp_path / "a.csv").open(newline="", encoding="utf-8") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r", "\uff1d")) for cell in cells)
    assert list(read_pairs(tmp_path / "a.csv")) == rows


def test_a_stranger_s_apostrophe_stays(tmp_path):
    """Only our own exports have marks that are taken away."""
    (pair,) = read(tmp_path / "a.csv", "prompt,reply\n'-hello,'=x\n")
    assert pair == NewPair((Turn("user", "'-hello"),), "'=x")


TEXTS = st.text(st.sampled_from("'=+-@\t\r\n\",;|a\u00e9 [{\\\uff1d"), min_size=1, max_size=12)


@settings(deadline=None, max_examples=200)
@given(rows=st.lists(st.tuples(TEXTS, TEXTS), max_size=6), name=st.sampled_from(["a.csv", "a.jsonl"]))
def test_whatever_is_written_is_read_again(tmp_path_factory, rows, name):
    """Quotes, line ends, formulas, brackets, in any mixture."""
    path = tmp_path_factory.mktemp("round") / name
    pairs = [
        NewPair((Turn("user", asked),), reply.rstrip()) for asked, reply in rows if asked.strip() and reply.strip()
    ]
    write_pairs(path, pairs)
    assert list(read_pairs(path)) == pairs


@settings(deadline=None, max_examples=25)
@given(lines=st.lists(st.sampled_from(['"a', 'a","', '"""', "b,c", '"', "", '"x",y', '","']), max_size=40))
def test_a_broken_table_never_loses_the_rows_after_it(tmp_path_factory, lines):
    """Whatever marks stand open before, rows that come long enough after them are read."""
    path = tmp_path_factory.mktemp("broken") / "a.csv"
    after = [f"question {n},answer {n}" for n in range(2100)]
    rows = read(path, "\n".join(["prompt,reply", *lines, *after]))
    assert [row.completion for row in rows if isinstance(row, NewPair)][-2050:] == [
        f"answer {n}" for n in range(50, 2100)
    ]
