"""The bot on Discord: one client that hands each event to the part that answers it.

It holds the parts together and decides nothing itself. Loads no model and opens no database: those come in from
bot/app.py.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from typing import Any

import discord
from discord import app_commands
from discord.ext import tasks

from bot.chat.answering import Answering
from bot.chat.buttons import ContinueButton, DeleteButton, RegenerateButton, StopButton
from bot.chat.incoming import IncomingRequests, ask_command
from bot.chat.request import ChatRequest
from bot.chat.save import SavedReply
from bot.discord_io.background import BackgroundTask
from bot.discord_io.command_upload import CommandUpload
from bot.discord_io.discord_clock import DiscordClock
from bot.discord_io.interaction_errors import respond_with_error
from bot.discord_io.token_watch import TokenWatch
from bot.i18n.command_translator import CommandTranslator
from bot.i18n.en import settings as settings_texts
from bot.i18n.language import speak, speaking
from bot.pairs.quarantine import QuarantineButton
from bot.privacy.commands import privacy_commands
from bot.privacy.deleted_messages import deleted_while_offline, in_deleted_threads
from bot.privacy.retention import Deletions, apply_retention
from bot.privacy.withdrawals import Withdrawals
from bot.review.blind_vote import VoteButton
from bot.review.cards import CardButton, ReasonMenu
from bot.review.outbox import Outbox
from bot.review.queue import QueueButton
from bot.review.reactions import Reactions
from bot.review.service import ReviewService, message_commands
from bot.server.deleted_ids import drop_deleted_ids
from bot.server.guild_settings import Actor, GuildSettingsCache
from bot.server.moderators import Moderators
from bot.server.settings_commands import SettingsCommands
from bot.server.setup import SetupChannel, SetupForm, SetupRole, SetupStep
from bot.server.training_servers import TrainingServers
from bot.settings import Settings
from bot.slash_commands import slash_commands
from bot.training.operations import Operations
from bot.training.report import ReportPoster
from model.protocol import ChatEngine
from storage.async_store import AsyncStore
from storage.store import Store

__all__ = ["NightshiftClient", "intents"]

_log = logging.getLogger(__name__)
_ITEMS = (CardButton, ReasonMenu, QueueButton, QuarantineButton, VoteButton, SetupChannel, SetupRole, SetupStep)
_RETENTION_HOURS = 6  # between two looks for what is too old
_ERASE_MINUTES = 5  # between two attempts to overwrite removed words in the files, where somebody was in the way
_LONGEST_WAIT = 60.0  # seconds that one request waits out a rate limit: edits of an old message may wait for an hour
_ROUND_SECONDS = 15.0  # between two looks for what is not shown on Discord yet


def intents(*, message_content: bool, reactions: bool = False) -> discord.Intents:
    """No more than is used: servers, their emoji and messages; what messages say, and reactions, if that is set."""
    wanted = discord.Intents.none()
    wanted.guilds = wanted.guild_messages = wanted.dm_messages = True
    wanted.guild_reactions = reactions
    wanted.expressions = True  # the server's own emoji, as they change
    wanted.message_content = message_content
    return wanted


def _joined(guild: discord.Guild) -> tuple[bool, float, int]:
    """Orders servers by when the bot joined them; one that says nothing comes last."""
    at = guild.me.joined_at if guild.me is not None else None
    return at is None, at.timestamp() if at is not None else 0.0, guild.id


class _Tree(app_commands.CommandTree[Any]):
    async def interaction_check(self, interaction: discord.Interaction, /) -> bool:
        speak(str(interaction.locale))
        return True

    async def on_error(self, interaction: discord.Interaction, error: app_commands.AppCommandError, /) -> None:
        await respond_with_error(interaction, error)


class NightshiftClient(discord.Client):
    """`review` is what the buttons of cards call; `guild_settings` holds the servers' own settings."""

    def __init__(self, engine: ChatEngine, store: AsyncStore, settings: Settings, operations: Operations) -> None:
        self._token = TokenWatch(self.close)
        self._clock = DiscordClock()
        self._clock.listen(self._token.trace)
        super().__init__(
            max_ratelimit_timeout=_LONGEST_WAIT,
            http_trace=self._token.trace,
            intents=intents(
                message_content=settings.discord.message_content, reactions=settings.discord.review_by_reaction
            ),
            # Nothing the bot ever says pings anybody, whatever the model writes.
            allowed_mentions=discord.AllowedMentions.none(),
        )
        config = settings.discord
        self._config = config
        self._operations = operations
        self.guild_settings = GuildSettingsCache(store, settings)
        self.training_servers = TrainingServers(store, settings)
        self.moderators = Moderators(store, self.guild_settings, config, self.training_servers)
        self.outbox = Outbox(self, self.moderators)
        self.review = ReviewService(self.moderators, self.outbox)
        self.setup = SetupForm(self.moderators, settings.consent)
        self.reports = ReportPoster(self.moderators)
        self.withdrawals = Withdrawals(self, self.moderators, self.review, self.reports)
        self._reactions = Reactions(self.moderators, self.review)
        self.answering = Answering(
            engine, store, settings, self._on_reply, self.outbox.answer, training_servers=self.training_servers
        )
        self.requests = IncomingRequests(
            self.answering, store, self.guild_settings, self.moderators, direct_messages=config.direct_messages
        )
        self.tree = _Tree(self)
        for menu in message_commands(self.review, hidden=config.moderator_role is None):
            self.tree.add_command(menu)
        self.tree.add_command(ask_command(self.requests))
        self.tree.add_command(SettingsCommands(self.guild_settings))
        for command in slash_commands(operations, self.moderators, self.review, self.setup):
            self.tree.add_command(command)
        self.tree.add_command(privacy_commands(store, settings, self._forgotten, self.training_servers))
        self._upload = CommandUpload(self.tree, store)
        self._store = store
        self._deletions = Deletions(store)
        self._retention_days = settings.privacy.retention_days
        self._retention = tasks.loop(hours=_RETENTION_HOURS)(self._task("retention", self._apply_retention))
        self._poll = tasks.loop(seconds=config.poll_seconds)(self._task("adapter", self._look_for_adapter))
        self._erasing = tasks.loop(minutes=_ERASE_MINUTES)(self._task("erase", self._erase))
        self._looks_back = settings.privacy.look_back
        self._rounds = tasks.loop(seconds=_ROUND_SECONDS)(self._task("outbox", self._show_the_rest))
        self._looked = False
        self._look_back = tasks.loop(count=1)(self._task("deleted", self._look_for_deleted))

    @property
    def token_refused(self) -> bool:
        """Whether the client ended because Discord knows its token no more."""
        return self._token.refused

    async def setup_hook(self) -> None:
        self._token.start(self.http)
        await self.guild_settings.load()
        await self.training_servers.remember()
        self.requests.open()
        self.add_dynamic_items(*_ITEMS, StopButton, RegenerateButton, ContinueButton, DeleteButton)
        await self.tree.set_translator(CommandTranslator())
        await self._upload.start()
        self._poll.start()
        self._retention.start()  # its first round is now
        self._erasing.start()

    async def on_ready(self) -> None:
        _log.info("Ready as %s on %d servers", self.user, len(self.guilds))
        await self._remember_home()
        for guild in self.guilds:
            self.moderators.warn_of_missing(guild)
            await self._settings_gone(guild)
        if not self._rounds.is_running():
            self._rounds.start()
        if self._looks_back and not self._look_back.is_running():
            self._look_back.start()
        await self.withdrawals.carry_out()

    async def on_guild_join(self, _guild: discord.Guild) -> None:
        await self._remember_home()

    async def on_guild_available(self, _guild: discord.Guild) -> None:
        await self._remember_home()

    async def _remember_home(self) -> None:
        await self.training_servers.remember([one.id for one in sorted(self.guilds, key=_joined)])

    async def on_message(self, message: discord.Message) -> None:
        if self.user is not None:
            speak(self.moderators.locale(message.guild))
            await self.requests.on_message(message, self.user.id)

    async def on_raw_reaction_add(self, payload: discord.RawReactionActionEvent) -> None:
        await self._reactions.added(payload, self.get_channel(payload.channel_id))

    async def on_raw_reaction_remove(self, payload: discord.RawReactionActionEvent) -> None:
        await self._reactions.removed(payload, self.get_guild(payload.guild_id) if payload.guild_id else None)

    async def on_raw_message_edit(self, payload: discord.RawMessageUpdateEvent) -> None:
        # The bot edits its own messages all the time, and a link's preview arrives as an edit that changed no word.
        if payload.message.author != self.user and payload.message.edited_at is not None:
            self.answering.changed([payload.message_id])

    async def on_raw_message_delete(self, payload: discord.RawMessageDeleteEvent) -> None:
        await self.deleted([payload.message_id])

    async def on_raw_bulk_message_delete(self, payload: discord.RawBulkMessageDeleteEvent) -> None:
        await self.deleted(payload.message_ids)

    async def on_guild_channel_delete(self, channel: discord.abc.GuildChannel) -> None:
        for place in (channel, *getattr(channel, "threads", ())):
            await self.deleted(await self._store.call(Store.messages_in, place.id))
        await self.deleted(await in_deleted_threads(self, self._store, channel))
        await self._settings_gone(channel.guild)

    async def on_guild_role_delete(self, role: discord.Role) -> None:
        await self._settings_gone(role.guild)

    async def on_raw_thread_delete(self, payload: discord.RawThreadDeleteEvent) -> None:
        await self.deleted(await self._store.call(Store.messages_in, payload.thread_id))
        guild = self.get_guild(payload.guild_id)
        if guild is not None:
            await self._settings_gone(guild)

    async def announce(self, text: Callable[[], str], *, guild: discord.Guild | None = None) -> bool:
        """Tell the review channel of `guild`, or of every server, each in its language. One without hears nothing.

        Gives whether there was a channel to tell.
        """
        told = False
        for one in [guild] if guild is not None else list(self.guilds):
            channel = self.moderators.review_channel(one)
            if channel is None:
                continue
            with speaking(self.moderators.locale(one)):
                said = text()
            await self.moderators.say(channel, said)
            told = True
        return told

    async def close(self) -> None:
        self._poll.cancel()
        self._retention.cancel()
        self._erasing.cancel()
        self._look_back.cancel()
        await self._upload.close()
        self._rounds.cancel()
        await self.answering.close()
        await super().close()

    async def _on_reply(self, saved: SavedReply, request: ChatRequest) -> None:
        gone = await self._deletions.catch_up(saved.reply_id)
        if request.guild is None:
            return
        if saved.extended:
            await self.review.changed(request.guild, saved.reply_id)
        elif not gone:
            await self.outbox.carry_out(saved.reply_id, "card")
        if request.existing is not None and not saved.extended:
            await self.review.changed(request.guild, request.existing.reply.id)  # another stands in its place

    async def deleted(self, message_ids: Iterable[int]) -> None:
        """These messages are gone from Discord, and so their words from everything that is kept."""
        ids = list(message_ids)
        self.answering.changed(ids)
        redacted = await self._deletions.happened(ids)  # first of all: answers that are read anew ask the store
        await self._store.call(Store.posts_gone, ids)
        await self._redacted(redacted)

    async def _forgotten(self, reply_ids: Sequence[int]) -> None:
        """Somebody was forgotten: answers that have not begun are written without their words."""
        self.answering.reread()
        await self._redacted(reply_ids)

    async def _redacted(self, reply_ids: Sequence[int]) -> None:
        """Words were taken out of these replies: what shows them on Discord shows them no longer."""
        await self.withdrawals.carry_out(reply_ids)

    async def _settings_gone(self, guild: discord.Guild) -> None:
        """Something on a server was deleted, maybe while nobody listened: its settings name it no longer."""
        if guild.unavailable:
            return
        me = Actor(guild.me.id, guild.me.display_name)
        if await drop_deleted_ids(self.guild_settings, guild, me):
            await self.announce(lambda: settings_texts.ALLOWED_GONE, guild=guild)

    def _task(self, name: str, work: Callable[[], Awaitable[Any]]) -> Callable[[], Coroutine[Any, Any, None]]:
        task = BackgroundTask(name, work, self.announce)

        async def run() -> None:  # discord.py wants a coroutine function
            await task()

        return run

    async def _apply_retention(self) -> None:
        await apply_retention(self._store, self._retention_days, self._clock.now())
        if self.is_ready():
            await self.withdrawals.carry_out()

    async def _erase(self) -> None:
        starting = self._erasing.current_loop == 0  # nobody waits yet, so a large file may take its time
        await self._store.call(Store.erase, **({"at_most": None} if starting else {}))
        if self.is_ready():
            await self.withdrawals.carry_out()

    async def _show_the_rest(self) -> None:
        """Show what is not shown yet, and clean up what nobody writes any more."""
        if not self._looked:
            await self.answering.unfinished.look(self, self.answering.alive)
            self._looked = True
        await self.answering.unfinished.clean_up(self, self.answering.alive, self.moderators.locale)
        await self.outbox.round()

    async def _look_for_adapter(self) -> None:
        await self._operations.look()

    async def _look_for_deleted(self) -> None:
        gone = await deleted_while_offline(self, self._store, self._retention_days, self._clock.now())
        if gone:
            await self.deleted(gone)
