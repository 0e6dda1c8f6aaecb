"""Turns an error into the sentence that a person on Discord reads. No other place does.

Errors of the other packages carry a sentence for the operator. A member of a server gets a friendlier one, and never
the text of an exception.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec

import discord
from discord import app_commands

from bot.discord_io import limits
from bot.discord_io.retry import UNSENT
from bot.errors import Refused
from bot.i18n.en import knowledge, moderation, texts, undoings
from bot.i18n.language import speak
from model.errors import ContextTooLong, EngineClosed, EngineFailed, QueueFull
from storage.adapter_errors import AdapterDamaged, AdapterMissing, AdapterRetired, NothingToRollBack
from storage.document_errors import DocumentEmpty, DocumentNotFound, DocumentTooLong, KnowledgeFull
from storage.errors import DatabaseBusy, DatabaseDamaged, DatabaseUnwritable, DiskFull
from storage.review_errors import (
    EditEmpty,
    NothingToUndo,
    NotInQuarantine,
    NoVerdicts,
    ReplyNotFound,
    ReplyRedacted,
    SecondModeratorNeeded,
    UndoingGone,
)

__all__ = ["answered", "error_message", "failure_notice", "respond_with_error"]

_log = logging.getLogger(__name__)
P = ParamSpec("P")


def failure_notice(error: BaseException) -> str:
    """What the member who asked reads when the answer failed."""
    match error:
        case QueueFull():
            return texts.BUSY
        case ContextTooLong():
            return texts.TOO_LONG
        case EngineClosed():
            return texts.CLOSING
        case EngineFailed():
            return texts.RESTARTING
        case Refused():
            return f"{texts.NOTICE}{error}"
        case _:
            return texts.FAILED


def _messages() -> dict[type[Exception], str]:
    return {
        NothingToRollBack: texts.NOTHING_TO_ROLL_BACK,
        ReplyNotFound: texts.REPLY_GONE,
        ReplyRedacted: texts.REPLY_GONE,
        NothingToUndo: moderation.NOTHING_TO_UNDO,
        EditEmpty: texts.EDIT_EMPTY,
        NotInQuarantine: moderation.QUARANTINE_GONE,
        NoVerdicts: undoings.NOTHING,
        UndoingGone: undoings.GONE,
        SecondModeratorNeeded: moderation.QUARANTINE_OWN,
        AdapterMissing: moderation.ADAPTER_GONE,
        AdapterRetired: moderation.ADAPTER_RETIRED,
        AdapterDamaged: moderation.ADAPTER_DAMAGED,
        DocumentEmpty: knowledge.EMPTY,
        DocumentTooLong: knowledge.DOCUMENT_TOO_LONG,
        KnowledgeFull: knowledge.FULL,
        DocumentNotFound: knowledge.GONE,
        DiskFull: texts.DISK_FULL,
        DatabaseBusy: texts.DATABASE_BUSY,
        DatabaseDamaged: texts.DATABASE_BROKEN,
        DatabaseUnwritable: texts.DATABASE_BROKEN,
        app_commands.NoPrivateMessage: texts.SERVER_ONLY,
    }


def error_message(error: BaseException) -> str | None:
    """What somebody who used a command or a button reads; None for an error that nobody foresaw."""
    if isinstance(error, Refused):
        return str(error)
    return next((text for kind, text in _messages().items() if isinstance(error, kind)), None)


async def respond_with_error(interaction: discord.Interaction, error: BaseException) -> None:
    """Tell the person behind `interaction`, and nobody else, what went wrong."""
    if isinstance(error, app_commands.CommandInvokeError):
        error = error.original
    elif isinstance(error, app_commands.CheckFailure) and isinstance(error.__cause__, Refused):
        error = error.__cause__
    text = error_message(error)
    if text is None or isinstance(error, DiskFull | DatabaseBusy | DatabaseDamaged | DatabaseUnwritable):
        _log.error("Interaction %s failed", interaction.id, exc_info=error)
    if text is None:
        text = texts.FAILED_COMMAND
    text = limits.content(text)
    try:
        if interaction.response.is_done():
            await interaction.followup.send(text, ephemeral=True)
        else:
            await interaction.response.send_message(text, ephemeral=True)
    except UNSENT:
        _log.warning("Could not answer interaction %s", interaction.id, exc_info=True)


def answered(callback: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, Coroutine[Any, Any, None]]:
    """Make a button or form answer its user in their language, also when it fails. Commands do not need it.

    Needed because discord.py only logs what a `DynamicItem` raises.
    """

    @functools.wraps(callback)
    async def wrapper(*args: P.args, **kwargs: P.kwargs) -> None:
        interaction = next(value for value in args if isinstance(value, discord.Interaction))
        speak(str(interaction.locale))
        try:
            await callback(*args, **kwargs)
        except Exception as error:  # noqa: BLE001  (this is the one handler: it logs what it does not know)
            await respond_with_error(interaction, error)

    return wrapper
