"""The records that the store takes and returns: plain frozen values.

Knows nothing of SQLite, files, Discord or torch. Times are UTC in ISO 8601 with milliseconds
("2026-11-23T04:00:00.000+00:00"), so that they sort as text. Identifiers of people, channels and messages are
Discord's integers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Role = Literal["system", "user", "assistant"]
Source = Literal["discord", "import", "chat"]
Origin = Literal["message", "direct_message", "discord_export", "command", "import", "moderator", "bot"]
"""Where words came from: a message in a channel, a direct message, a Discord conversation that another program saved,
a slash command or form, a file of the operator's or a moderator's, a moderator's own wording, the bot."""
MESSAGE_CONTENT: tuple[Origin, ...] = ("message", "direct_message", "discord_export")
"""What Discord's policy calls message content: it came through its APIs, by this bot or by another program."""
STRICTEST_FIRST: tuple[Origin, ...] = (*MESSAGE_CONTENT, "bot", "moderator", "command", "import")
"""Where only one origin can be named: the first of these that fits."""
Verdict = Literal["approve", "edit", "reject", "undo"]
"""What a moderator says about a reply; "undo" takes back the latest verdict, so that the reply waits again."""
Reason = Literal["wrong", "rude", "off-topic", "unsafe", "other"]
QueueOrder = Literal["newest", "oldest", "unsure"]
Preference = Literal["champion", "challenger", "tie"]
ChoiceOrigin = Literal["edit", "rejection", "regeneration", "vote"]
ConsentRule = Literal["members", "operator"]
PostKind = Literal["card", "question", "report", "answer"]
PromotionKind = Literal["gate", "use", "rollback"]
DeliveryKind = Literal["answer", "card", "verdict"]
Outcome = Literal["promoted", "kept", "skipped", "failed"]


@dataclass(frozen=True, slots=True)
class Turn:
    """One message the model was shown. `author_id` is the person whose words it holds; the bot's have none.

    `origin` is known of every turn in the store. It is no part of what makes two turns equal.
    """

    role: Role
    content: str
    author_id: int | None = None
    message_id: int | None = None
    origin: Origin | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Answered:
    """A message whose words are a person's, or answer them: numbers of the message, the person, and what they said."""

    message_id: int
    person: int | None
    said: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NewReply:
    """What the bot said, before it is stored. `turns` is what it was shown and ends with a user turn."""

    source: Source
    conversation: str
    turns: tuple[Turn, ...]
    text: str
    adapter: str | None
    base_model: str
    guild_id: int | None = None
    channel_id: int | None = None
    message_id: int | None = None
    asker_id: int | None = None
    prompt_message_id: int | None = None
    finish_reason: str = "stop"
    confidence: float | None = None
    """How sure the model was, from 0 to 1: the mean probability of its tokens. None where it was not measured."""
    answered: frozenset[Answered] = frozenset()
    """What the bot's messages among the turns answered, besides what the store knows of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply(NewReply):
    """A stored reply. `redacted`: somebody's words were taken out of it, so it is never trained on."""

    id: int
    created_at: str
    redacted: bool


@dataclass(frozen=True, slots=True)
class Review:
    """One moderator's verdict on a reply. Append-only: the latest one counts."""

    id: int
    reply_id: int
    verdict: Verdict
    edited_text: str | None
    reason: str | None
    reviewer_id: int | None
    reviewer: str
    created_at: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """Something of a reply that Discord does not show yet; `error` is why the last attempt failed."""

    id: int
    reply_id: int
    kind: DeliveryKind
    details: dict[str, Any]
    error: str | None


@dataclass(frozen=True, slots=True)
class UnfinishedAnswer:
    """An answer that is being written: its request and its messages so far, with those that it replaces."""

    question_id: int
    channel_id: int
    message_ids: tuple[int, ...]
    guild_id: int | None = None


@dataclass(frozen=True, slots=True)
class StoredThread:
    """The channel that a thread belongs to, and whether only its members read it; None: not known."""

    parent_id: int
    private: bool | None


@dataclass(frozen=True, slots=True)
class QueueCard:
    """The next reply of a moderator's queue, and how many wait from it on, itself included."""

    reply: Reply
    left: int


@dataclass(frozen=True, slots=True)
class Tally:
    """Verdicts of a day or on an adapter's replies, and how many approved. `name`: the day or the adapter's id."""

    name: str
    reviews: int
    approved: int


@dataclass(frozen=True, slots=True)
class EditDistance:
    """How much of an adapter's or a week's approved answers was changed before.

    Attributes:
        name: the adapter's id ("" is the bare base), or the Monday of the week.
        approved: answers that were approved, as they were or edited.
        edited: those that were changed.
        share: mean share of the text that was changed, from 0 to 1.
    """

    name: str
    approved: int
    edited: int
    share: float


@dataclass(frozen=True, slots=True)
class Figures:
    """Counts over everything that is stored.

    Attributes:
        waiting: replies without a verdict.
        verdicts: replies by their verdict: approve, edit, reject.
        runs: ended runs by what started them and by outcome.
        promotions: changes of the adapter in use by kind.
        last_run_ended_at: when the last run ended, or None.
        edits: what was changed in approved replies, of the newest adapters.
    """

    waiting: int
    verdicts: dict[str, int]
    runs: dict[tuple[str, str], int]
    promotions: dict[str, int]
    last_run_ended_at: str | None
    edits: list[EditDistance]


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One training attempt. `config` is the resolved settings, `details` whatever a stage wants to keep."""

    id: str
    trigger: str
    stage: str
    started_at: str
    local_date: str
    pid: int
    finished_at: str | None = None
    outcome: Outcome | None = None
    reason: str | None = None
    champion: str | None = None
    challenger: str | None = None
    champion_nll: float | None = None
    challenger_nll: float | None = None
    holdout_pairs: int | None = None
    train_pairs: int | None = None
    snapshot_hash: str | None = None
    config: dict[str, Any] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)
    reported_at: str | None = None
    """When people were told on Discord how it ended."""
    why: list[dict[str, Any]] = field(default_factory=list)
    """Its reason as codes with values, which `trainer.reasons` reads; empty where an older version ended it."""
    guild_id: int | None = None
    """The server whose own voice it trains; None: the one voice of all servers."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One number a run reported at a step."""

    run_id: str
    step: int
    name: str
    value: float
    at: str


@dataclass(frozen=True, slots=True)
class Adapter:
    """A published LoRA version, immutable. `manifest` is the one in its directory, `guild_id` as that of its run."""

    id: str
    run_id: str | None
    base_model: str
    created_at: str
    manifest: dict[str, Any] = field(default_factory=dict)
    retired_at: str | None = None
    guild_id: int | None = None


@dataclass(frozen=True, slots=True)
class Promotion:
    """A row that makes an adapter (None: the bare base) the champion. A rollback names where it leads.

    `guild_id` is the server whose voice it changes; None: the one voice of all servers.
    """

    id: int
    adapter: str | None
    kind: PromotionKind
    actor: str
    reason: str
    created_at: str
    guild_id: int | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """An adapter that was kept out for lack of certainty alone.

    Attributes:
        rival: the adapter in use that `wealth` compares it with; None is the bare base.
        wealth: what each of the gamblers has; empty before the first pair.
        pairs: how many were counted against that rival.
        gain: the sum of the gains on them, in nats a token.
    """

    adapter: str
    rival: str | None
    wealth: tuple[float, ...]
    pairs: int
    gain: float
    created_at: str


@dataclass(frozen=True, slots=True)
class Act:
    """An administrative act to be written down: who does what to what. `guild_id` as in `AuditEntry`."""

    actor_id: int | None
    actor: str
    action: str
    subject: str = ""
    guild_id: int | None = None
    details: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """An administrative act: who did what to what, and when. `guild_id` is None where it concerns every server."""

    id: int
    created_at: str
    guild_id: int | None
    actor_id: int | None
    actor: str
    action: str
    subject: str
    details: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Post:
    """A message of the bot's that shows stored words: a reply's card, a run's report or one of its questions.

    An answer is one to /ask, which shows what was asked.
    """

    message_id: int
    guild_id: int | None
    channel_id: int
    kind: PostKind
    reply_id: int | None = None
    run_id: str | None = None
    sample: int | None = None


@dataclass(frozen=True, slots=True)
class GuildSetting:
    """One setting made on Discord, for a channel of a server or, with `channel_id` 0, for all of it."""

    guild_id: int
    channel_id: int
    name: str
    value: Any


@dataclass(frozen=True, slots=True)
class MemberData:
    """How much the store holds of one person.

    `opted_in` is None while they have not decided; `messages` are theirs, `answers` the bot's to them, in so many
    `conversations` (stored replies); `adapters` in use or in reserve have seen some of it.
    """

    opted_in: bool | None
    messages: int
    answers: int
    conversations: int
    adapters: int


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What forgetting a person came to: the replies redacted, and the adapters marked now that saw them."""

    replies: tuple[int, ...]
    adapters: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Undoing:
    """What taking back a moderator's decisions came to, or putting them back.

    `replies` whose verdict changed, quarantine `decisions`, and `adapters` that are marked by it (or no longer are).
    """

    id: int
    replies: tuple[int, ...]
    decisions: int
    adapters: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Purge:
    """One step of deleting what is too old: `seen_to` is the number of the last reply looked at."""

    deleted: int
    seen_to: int
    done: bool


@dataclass(frozen=True, slots=True)
class Consent:
    """Whether a person lets the bot learn from their words."""

    user_id: int
    opted_in: bool
    updated_at: str
