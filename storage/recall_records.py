"""The records of what can be recalled: documents, their chunks, and approved replies as examples. Plain values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

DocumentKind = Literal["file", "message", "pins", "fact"]


@dataclass(frozen=True, slots=True)
class NewChunk:
    """A part of a document. `message_id` and `author_id` are of the Discord message whose words it holds."""

    text: str
    heading: str = ""
    message_id: int | None = None
    author_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDocument:
    """A document of a server. `channel_id`: only who reads this channel is shown it; None: the whole server."""

    guild_id: int
    title: str
    kind: DocumentKind
    added_by: str
    added_by_id: int | None = None
    url: str | None = None
    channel_id: int | None = None
    message_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Document(NewDocument):
    """A stored document, with the number of its chunks and their characters."""

    id: int
    created_at: str
    updated_at: str
    chunks: int
    characters: int


@dataclass(frozen=True, slots=True)
class FoundExample:
    """An approved reply that may be shown as an example: its question and the answer as it was approved."""

    entry_id: int
    reply_id: int
    guild_id: int | None
    channel_id: int | None
    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class FoundChunk:
    """A chunk of a document."""

    entry_id: int
    document_id: int
    guild_id: int
    channel_id: int | None
    title: str
    heading: str
    text: str
    url: str | None
    message_id: int | None = None


@dataclass(frozen=True, slots=True)
class Recalled:
    """What was shown with one prompt: the reply `example_id`, or the chunk `entry_id`; the score is from 0 to 1."""

    score: float
    tokens: int
    example_id: int | None = None
    entry_id: int | None = None


@dataclass(frozen=True, slots=True)
class Reviewed:
    """An answer that was reviewed: the best score of what was found for it, how sure the model was, and the verdict."""

    best: float
    confidence: float | None
    approved: bool


@dataclass(frozen=True, slots=True)
class KnowledgeLimits:
    """How much a server may add: documents, characters in all of them, and characters of one."""

    documents: int = 200
    characters: int = 4_000_000
    document_characters: int = 1_000_000
