"""Moments as people give them: "3d", "12h" or "30m" ago, or a date with or without a time. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo

__all__ = ["moment_of", "past_moment"]

_AGO = re.compile(r"(\d{1,6})\s*(m|min|h|d|w)", re.IGNORECASE)
_UNITS = {"m": "minutes", "min": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def moment_of(text: str, now: datetime, zone: tzinfo | None = UTC) -> datetime | None:
    """The moment that a text means, in UTC; None where it means none.

    Args:
        text: what was given.
        now: the present, with a zone.
        zone: of a date that names none; None is this machine's.
    """
    given = text.strip()
    try:
        if ago := _AGO.fullmatch(given):
            return (now - timedelta(**{_UNITS[ago[2].casefold()]: int(ago[1])})).astimezone(UTC)
        moment = datetime.fromisoformat(given)
        return (moment if moment.tzinfo or zone is None else moment.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError, OSError):  # no date, or one before the year 1 or after the year 9999 in UTC
        return None


def past_moment(text: str, now: datetime) -> str | None:
    """The same, dates being UTC, as the store writes it; None also for one that is to come."""
    found = moment_of(text, now)
    return found.isoformat(timespec="milliseconds") if found and found <= now else None
