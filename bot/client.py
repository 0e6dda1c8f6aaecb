"""The bot on Discord: one client that hands each event to the part that answers it.

It holds the parts together and decides nothing itself. Loads no model and opens no database: those come in from
bot/app.py.
"""

from __future__ import annotations

import logging
from typing import Any

import discord
from discord import app_commands
from discord.ext import tasks

from bot.administration.commands import SettingsCommands
from bot.answering import Answering
from bot.cards import VerdictButton
from bot.commands import Operations, slash_commands
from bot.controls import AgainButton, MoreButton, StopButton
from bot.guild_settings import SettingsBook
from bot.handler import respond_with
from bot.members import FrontDesk, ask_command
from bot.permissions import is_moderator
from bot.questions import Question
from bot.review import ReviewDesk, message_commands, review_channel
from bot.settings import Settings
from model.protocol import ChatEngine
from storage.writer import AsyncStore

__all__ = ["NightshiftClient", "intents"]

_log = logging.getLogger(__name__)


def intents(*, message_content: bool) -> discord.Intents:
    """No more than is used: servers and messages, and what the messages say if that is allowed."""
    wanted = discord.Intents.none()
    wanted.guilds = wanted.guild_messages = wanted.dm_messages = True
    wanted.message_content = message_content
    return wanted


class _Tree(app_commands.CommandTree[Any]):
    async def on_error(self, interaction: discord.Interaction[Any], error: app_commands.AppCommandError, /) -> None:
        await respond_with(interaction, error)


class NightshiftClient(discord.Client):
    """`desk` is the review desk; the buttons of cards find it here."""

    def __init__(self, engine: ChatEngine, store: AsyncStore, settings: Settings, operations: Operations) -> None:
        super().__init__(
            intents=intents(message_content=settings.discord.message_content),
            # Nothing the bot ever says pings anybody, whatever the model writes.
            allowed_mentions=discord.AllowedMentions.none(),
        )
        config = settings.discord
        self._config = config
        self._operations = operations
        self.book = SettingsBook(store, settings)
        self.desk = ReviewDesk(store, config)
        self.answering = Answering(engine, store, settings, self._on_reply)
        self.front = FrontDesk(
            self.answering, store, self.book, lambda member, granted: is_moderator(member, granted, config.moderator_role), direct_messages=config.direct_messages
        )
        self.tree = _Tree(self)
        self.tree.add_command(ask_command(self.front))
        self.tree.add_command(SettingsCommands(self.book))
        for menu in message_commands(self.desk, hidden=config.moderator_role is None):
            self.tree.add_command(menu)
        for command in slash_commands(operations, store, settings):
            self.tree.add_command(command)
        self._poll = tasks.loop(seconds=config.poll_seconds)(self._look_for_adapter)

    async def setup_hook(self) -> None:
        await self.book.load()
        self.front.open()
        self.add_dynamic_items(VerdictButton, StopButton, AgainButton, MoreButton)
        await self.tree.sync()
        self._poll.start()

    async def on_ready(self) -> None:
        _log.info("Ready as %s on %d servers", self.user, len(self.guilds))

    async def on_message(self, message: discord.Message) -> None:
        if self.user is not None:
            await self.front.hear(message, self.user.id)

    async def on_raw_message_edit(self, payload: discord.RawMessageUpdateEvent) -> None:
        # The bot edits its own messages all the time, and a link's preview arrives as an edit that changed no word.
        if payload.message.author != self.user and payload.message.edited_at is not None:
            self.answering.changed([payload.message_id])

    async def on_raw_message_delete(self, payload: discord.RawMessageDeleteEvent) -> None:
        self.answering.changed([payload.message_id])

    async def announce(self, text: str, *, guild: discord.Guild | None = None) -> None:
        """Tell the review channel of `guild`, or of every server. A server without one hears nothing."""
        for one in [guild] if guild is not None else list(self.guilds):
            channel = review_channel(one, self._config.review_channel)
            if channel is None:
                continue
            try:
                await channel.send(embed=discord.Embed(description=text, colour=discord.Colour.blurple()))
            except discord.HTTPException:
                _log.warning("Could not announce in %s", channel, exc_info=True)

    async def close(self) -> None:
        self._poll.cancel()
        await self.answering.close()
        await super().close()

    async def _on_reply(self, reply_id: int, question: Question) -> None:
        if question.guild is not None:
            await self.desk.post(reply_id, question.guild, question.asker.display_name)

    async def _look_for_adapter(self) -> None:
        try:
            await self._operations.sync_adapter()
        except Exception:  # noqa: BLE001  (a loop that dies would never look again)
            _log.exception("Looking for a new adapter failed; trying again in %s s", self._config.poll_seconds)
