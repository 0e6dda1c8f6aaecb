"""Moments as people give them to a command: how long ago, or a date."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import typer

__all__ = ["moment"]

_AGO = re.compile(r"(\d{1,6})\s*(m|min|h|d|w)", re.IGNORECASE)
_UNITS = {"m": "minutes", "min": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def moment(text: str, option: str) -> datetime:
    """`2h` or `3d` ago, or a date with or without a time (of this machine's zone). Raises typer.BadParameter."""
    text = text.strip()
    try:
        if found := _AGO.fullmatch(text):
            return datetime.now().astimezone() - timedelta(**{_UNITS[found[2].casefold()]: int(found[1])})
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError, OSError):
        raise typer.BadParameter(
            f"{text!r} is no moment: give how long ago (30m, 2h, 3d) or a date (2026-11-25, 2026-11-25T04:00)",
            param_hint=option,
        ) from None
