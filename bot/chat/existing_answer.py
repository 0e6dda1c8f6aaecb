"""An answer that is on Discord already: its reply, its messages, and the text above and below it.

Used to regenerate or continue it. Who may do so is decided in bot/chat/incoming.py.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import discord

from bot.discord_io.components import Interaction
from bot.errors import Refused
from bot.i18n.en import texts
from bot.i18n.language import speaking
from storage.async_store import AsyncStore
from storage.reply_records import Reply
from storage.store import Store

__all__ = ["ExistingAnswer", "existing_answer_at", "heading_of", "parts_of", "reply_shown_by"]

_BETWEEN = 100  # messages looked through for the parts of one answer, which are posted one after the other


@dataclass(frozen=True)
class ExistingAnswer:
    """An answer on Discord.

    Attributes:
        reply: the reply that is shown.
        messages: its parts, first to last.
        continues: whether to continue it; otherwise another answer replaces it.
        notify: sends a text to the asker only.
    """

    reply: Reply
    messages: tuple[discord.Message, ...]
    continues: bool
    notify: Callable[[Callable[[], str]], Awaitable[None]] = field(repr=False)

    @property
    def heading(self) -> str:
        """The question above the answer, as an answer to /ask has it."""
        return heading_of(self.messages[0])

    @property
    def aside(self) -> str:
        """The line below the answer that is not part of it."""
        return texts.without_aside(self.messages[-1].content)[1]

    @property
    def text_so_far(self) -> str:
        """The text to continue; empty when the answer is replaced."""
        return self.reply.text if self.continues else ""


def heading_of(message: discord.Message) -> str:
    """The question above an answer to /ask; empty for other messages, though an answer may begin with a quotation."""
    if message.interaction_metadata is None:
        return ""
    question, _ = texts.asked_and_answered(message.content)
    return texts.asked(question) if question else ""


async def reply_shown_by(store: AsyncStore, message: discord.Message | None) -> Reply | None:
    """The reply that one of the bot's messages shows, as its first part or a later one."""
    if message is None:
        return None
    reply: Reply | None = await store.call(Store.reply_by_message, message.id)
    if reply is None and message.reference is not None and message.reference.message_id is not None:
        reply = await store.call(Store.reply_by_message, message.reference.message_id)
    return reply


async def existing_answer_at(interaction: Interaction, reply: Reply, *, continues: bool) -> ExistingAnswer:
    """The answer above the button that was pressed, showing `reply`. Raises Refused if it cannot be read."""
    last = interaction.message
    assert last is not None  # noqa: S101  (for the type checker: a button belongs to a message)
    parts = [last]
    if reply.message_id is not None and last.id != reply.message_id:
        try:
            parts = [*await _parts_before(interaction.channel, reply.message_id, last), last]
        except discord.HTTPException as error:
            raise Refused(texts.ANSWER_GONE) from error

    async def notify(text: Callable[[], str]) -> None:
        with speaking(str(interaction.locale)):
            said = text()
        await interaction.followup.send(said, ephemeral=True)

    return ExistingAnswer(reply, tuple(parts), continues, notify)


async def parts_of(channel: Any, first_id: int) -> list[discord.Message]:
    """All messages of an answer, first to last: the first and the bot's own that reply to it."""
    first = await channel.fetch_message(first_id)
    after = channel.history(limit=_BETWEEN, after=first, oldest_first=True)
    return [first, *[one async for one in after if _is_part(one, first)]]


async def _parts_before(channel: Any, first_id: int, last: discord.Message) -> list[discord.Message]:
    """The first message of an answer and those between it and the last: the bot's own that reply to the first."""
    first = await channel.fetch_message(first_id)
    between = channel.history(limit=_BETWEEN, after=first, before=last, oldest_first=True)
    return [first, *[one async for one in between if _is_part(one, first)]]


def _is_part(message: discord.Message, first: discord.Message) -> bool:
    """Whether a message is a later part of the answer that begins with `first`."""
    reference = message.reference
    return message.author.id == first.author.id and reference is not None and reference.message_id == first.id
