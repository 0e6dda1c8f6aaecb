"""Runs and adapters: training attempts with what they report, adapters, and which of them is in use.

Plain frozen values; see `storage.reply_records` for times and identifiers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from storage.review_records import EditDistance

Preference = Literal["champion", "challenger", "tie"]
PromotionKind = Literal["gate", "use", "rollback"]
Outcome = Literal["promoted", "kept", "skipped", "failed"]


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
