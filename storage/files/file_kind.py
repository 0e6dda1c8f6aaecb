"""What a file of pairs is, in one line for the operator: its layout, encoding, and where the texts stand."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from storage.files import csv_file, jsonl
from storage.files.column_names import PROMPT_NAMES, REPLY_NAMES, Ambiguous, find_name
from storage.files.csv_rows import DELIMITERS
from storage.files.encodings import encoding_of
from storage.files.pair_files import holds_json

__all__ = ["describe_export", "describe_pairs"]


def describe_pairs(path: Path, prompt_column: str | None = None, reply_column: str | None = None) -> str:
    """How `read_pairs` reads a file that it takes. Raises FileUnusable, OSError."""
    encoding = encoding_of(path)
    if holds_json(path):
        by_line, row = jsonl.first_row(path)
        layout = "one row a line" if by_line else "an array or objects over several lines"
        return f"JSON, {layout}, {encoding}: {_shape(row, prompt_column, reply_column)}"
    columns = csv_file.find_columns(path, prompt_column, reply_column)
    names = csv_file.header(path, columns)
    prompt, reply = names[columns.prompt].strip(), names[columns.reply].strip()
    divided = DELIMITERS.get(columns.delimiter, repr(columns.delimiter))
    return f"CSV divided by {divided}, {encoding}: prompts from {prompt!r}, replies from {reply!r}"


def describe_export(path: Path, kind: str) -> str:
    """The same for an export of Discord; `kind` is what `export_kind` says."""
    layout = "JSON" if kind == "json" else f"CSV divided by {DELIMITERS[kind]}"
    return f"Discord export (DiscordChatExporter), {layout}, {encoding_of(path)}"


def _shape(row: object, prompt_column: str | None, reply_column: str | None) -> str:
    """Which of the known layouts a row has."""
    if not isinstance(row, Mapping):
        return "no row that is known"
    lists = {name for name in row if isinstance(row[name], list)}
    if "messages" in lists:
        return "OpenAI messages"
    if lists & {"conversations", "conversation", "dialogue", "turns"}:
        return "ShareGPT conversations"
    names = [name for name in row if isinstance(name, str)]
    alpaca = {"instruction", "output"} <= set(names) and not (prompt_column or reply_column)
    return "Alpaca instructions" if alpaca else _named(names, prompt_column, reply_column)


def _named(names: list[str], prompt_column: str | None, reply_column: str | None) -> str:
    """Which names the prompt and the reply have."""
    try:
        found = find_name(names, prompt_column, PROMPT_NAMES), find_name(names, reply_column, REPLY_NAMES)
    except Ambiguous:
        return "more than one name could be the prompt's or the reply's"
    if None in found:
        return "no prompt and reply by a name that is known"
    prompt, reply = (names[index] for index in found if index is not None)
    return f"prompts from {prompt!r}, replies from {reply!r}"
