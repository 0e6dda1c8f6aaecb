"""Pairs: what is trained on, what is preferred to what, what waits in quarantine, and what an import came to.

Plain frozen values; see `storage.reply_records` for times and identifiers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from storage.reply_records import Origin, Source, Turn

ChoiceOrigin = Literal["edit", "rejection", "regeneration", "vote"]
ConsentRule = Literal["members", "operator"]


@dataclass(frozen=True, slots=True)
class Pair:
    """A prompt with its approved or edited reply: derived from a reply and its latest review, never stored."""

    reply_id: int
    conversation: str
    turns: tuple[Turn, ...]
    completion: str
    approved_at: str
    edited: bool
    source: Source
    reviewer: str
    adapter: str | None
    authors: tuple[int, ...]
    reviewer_id: int | None = None
    guild_id: int | None = None
    origin: Origin = "bot"
    """Of the completion."""
    origins: frozenset[Origin] = frozenset()
    """Of the prompt: of its turns, and of what the bot's turns in it were answers to."""

    @property
    def by_moderator(self) -> bool:
        """Whether a moderator imported it on Discord: their work, which is never what others are judged by."""
        return self.source == "import" and self.guild_id is not None


@dataclass(frozen=True, slots=True)
class Choice:
    """One answer that people preferred to another, to the prompt of a stored reply. Derived, never stored."""

    reply_id: int
    better: str
    worse: str
    origin: ChoiceOrigin


@dataclass(frozen=True, slots=True)
class NewPair:
    """A pair read from a file. `turns` ends with a user turn.

    `origin` is that of the completion, and `author_id` its speaker, if a person said it.
    """

    turns: tuple[Turn, ...]
    completion: str
    origin: Origin = "import"
    author_id: int | None = None


@dataclass(frozen=True, slots=True)
class Quarantined:
    """An approved pair that waits for a second person, with what a card shows of it.

    `prompt` is the last turn, `completion` the reply as it would be learned; `reviewer` approved it. `run_id` is None
    where no night set it aside: it was imported on Discord.
    """

    reply_id: int
    reason: str
    run_id: str | None
    created_at: str
    guild_id: int | None
    prompt: str
    completion: str
    reviewer: str
    reviewer_id: int | None


@dataclass(frozen=True, slots=True)
class PairCounts:
    """How many replies wait for a verdict, were approved (or edited), were rejected, and may be trained on.

    What waits in quarantine is approved and not eligible. `excluded` would be eligible, but for words of an origin that
    is not learned from.
    """

    pending: int
    approved: int
    rejected: int
    eligible: int
    excluded: int = 0


@dataclass(frozen=True, slots=True)
class ImportCount:
    """How many pairs an import added, how many were in the store (or earlier in the file) already.

    `refused` hold what was said, deleted or forgotten here, which no file may bring back as somebody else's.
    """

    imported: int
    duplicates: int
    refused: int = 0
