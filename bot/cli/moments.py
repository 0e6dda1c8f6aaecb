"""Options that take a moment."""

from __future__ import annotations

from datetime import datetime, tzinfo

import typer

from bot.moments import moment_of

__all__ = ["moment"]


def moment(text: str, option: str, zone: tzinfo | None = None) -> datetime:
    """The moment of an option, in UTC; dates without a zone are this machine's. Raises typer.BadParameter."""
    found = moment_of(text, datetime.now().astimezone(), zone)
    if found is None:
        raise typer.BadParameter(
            f"{text!r} is no moment: give how long ago (30m, 2h, 3d) or a date (2026-11-25, 2026-11-25T04:00)",
            param_hint=option,
        )
    return found
