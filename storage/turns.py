"""Turns as the store writes them: one JSON text for each reply, and the people and messages named in it."""

from __future__ import annotations

import json
from collections.abc import Sequence

from storage.reply_records import Reply, Turn


def encode_turns(turns: Sequence[Turn]) -> str:
    """JSON of the turns; what is None is left out."""
    rows: list[dict[str, str | int]] = []
    for turn in turns:
        row: dict[str, str | int] = {"role": turn.role, "content": turn.content}
        if turn.author_id is not None:
            row["author_id"] = turn.author_id
        if turn.message_id is not None:
            row["message_id"] = turn.message_id
        if turn.origin is not None:
            row["origin"] = turn.origin
        rows.append(row)
    return json.dumps(rows, ensure_ascii=False, separators=(",", ":"))


def decode_turns(text: str) -> tuple[Turn, ...]:
    """The turns of `encode_turns`' text."""
    return tuple(
        Turn(row["role"], row["content"], row.get("author_id"), row.get("message_id"), row.get("origin"))
        for row in json.loads(text)
    )


def authors_of(turns: Sequence[Turn], asker_id: int | None) -> set[int]:
    """Every person whose words are in the turns, and who asked. An assistant turn is the bot's own words."""
    authors = {turn.author_id for turn in turns if turn.role != "assistant"} | {asker_id}
    return {author for author in authors if author is not None}


def messages_of(turns: Sequence[Turn], prompt_message_id: int | None) -> set[int]:
    """Every Discord message whose words are in the turns, and the one that was answered."""
    messages = {turn.message_id for turn in turns} | {prompt_message_id}
    return {message for message in messages if message is not None}


def authors_are_known(turns: Sequence[Turn]) -> bool:
    """Whether every user turn names its author, without which consent cannot be asked of anybody."""
    return all(turn.author_id is not None for turn in turns if turn.role == "user")


def said_completion(reply: Reply, user_id: int) -> bool:
    """Whether the completion of an import is a person's, who is among its people and said nothing before it."""
    return reply.source == "import" and not any(
        turn.author_id == user_id for turn in reply.turns if turn.role != "assistant"
    )
