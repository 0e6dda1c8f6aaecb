"""Pairs as JSONL: one `{"messages": [{"role": ..., "content": ...}, ...]}` a line, ending with the assistant's reply.

This is the format that fine-tuning tools share. It holds a pair's words whole, with all turns before the reply; who
said them stays in the store.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, get_args

from storage.records import NewPair, Pair, Role, Turn
from storage.rows import BadRow, RowRefused, RowRules

_ROLES: dict[object, Role] = {role: role for role in get_args(Role)}
_BOM = b"\xef\xbb\xbf"


def read(path: Path, rules: RowRules) -> Iterator[NewPair | BadRow]:
    """Each line's pair, or why it is refused; blank lines are passed over."""
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            content = line.removeprefix(_BOM) if number == 1 else line
            if not content.strip():
                continue
            try:
                yield _pair(content, rules)
            except RowRefused as refusal:
                yield BadRow(number, str(refusal))


def write(file: IO[str], pairs: Iterable[Pair | NewPair]) -> int:
    """One line a pair; gives their number."""
    count = 0
    for pair in pairs:
        messages = [{"role": turn.role, "content": turn.content} for turn in pair.turns]
        messages.append({"role": "assistant", "content": pair.completion})
        file.write(json.dumps({"messages": messages}, ensure_ascii=False) + "\n")
        count += 1
    return count


def check_turns(messages: object, rules: RowRules) -> tuple[Turn, ...]:
    """Turns of a list of messages. A system message can only come first. Raises RowRefused."""
    if not isinstance(messages, list):
        raise RowRefused('"messages" is not a list')
    turns: list[Turn] = []
    for position, message in enumerate(messages, start=1):
        if not isinstance(message, dict):
            raise RowRefused(f"message {position} is not an object with role and content")
        role = _ROLES.get(message.get("role")) if isinstance(message.get("role"), str) else None
        if role is None:
            raise RowRefused(f"message {position} has no role of {', '.join(get_args(Role))}")
        if role == "system" and position > 1:
            raise RowRefused(f"message {position} is a system message, which can only come first")
        turns.append(Turn(role, rules.text(message.get("content"), f"the text of message {position}")))
    return tuple(turns)


def _pair(line: bytes, rules: RowRules) -> NewPair:
    try:
        row = json.loads(line.decode())
    except UnicodeDecodeError as error:
        raise RowRefused("it is not valid UTF-8 text") from error
    except (ValueError, RecursionError) as error:
        raise RowRefused("it is broken JSON") from error
    if not isinstance(row, dict) or "messages" not in row:
        raise RowRefused('it has no "messages"')
    turns = check_turns(row["messages"], rules)
    if not turns or turns[-1].role != "assistant":
        raise RowRefused("its last message is not the assistant's")
    if len(turns) < 2 or turns[-2].role != "user":
        raise RowRefused("the message before the assistant's last is not a user's")
    return NewPair(turns[:-1], rules.reply(turns[-1].content, "the reply"))
