"""What the client repeats: retention, the look for a new adapter, overwriting, late answers, deleted messages."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import discord
from discord.ext import tasks

from bot.chat.answering import Answering
from bot.discord_io.background import BackgroundTask
from bot.discord_io.discord_clock import DiscordClock
from bot.lead import Lead
from bot.privacy.deleted_messages import deleted_while_offline
from bot.privacy.left_servers import LeftServers
from bot.privacy.retention import apply_retention
from bot.privacy.withdrawals import Withdrawals
from bot.recall.memory import Memory
from bot.review.outbox import Outbox
from bot.settings import Settings
from bot.training.operations import Operations
from storage.async_store import AsyncStore
from storage.store import Store

__all__ = ["BackgroundLoops"]

_RETENTION_HOURS = 6  # between two removals of what is too old
_ERASE_MINUTES = 5  # between two attempts to overwrite removed words in the files, which another process may prevent
_MEMORY_SECONDS = 10.0  # between two looks for what was approved or added elsewhere, such as an import
_ROUND_SECONDS = 15.0  # between two looks for what is not shown on Discord yet


class BackgroundLoops:
    """The loops of one client. A failure is logged and announced, and ends no loop."""

    def __init__(
        self,
        client: discord.Client,
        store: AsyncStore,
        settings: Settings,
        clock: DiscordClock,
        *,
        operations: Operations,
        lead: Lead,
        answering: Answering,
        outbox: Outbox,
        memory: Memory,
        withdrawals: Withdrawals,
        locale: Callable[[discord.Guild | None], str],
        announce: Callable[[Callable[[], str]], Awaitable[bool]],
        deleted: Callable[[list[int]], Awaitable[None]],
        left_servers: LeftServers,
    ) -> None:
        self._client = client
        self._lead = lead
        self._store = store
        self._clock = clock
        self._answering = answering
        self._outbox = outbox
        self._withdrawals = withdrawals
        self._locale = locale
        self._announce = announce
        self._deleted = deleted
        self._left_servers = left_servers
        self._days = settings.privacy.retention_days
        self._looks_back = settings.privacy.look_back
        self._unfinished_noted = False
        self.poll = tasks.loop(seconds=settings.discord.poll_seconds)(self._task("adapter", operations.look))
        self.retention = tasks.loop(hours=_RETENTION_HOURS)(self._task("retention", self.apply_retention))
        self.erase = tasks.loop(minutes=_ERASE_MINUTES)(self._task("erase", self._erase))
        self.memory = tasks.loop(seconds=_MEMORY_SECONDS)(self._task("memory", memory.catch_up))
        self.outbox = tasks.loop(seconds=_ROUND_SECONDS)(self._task("outbox", self.show_the_rest))
        self.deleted = tasks.loop(count=1)(self._task("deleted", self._remove_deleted))

    def start(self) -> None:
        """Start the loops that need no connection. Retention is applied at once."""
        self.poll.start()
        self.retention.start()
        self.erase.start()
        self.memory.start()

    def start_when_ready(self) -> None:
        """Start the loops that need a connection, at each new one."""
        if not self.outbox.is_running():
            self.outbox.start()
        if self._looks_back and not self.deleted.is_running():
            self.deleted.start()

    def cancel(self) -> None:
        """Stop all loops."""
        for loop in (self.poll, self.retention, self.erase, self.memory, self.outbox, self.deleted):
            loop.cancel()

    def _task(self, name: str, work: Callable[[], Awaitable[Any]]) -> Callable[[], Coroutine[Any, Any, None]]:
        task = BackgroundTask(name, work, self._announce)

        async def run() -> None:  # discord.py wants a coroutine function
            await task()

        return run

    async def apply_retention(self) -> None:
        """Delete replies that are too old, servers that were left, and what shows them on Discord."""
        if self._client.is_ready():  # each process for its own: what seemed gone in an outage is there again
            await self._left_servers.here([guild.id for guild in self._client.guilds])
        if await self._lead.held():
            await apply_retention(self._store, self._days, self._clock.now())
            if self._client.is_ready():  # by then it is known to which servers the bot has returned
                await self._left_servers.delete_due(self._clock.now())
        if self._client.is_ready():
            await self._withdrawals.carry_out()

    async def _erase(self) -> None:
        starting = self.erase.current_loop == 0  # nobody waits yet, so a large file may take its time
        if await self._lead.held():
            await self._store.call(Store.erase, **({"at_most": None} if starting else {}))
        if self._client.is_ready():
            await self._withdrawals.carry_out()

    async def show_the_rest(self) -> None:
        """Show what is not shown yet, and clean up answers that nobody is writing any more."""
        answering = self._answering
        if not self._unfinished_noted:
            await answering.unfinished.look(self._client, answering.alive)
            self._unfinished_noted = True
        await answering.unfinished.clean_up(self._client, answering.alive, self._locale)
        await self._outbox.round()

    async def _remove_deleted(self) -> None:
        deleted = await deleted_while_offline(self._client, self._store, self._days, self._clock.now())
        if deleted:
            await self._deleted(deleted)
