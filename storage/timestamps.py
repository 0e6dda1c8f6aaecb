"""The one way times are written in the store: UTC, ISO 8601, milliseconds, so that they sort as text."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> str:
    """The present, such as "2026-11-23T04:00:00.000+00:00"."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
