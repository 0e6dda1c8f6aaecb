"""The process of a bot under test: start it, wait until it is on the gateway, do things to it, see how it ended."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import sqlite3
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import discord

from storage.files.home import Home
from tests.bot.loopback import Loopback

__all__ = ["BotProcess"]

ROOT = Path(__file__).parents[2]
SETTINGS = """
[discord]
review_channel = "review"
edit_seconds = 0.05
member_cooldown_seconds = 0
[privacy]
introduce = false
[schedule]
enabled = false
"""


class BotProcess:
    """One home and a process that runs on it; `place` is its Discord, `settings` are its own variables."""

    def __init__(self, home: Home, place: Loopback, log: Path, settings: Mapping[str, str] | None = None) -> None:
        self.home, self.place, self._log, self._settings = home, place, log, settings or {}
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, *, wait_s: float = 90.0) -> None:
        """Start it and wait until Discord has it on the gateway."""
        self.place.gone()
        base, gateway = discord.http.Route.BASE, str(discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY)
        environment = {**os.environ, "NIGHTSHIFT_HOME": str(self.home.root), "DISCORD_TOKEN": "good", **self._settings}
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.torture.program", base, gateway, "run"),
                cwd=ROOT,
                env=environment,
                stdout=log,
                stderr=log,
            )
        if wait_s:
            await self.place.connected(wait_s)

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.returncode is None

    @property
    def pid(self) -> int:
        """The number of the process."""
        assert self._process is not None
        return self._process.pid

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process."""
        assert self._process is not None
        self._process.send_signal(number)

    async def ended(self, wait_s: float = 30.0) -> int:
        """Its exit code, once it has ended."""
        assert self._process is not None
        return await asyncio.wait_for(self._process.wait(), wait_s)

    async def kill(self) -> None:
        """End it at once, as a power cut of the process would."""
        if self.running:
            self.signal(signal.SIGKILL)
            await self.ended()

    async def stop(self) -> int:
        """Ask it to end; returns its exit code."""
        self.signal(signal.SIGTERM)
        return await self.ended()

    def said(self) -> str:
        """What it has logged so far, all starts together."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    @contextmanager
    def full_disk(self) -> Iterator[None]:
        """No file of the process may grow: a write gets the error of a disk that is full."""
        assert self._process is not None
        pid, unlimited = self._process.pid, (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        try:
            yield
        finally:
            if self.running:
                resource.prlimit(pid, resource.RLIMIT_FSIZE, unlimited)

    @contextmanager
    def locked_database(self) -> Iterator[None]:
        """Another program holds the database for writing."""
        db = sqlite3.connect(self.home.db, isolation_level=None)
        try:
            db.execute("begin immediate")
            yield
        finally:
            if db.in_transaction:
                db.execute("rollback")
            db.close()
