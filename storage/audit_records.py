"""The audit: administrative acts, as they are written down and read.

Plain frozen values; see `storage.reply_records` for times and identifiers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


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
