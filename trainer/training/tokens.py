"""From pairs to token ids and labels, and from those to padded batches.

The loss falls on the last assistant turn and its end-of-turn token only, so that the model learns to answer and to
stop, not to ask. A conversation that is too long loses its oldest turns, never its end. Rendering itself belongs to
`model.chat`, which the engine uses too: training sees what serving will.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from model.chat import Message, encode_pair, strip_thoughts
from storage.pair_records import Pair

__all__ = ["IGNORED", "Collator", "Example", "Examples", "encode_pairs", "messages_of", "windowed", "with_validation"]

IGNORED = -100
"""The label that torch's cross entropy passes over."""


@dataclass(frozen=True)
class Example:
    """One pair as tokens. `ids[prompt_length:]` is the completion with its end-of-turn token at the end."""

    reply_id: int
    ids: tuple[int, ...]
    prompt_length: int

    @property
    def labels(self) -> list[int]:
        """As long as `ids`; the prompt is ignored."""
        return [IGNORED] * self.prompt_length + list(self.ids[self.prompt_length :])

    @property
    def labelled(self) -> int:
        """Tokens that the loss falls on; nothing predicts the first of all."""
        return len(self.ids) - max(1, self.prompt_length)


@dataclass(frozen=True)
class Examples:
    """The pairs that fit, and how many lost old turns or did not fit at all."""

    items: tuple[Example, ...]
    windowed: int = 0
    dropped: int = 0


def messages_of(pair: Pair, persona: str = "") -> list[Message]:
    """The prompt of a pair as the engine would be given it: the persona leads when no system turn does."""
    messages = [Message(turn.role, turn.content) for turn in pair.turns]
    if persona and not any(message.role == "system" for message in messages):
        messages.insert(0, Message("system", persona))
    return messages


def windowed(messages: Sequence[Message]) -> list[Message] | None:
    """The conversation without its oldest exchange, still led by its system turn; None when one user turn is left."""
    system = [message for message in messages if message.role == "system"]
    spoken = [message for message in messages if message.role != "system"]
    for start in range(1, len(spoken)):
        if spoken[start].role == "user":  # many templates refuse a conversation that an assistant opens
            return system + spoken[start:]
    return None


def encode_pairs(tokenizer: Any, pairs: Iterable[Pair], *, max_tokens: int, persona: str = "") -> Examples:
    """Render pairs to at most `max_tokens` tokens each.

    A pair whose last exchange alone is longer is dropped, and one whose answer is nothing but a thought.
    """
    items: list[Example] = []
    shortened = dropped = 0
    for pair in pairs:
        answered = bool(strip_thoughts(pair.completion, tokenizer))
        remaining: list[Message] | None = messages_of(pair, persona) if answered else None
        cut = False
        while remaining is not None:
            ids, prompt_length = encode_pair(tokenizer, remaining, pair.completion)
            if len(ids) <= max_tokens:
                items.append(Example(pair.reply_id, tuple(ids), prompt_length))
                shortened += cut
                break
            remaining, cut = windowed(remaining), True
        else:
            dropped += 1
    return Examples(tuple(items), shortened, dropped)


def with_validation(learning: Examples, validating: Examples) -> tuple[Examples, Examples]:
    """Both, with the last example to learn from as the one to validate on where none of those fits."""
    if validating.items or len(learning.items) < 2:
        return learning, validating
    *rest, last = learning.items
    return replace(learning, items=tuple(rest)), replace(validating, items=(last,))


@dataclass(frozen=True)
class Collator:
    """Pads examples at the end.

    Padding is ignored by position, never by token id: a tokenizer whose pad token is its end-of-turn token would
    otherwise train a model that never stops.
    """

    pad_id: int

    def __call__(self, rows: Sequence[dict[str, list[int]]]) -> dict[str, torch.Tensor]:
        """`rows` of `input_ids` and `labels` (lists of equal length) to int64 tensors of shape [rows, longest]."""
        longest = max(len(row["input_ids"]) for row in rows)
        shape = (len(rows), longest)
        ids = torch.full(shape, self.pad_id, dtype=torch.long)
        labels = torch.full(shape, IGNORED, dtype=torch.long)
        mask = torch.zeros(shape, dtype=torch.long)
        for index, row in enumerate(rows):
            length = len(row["input_ids"])
            ids[index, :length] = torch.tensor(row["input_ids"])
            labels[index, :length] = torch.tensor(row["labels"])
            mask[index, :length] = 1
        return {"input_ids": ids, "attention_mask": mask, "labels": labels}
