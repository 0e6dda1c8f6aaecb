"""The bot on Discord: one client that hands each event to the part that handles it.

It holds the parts together and decides nothing itself. bot/app.py opens the model and the database.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence

import discord

from bot.background_loops import BackgroundLoops
from bot.chat.answering import Answering
from bot.chat.generation import VoiceOf, in_use
from bot.chat.incoming import IncomingRequests
from bot.chat.lookup import Lookup
from bot.chat.request import ChatRequest
from bot.chat.save import SavedReply
from bot.discord_io.command_tree import CommandTree
from bot.discord_io.command_upload import CommandUpload
from bot.discord_io.discord_clock import DiscordClock
from bot.discord_io.token_watch import TokenWatch
from bot.dynamic_items import DYNAMIC_ITEMS
from bot.gateway import intents, sharding
from bot.i18n.command_translator import CommandTranslator
from bot.i18n.en import settings as settings_texts
from bot.i18n.language import speak
from bot.knowledge.commands import KnowledgeCommands
from bot.lead import Lead
from bot.privacy.deleted_messages import in_deleted_threads
from bot.privacy.left_servers import LeftServers
from bot.privacy.retention import DeletedMessages
from bot.privacy.withdrawals import Withdrawals
from bot.recall.memory import Memory
from bot.review.outbox import Outbox
from bot.review.reactions import Reactions
from bot.review.service import ReviewService
from bot.server.deleted_ids import drop_deleted_ids
from bot.server.guild_settings import Actor, GuildSettingsCache
from bot.server.moderators import Moderators
from bot.server.public_bot import mention_public_bot
from bot.server.setup import SetupForm
from bot.server.training_servers import TrainingServers
from bot.settings import Settings
from bot.slash_commands import every_command
from bot.training.operations import Operations
from bot.training.report import ReportPoster
from model.protocol import ChatEngine, Completion
from storage.async_store import AsyncStore
from storage.store import Store

__all__ = ["NightshiftClient", "ShardedClient"]

_log = logging.getLogger(__name__)
_LONGEST_WAIT = 60.0  # seconds that one request waits out a rate limit: edits of an old message may wait for an hour


def _joined(guild: discord.Guild) -> tuple[bool, float, int]:
    """Orders servers by when the bot joined them; those of which that is unknown come last."""
    at = guild.me.joined_at if guild.me is not None else None
    return at is None, at.timestamp() if at is not None else 0.0, guild.id


class NightshiftClient(discord.Client):
    """`review` is what the buttons of cards call; `guild_settings` holds the servers' own settings."""

    def __init__(
        self,
        engine: ChatEngine,
        store: AsyncStore,
        settings: Settings,
        operations: Operations,
        memory: Memory,
        *,
        lead: Lead,
        voice: VoiceOf = in_use,
        observe: Callable[[Completion | None], None] = lambda _: None,
    ) -> None:
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
            **sharding(settings.shards),
        )
        config, self._shards = settings.discord, settings.shards
        self.guild_settings = GuildSettingsCache(store, settings)
        self.training_servers = TrainingServers(store, settings)
        self.moderators = Moderators(store, self.guild_settings, config, self.training_servers)
        self.outbox = Outbox(self, self.moderators, settings.shards)
        self.review = ReviewService(self.moderators, self.outbox)
        self.setup = SetupForm(self.moderators, settings.consent)
        self.reports = ReportPoster(self.moderators)
        self.withdrawals = Withdrawals(self, self.moderators, self.review, self.reports)
        self._reactions = Reactions(self.moderators, self.review)
        self.answering = Answering(
            engine,
            store,
            settings,
            self._on_reply,
            self.outbox.answer,
            training_servers=self.training_servers,
            lookup=Lookup(memory, self.moderators.readers, settings.memory),
            voice=voice,
            observe=observe,
        )
        self.requests = IncomingRequests(
            self.answering, store, self.guild_settings, self.moderators, direct_messages=config.direct_messages
        )
        self.tree = CommandTree(self)
        self._add_commands(operations, engine, memory, settings)
        self._upload = CommandUpload(self.tree, store)
        self._store = store
        self._deleted_messages = DeletedMessages(store)
        self.mentions_public_bot = False  # where it is on real Discord
        self._left_servers = LeftServers(
            store, settings.privacy.left_server_days, operations.remove_files, lambda: self.application_id or 0
        )
        self._loops = BackgroundLoops(
            self,
            store,
            settings,
            self._clock,
            operations=operations,
            lead=lead,
            answering=self.answering,
            outbox=self.outbox,
            memory=memory,
            withdrawals=self.withdrawals,
            locale=self.moderators.locale,
            announce=self.announce,
            deleted=self.deleted,
            left_servers=self._left_servers,
        )

    def _add_commands(self, operations: Operations, engine: ChatEngine, memory: Memory, settings: Settings) -> None:
        for command in every_command(
            operations,
            self.moderators,
            self.review,
            self.setup,
            KnowledgeCommands(self.moderators, memory, engine, settings.memory),
            requests=self.requests,
            settings=settings,
            looks_up=memory.on,
            forgotten=self._forgotten,
        ):
            self.tree.add_command(command)

    @property
    def token_refused(self) -> bool:
        """Whether the client ended because Discord no longer accepts its token."""
        return self._token.refused

    async def setup_hook(self) -> None:
        self._token.start(self.http)
        await self.guild_settings.load()
        await self.training_servers.remember()
        self.requests.open()
        self.add_dynamic_items(*DYNAMIC_ITEMS)
        await self.tree.set_translator(CommandTranslator())
        await self._upload.start()
        self._loops.start()

    async def on_ready(self) -> None:
        _log.info("Ready as %s on %d servers", self.user, len(self.guilds))
        await self._remember_home()
        if self.mentions_public_bot:
            await mention_public_bot(self._store, self.application)
        await self._left_servers.compare({guild.id for guild in self.guilds}, self._shards.serve)
        for guild in self.guilds:
            self.moderators.warn_of_missing(guild)
            await self._drop_deleted_ids(guild)
        self._loops.start_when_ready()
        await self.withdrawals.carry_out()

    async def on_guild_join(self, guild: discord.Guild) -> None:
        await self._left_servers.here([guild.id])
        await self._remember_home()

    async def on_guild_remove(self, guild: discord.Guild) -> None:
        await self._left_servers.left(guild.id)

    async def on_guild_available(self, guild: discord.Guild) -> None:
        if self.is_ready():  # those of the start are compared all at once
            await self._left_servers.here([guild.id])
        await self._remember_home()

    async def _remember_home(self) -> None:
        guilds = self.guilds if self._shards.first else ()  # one process says which server was the first
        await self.training_servers.remember([one.id for one in sorted(guilds, key=_joined)])

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
        await self._drop_deleted_ids(channel.guild)

    async def on_guild_role_delete(self, role: discord.Role) -> None:
        await self._drop_deleted_ids(role.guild)

    async def on_raw_thread_delete(self, payload: discord.RawThreadDeleteEvent) -> None:
        await self.deleted(await self._store.call(Store.messages_in, payload.thread_id))
        guild = self.get_guild(payload.guild_id)
        if guild is not None:
            await self._drop_deleted_ids(guild)

    async def announce(self, text: Callable[[], str], *, guild: discord.Guild | None = None) -> bool:
        """Tell the review channel of `guild`, or of every server. Returns whether there was a channel to tell."""
        return await self.moderators.announce([guild] if guild is not None else list(self.guilds), text)

    async def close(self) -> None:
        self._loops.cancel()
        await self._upload.close()
        await self.answering.close()
        await super().close()

    async def _on_reply(self, saved: SavedReply, request: ChatRequest) -> None:
        gone = await self._deleted_messages.catch_up(saved.reply_id)
        if request.guild is None:
            return
        if saved.extended:
            await self.review.changed(request.guild, saved.reply_id)
        elif not gone:
            await self.outbox.carry_out(saved.reply_id, "card")
        if request.existing is not None and not saved.extended:
            await self.review.changed(request.guild, request.existing.reply.id)  # another stands in its place

    async def deleted(self, message_ids: Iterable[int]) -> None:
        """These messages were deleted on Discord, so their words are removed from everything that is kept."""
        ids = list(message_ids)
        self.answering.changed(ids)
        redacted = await self._deleted_messages.remove(ids)  # first: answers reread the store
        await self._store.call(Store.posts_gone, ids)
        if redacted:
            self.answering.reread()  # they may have been shown what is gone as an example
        await self._redacted(redacted)

    async def _forgotten(self, reply_ids: Sequence[int]) -> None:
        """Somebody was forgotten: answers that have not begun are written without their words."""
        self.answering.reread()
        await self._redacted(reply_ids)

    async def _redacted(self, reply_ids: Sequence[int]) -> None:
        """Words were removed from these replies, so they are also removed from the bot's messages on Discord."""
        await self.withdrawals.carry_out(reply_ids)

    async def _drop_deleted_ids(self, guild: discord.Guild) -> None:
        """Something on a server was deleted, maybe while the bot was offline: take it out of the settings."""
        if guild.unavailable:
            return
        me = Actor(guild.me.id, guild.me.display_name)
        if await drop_deleted_ids(self.guild_settings, guild, me):
            await self.announce(lambda: settings_texts.ALLOWED_GONE, guild=guild)


class ShardedClient(NightshiftClient, discord.AutoShardedClient):
    """The same on several connections, which discord.py opens one after the other."""

    async def close(self) -> None:
        if not hasattr(self, "_AutoShardedClient__queue"):  # discord.py 2.7 fails to close what never logged in
            await self._async_setup_hook()
        await super().close()
