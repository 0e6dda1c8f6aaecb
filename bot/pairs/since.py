"""Since when: "3d", "12h", "30m", or a date with or without a time, in UTC. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

__all__ = ["moment_of"]

_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def moment_of(text: str, now: datetime) -> str | None:
    """The moment that a text means, as the store writes it; None where it means none, or one that is to come."""
    given = text.strip().lower()
    if ago := re.fullmatch(r"(\d{1,6})\s*([mhdw])", given):
        try:
            return _stored(now - timedelta(**{_UNITS[ago[2]]: int(ago[1])}), now)
        except OverflowError:  # before the year 1
            return None
    try:
        moment = datetime.fromisoformat(given)
    except ValueError:
        return None
    return _stored(moment if moment.tzinfo else moment.replace(tzinfo=UTC), now)


def _stored(moment: datetime, now: datetime) -> str | None:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds") if moment <= now else None
