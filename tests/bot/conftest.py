"""The bot in a simulated Discord: the real client, the real store, and a fake model that is told what to say."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import discord
import pytest
from discord import app_commands

from bot.app import Nightshift
from bot.discord_io import retry as sending
from bot.settings import Settings, load_settings
from bot.simulation.server import World, simulate, simulated
from storage.files.home import Home
from storage.reply_records import Reply
from storage.store import Store
from tests.bot.loopback import loopback
from tests.fake_engine import FakeEngine
from trainer.result import RunResult


@dataclass
class Stage:
    """A running bot and the server it lives in."""

    app: Nightshift
    engine: FakeEngine
    world: World

    @property
    def env(self) -> Any:
        return self.world.env

    @property
    def me(self) -> str:
        return self.app.client.user.mention

    @property
    def ada(self) -> Any:
        return self.world.members[0]

    @property
    def ben(self) -> Any:
        return self.world.members[1]

    async def ask(self, text: str, *, who: Any = None, channel: Any = None, **kwargs: Any) -> discord.Message:
        """Mention the bot and give back its answer."""
        channel = channel or self.world.general
        await (who or self.ada).send(channel, f"{self.me} {text}", **kwargs)
        return channel.last_message

    async def reply(self, message: discord.Message) -> Reply:
        """The stored reply that a message shows."""
        found = await self.app.store.call(Store.reply_by_message, message.id)
        assert found is not None
        return found

    @property
    def card(self) -> discord.Message:
        """The newest message in the review channel."""
        return self.world.review.last_message


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home").ensure()


@pytest.fixture
def settings(home: Home) -> Settings:
    """As they come, but for the line under a member's first answer: most tests compare answers word for word."""
    usual = simulated(load_settings(home))
    return usual.model_copy(update={"privacy": replace(usual.privacy, introduce=False)})


Opening = Callable[..., AbstractAsyncContextManager[Stage]]


@pytest.fixture
def open_stage(home: Home, settings: Settings) -> Opening:
    """Opens a stage; `discord` changes settings of that section, `train` replaces the training run."""

    @asynccontextmanager
    async def opening(
        *, train: Any = None, base: Settings = settings, discord: dict[str, Any] | None = None, **options: Any
    ) -> AsyncIterator[Stage]:
        chosen = base.model_copy(update={"discord": replace(base.discord, **(discord or {}))})
        engine = FakeEngine()
        async with Nightshift.open(home, chosen, engine=engine, train=train or no_training) as app:
            async with simulate(app.client, **{"settle_timeout": 10.0, "check_errors": False, **options}) as world:
                engine.outside = world.env.external_wait
                yield Stage(app, engine, world)
            raise_unanswered(world.env.errors)

    return opening


def raise_unanswered(errors: list[BaseException]) -> None:
    """Raise what the bot raised during a test, except errors of commands: the tree tells the user about those."""
    unanswered = [one for one in errors if not isinstance(one, app_commands.AppCommandError)]
    if unanswered:
        raise BaseExceptionGroup("the bot raised errors during the test", unanswered)


@pytest.fixture
async def stage(open_stage: Opening) -> AsyncIterator[Stage]:
    """The usual stage."""
    async for opened in kept_open(open_stage()):
        yield opened


async def kept_open(opening: AbstractAsyncContextManager[Stage]) -> AsyncIterator[Stage]:
    """One task opens and closes a stage: SimCord's clock must be left in the context it was entered in."""
    ready: asyncio.Future[Stage] = asyncio.get_running_loop().create_future()
    done = asyncio.Event()

    async def keep_open() -> None:
        async with opening as opened:
            ready.set_result(opened)
            await done.wait()

    keeper = asyncio.create_task(keep_open())
    await asyncio.wait([keeper, ready], return_when=asyncio.FIRST_COMPLETED)
    if keeper.done():
        await keeper
    yield ready.result()
    done.set()
    await keeper


async def no_training(_home: Path, *, force: bool, trigger: str, local_date: str | None) -> Any:
    """A training run that finds nothing to do."""
    return RunResult(run="r1", outcome="skipped", reason="Nothing new to learn.", challenger=None)


# --- the real client on a Discord of this machine's own (tests/bot/loopback.py) ---


@pytest.fixture
def online(home, monkeypatch):
    """Opens a bot that is on the loopback's gateway."""

    @asynccontextmanager
    async def opening(place, engine=None, *, introduce=False):
        settings = load_settings(home)
        config = replace(settings.discord, review_channel="review", edit_seconds=0.0, member_cooldown_seconds=0.0)
        privacy = replace(settings.privacy, introduce=introduce)
        settings = settings.model_copy(update={"discord": config, "privacy": privacy})
        async with Nightshift.open(home, settings, engine=engine or FakeEngine()) as app:
            app.client._connection.guild_ready_timeout = 0.1  # seconds after the last server until it is ready
            running = asyncio.create_task(app.client.start("good"))
            await place.connected()
            yield app
            await app.client.close()
            await running

    monkeypatch.setattr(sending, "_PAUSES", (0.05, 0.05, 0.05))
    monkeypatch.setattr("bot.background_loops._ROUND_SECONDS", 0.2)
    monkeypatch.setattr("bot.review.outbox._PAUSES", (0.2, 1.0))
    return opening


@pytest.fixture
async def place(monkeypatch):
    async with loopback(monkeypatch) as opened:
        yield opened
