"""One row of JSON as a pair: OpenAI's messages, ShareGPT's conversations, and named texts such as Alpaca's.

Knows objects, not files. Turns that cannot be taken are refused in words; nothing is dropped in silence.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from typing import get_args

from storage.files.column_names import (
    PROMPT_NAMES,
    REPLY_NAMES,
    SYSTEM_NAMES,
    Ambiguous,
    beside_prompt,
    find_name,
    instead_of,
    plain_name,
)
from storage.files.row_origins import named_origins
from storage.files.row_rules import RowRefused, RowRules
from storage.files.speaker_labels import labelled, labels_for
from storage.pair_records import NewPair
from storage.reply_records import Role, Turn

__all__ = ["JsonRules", "author_of", "check_turns", "pair_of"]

_ROLES: dict[object, Role] = {
    **{role: role for role in get_args(Role)},
    **dict.fromkeys(("human", "prompter"), "user"),
    **dict.fromkeys(("gpt", "chatgpt", "bing", "bard", "claude", "bot", "model", "ai"), "assistant"),
    "developer": "system",
}
_LISTS = ("messages", "conversations", "conversation", "dialogue", "turns")
_NO_PAIR = 'it has no "messages", and no prompt and reply by a name that is known: see nightshift import in the docs'


@dataclass(frozen=True, slots=True)
class JsonRules:
    """What is asked of each row, and the names of its prompt and reply where they are named."""

    rules: RowRules
    prompt_name: str | None = None
    reply_name: str | None = None


_ID_DIGITS = 20  # of the longest number that can be an id; Python refuses to read one of thousands


def pair_of(row: object, asked: JsonRules) -> NewPair:
    """The pair that a row holds. Raises RowRefused."""
    if not isinstance(row, Mapping):
        raise RowRefused(_NO_PAIR)
    if _is_zero(row.get("weight")):
        raise RowRefused("it has weight 0, which says not to learn it")
    name = next((name for name in _LISTS if name in row), None)
    if name is None or (name != "messages" and not isinstance(row[name], list)):
        return _named(row, asked)
    messages = row[name]
    turns = check_turns(messages, asked.rules)
    if not turns or turns[-1].role != "assistant":
        raise RowRefused("its last message is not the assistant's")
    if len(turns) < 2 or turns[-2].role != "user":
        raise RowRefused("the message before the assistant's last is not a user's")
    if _is_zero(messages[-1].get("weight")):
        raise RowRefused("its last message has weight 0, which says not to learn it")
    if "origins" in row:
        names = named_origins(row["origins"], len(turns))
        turns = tuple(replace(turn, origin=name) for turn, name in zip(turns, names, strict=True))
    system = row.get("system")
    if isinstance(system, str) and system.strip() and turns[0].role != "system":
        turns = (Turn("system", asked.rules.text(system, '"system"')), *turns)
    return NewPair(turns[:-1], asked.rules.reply(turns[-1].content, "the reply"), turns[-1].origin or "import")


def check_turns(messages: object, rules: RowRules) -> tuple[Turn, ...]:
    """Turns of a list of messages. A system message can only come first. Raises RowRefused."""
    if not isinstance(messages, list):
        raise RowRefused('"messages" is not a list')
    turns: list[Turn] = []
    labels = _labels(messages)
    for position, message in enumerate(messages, start=1):
        if not isinstance(message, dict):
            raise RowRefused(f"message {position} is not an object with role and content")
        role = _role(message.get("role", message.get("from")))
        if role is None:
            raise RowRefused(f"message {position} has no role of {', '.join(get_args(Role))}")
        if role == "system" and position > 1:
            raise RowRefused(f"message {position} is a system message, which can only come first")
        content = _content(message.get("content", message.get("value", message.get("text"))))
        text = rules.text(content, f"the text of message {position}")
        if role == "user" and (name := message.get("name")) in labels:
            text = labelled(labels[name], text)
        turns.append(Turn(role, text, author_of(message.get("author_id")) if role == "user" else None))
    return tuple(turns)


def _labels(messages: list[object]) -> dict[Hashable, str]:
    """A label for each person who is named in the messages, if there are several; else none is needed."""
    users = [one for one in messages if isinstance(one, dict) and _role(one.get("role", one.get("from"))) == "user"]
    names = [one["name"] for one in users if isinstance(one.get("name"), str) and one["name"].strip()]
    return labels_for((name, name) for name in names) if len(set(names)) > 1 else {}


def _named(row: Mapping[str, object], asked: JsonRules) -> NewPair:
    """A pair whose texts have names of their own."""
    names = [name for name in row if isinstance(name, str)]
    beside = [name for name in names if plain_name(name) in beside_prompt(names)]
    asking = [name for name in names if name not in beside]
    try:
        prompt = find_name(asking, instead_of(asked.prompt_name, names), PROMPT_NAMES)
        reply = find_name(names, asked.reply_name, REPLY_NAMES)
    except Ambiguous as found:
        raise RowRefused(f"both {found.first!r} and {found.second!r} could be meant: name one") from found
    if prompt is None or reply is None:
        raise RowRefused(_NO_PAIR)
    rules = asked.rules
    parts = [rules.text(row[asking[prompt]], "the prompt")]
    parts += [rules.text(row[one], f'"{one}"') for one in beside if not _is_nothing(row[one])]
    question = Turn("user", rules.text("\n\n".join(parts), "the prompt"), author_of(row.get("author_id")))
    earlier = (*_system(row, rules), *_history(row, rules))
    return NewPair((*earlier, question), rules.reply(row[names[reply]], "the reply"))


def _system(row: Mapping[str, object], rules: RowRules) -> tuple[Turn, ...]:
    system = next((row[name] for name in row if plain_name(str(name)) in SYSTEM_NAMES), None)
    return () if _is_nothing(system) else (Turn("system", rules.text(system, '"system"')),)


def _history(row: Mapping[str, object], rules: RowRules) -> list[Turn]:
    """Earlier exchanges, as LLaMA-Factory writes them: a list of [question, answer]."""
    history = row.get("history")
    if _is_nothing(history):
        return []
    if not isinstance(history, list) or not all(isinstance(one, list) and len(one) == 2 for one in history):
        raise RowRefused('its "history" is not a list of questions and answers')
    texts = [rules.text(text, 'a text of "history"') for one in history for text in one]
    return [Turn("assistant" if index % 2 else "user", text) for index, text in enumerate(texts)]


def author_of(value: object) -> int | None:
    """Whose words a text holds, by their Discord id; None where it does not say. Raises RowRefused."""
    if _is_nothing(value):
        return None
    digits = value.strip() if isinstance(value, str) else ""
    number = int(digits) if digits.isdecimal() and len(digits) <= _ID_DIGITS else value
    if not isinstance(number, int) or isinstance(number, bool) or not 0 < number < 2**63:
        raise RowRefused("its author_id is not the id of a person on Discord")
    return number


def _role(value: object) -> Role | None:
    return _ROLES.get(value.strip().casefold()) if isinstance(value, str) else None


def _content(value: object) -> object:
    """A message's text; one that comes in parts (all of them text) as a whole."""
    if not isinstance(value, list) or not value:
        return value
    parts = [part.get("text") if isinstance(part, dict) and part.get("type") == "text" else None for part in value]
    return "".join(part for part in parts if isinstance(part, str)) if None not in parts else None


def _is_zero(weight: object) -> bool:
    return weight == "0" or (isinstance(weight, int | float) and weight == 0)


def _is_nothing(value: object) -> bool:
    return value is None or value == [] or (isinstance(value, str) and not value.strip())
