"""What a question asks of the memory, and what it gets. Plain values."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from model.config import MemoryConfig
from storage.recall_records import FoundChunk, FoundExample, KnowledgeLimits, Recalled

__all__ = ["NOTHING", "Question", "Shown", "ShownChunk", "ShownExample", "limits_of"]

MayShow = Callable[[int], Awaitable[bool]]
"""Whether what was said in a channel may be shown to the asker and to everybody who reads the answer."""


@dataclass(frozen=True)
class Question:
    """What is asked and where. `without`: replies that are not shown as examples, such as the one being replaced."""

    text: str
    guild_id: int
    channels: Sequence[int]
    may_show: MayShow = field(repr=False)
    without: Sequence[int] = ()


@dataclass(frozen=True)
class ShownExample:
    """An approved reply that fits, with its score from 0 to 1."""

    found: FoundExample
    score: float


@dataclass(frozen=True)
class ShownChunk:
    """A part of a document that fits, with its score from 0 to 1."""

    found: FoundChunk
    score: float


@dataclass(frozen=True)
class Shown:
    """What a prompt is shown. `tokens` is what each takes, chunks first, then examples.

    Chunks stand in the order in which they were found; examples of the same channel come first, then the best ones.
    """

    chunks: tuple[ShownChunk, ...] = ()
    examples: tuple[ShownExample, ...] = ()
    tokens: tuple[int, ...] = ()
    best: float | None = None
    """The best score of all that was found, shown or not; None where nothing was looked up."""

    def __bool__(self) -> bool:
        return bool(self.chunks or self.examples)

    @property
    def recalled(self) -> list[Recalled]:
        """The same by number, as the store keeps it."""
        tokens = iter(self.tokens or (0,) * (len(self.chunks) + len(self.examples)))
        rows = [Recalled(one.score, next(tokens), entry_id=one.found.entry_id) for one in self.chunks]
        return rows + [Recalled(one.score, next(tokens), example_id=one.found.reply_id) for one in self.examples]


NOTHING = Shown()


def limits_of(config: MemoryConfig) -> KnowledgeLimits:
    """How much the documents of a server may be."""
    return KnowledgeLimits(config.documents, config.server_characters, config.document_characters)
