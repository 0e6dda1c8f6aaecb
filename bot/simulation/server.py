"""A small Discord server in memory, for the demo, the playground and the tests.

SimCord plays Discord: the real client connects to it, and its people act through the same gates as real ones. Only
the server is built here; which bot lives in it, and what its people do, is the caller's affair. Needs the extra
`nightshift-discord[demo]`.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import discord

from bot.errors import BotError
from bot.settings import ApiConfig, BackupConfig, MetricsConfig, Settings
from model.config import EngineConfig
from storage.files.home import Home
from storage.origins import ORIGINS
from trainer.launch import RunResult, run_training

__all__ = [
    "BOT_NAME",
    "GENERAL_CHANNEL",
    "MODERATOR_ROLE",
    "REVIEW_CHANNEL",
    "SimulationMissing",
    "World",
    "post",
    "simulate",
    "simulated",
    "simulated_home",
    "train_in_simulation",
]

BOT_NAME = "Nightshift"
MODERATOR_ROLE = "Moderator"
GENERAL_CHANNEL = "general"
REVIEW_CHANNEL = "review"
_MEMBERS = ("Ada", "Ben", "Chloe", "Dev")


class SimulationMissing(BotError):
    """SimCord is not installed."""

    def __init__(self) -> None:
        super().__init__("The simulated Discord is not installed: `pip install 'nightshift-discord[demo]'` brings it.")


@dataclass(frozen=True)
class World:
    """The server and who is in it. Channels and people are SimCord's handles and actors."""

    env: Any
    guild: Any
    general: Any
    review: Any
    moderator: Any
    members: Sequence[Any]


def simulated(settings: Settings, *, review_channel: str = REVIEW_CHANNEL) -> Settings:
    """The same settings, pointed at the simulated server's moderator role and one of its channels for review.

    A simulated server is new each time: messages of an earlier one are not taken for deleted. It leaves the bot's
    backups, ports and servers alone.
    """
    discord_ = replace(
        settings.discord,
        moderator_role=MODERATOR_ROLE,
        review_channel=review_channel,
        member_cooldown_seconds=0.0,  # its people do not take turns with others
        shards=0,
        shard_range="",
    )
    privacy = replace(settings.privacy, look_back=False)
    training = replace(settings.training, learn_from=ORIGINS)  # this is no Discord, whose policy forbids that
    own = {"backup": BackupConfig(), "api": ApiConfig(), "metrics": MetricsConfig(), "engine": EngineConfig()}
    return settings.model_copy(update={"discord": discord_, "privacy": privacy, "training": training, **own})


def simulated_home(home: Home, name: str) -> Home:
    """A home of its own within another, for what is said in a simulation; settings and converted models are shared."""
    place = Home(home.root / name).ensure()
    if not place.models.is_symlink():
        place.models.rmdir()
        place.models.symlink_to(home.models.resolve(), target_is_directory=True)
    if not place.config.exists():
        place.config.unlink(missing_ok=True)
        place.config.symlink_to(home.config.resolve())
    return place


async def train_in_simulation(
    home: Path, *, force: bool, trigger: str, local_date: str | None, server: int | None = None
) -> RunResult:
    """Train as `nightshift train` does, from everything that was said in the simulation."""
    chosen = {"NIGHTSHIFT_TRAINING__LEARN_FROM": json.dumps(ORIGINS)}
    return await run_training(
        home, force=force, trigger=trigger, local_date=local_date, server=server, environment=chosen
    )


@asynccontextmanager
async def simulate(client: discord.Client, *, settle_timeout: float = 300.0, **options: Any) -> AsyncIterator[World]:
    """Connect `client` to a fresh server with #general, a #review only moderators see, and five people.

    Args:
        client: the real bot, not yet started.
        settle_timeout: seconds one step (a message and everything it causes) may take.
        options: for `simcord.run`.

    Raises:
        SimulationMissing: SimCord is not installed.
    """
    try:
        import simcord
    except ImportError:
        raise SimulationMissing from None
    async with simcord.run(client, settle_timeout=settle_timeout, **options) as env:
        env.backend.edit_bot_profile(BOT_NAME)
        guild = env.create_guild("Nightshift's workshop")
        role = guild.create_role(MODERATOR_ROLE, hoist=True)
        hidden = discord.PermissionOverwrite(view_channel=False)
        seen = discord.PermissionOverwrite(view_channel=True)
        closed: dict[Any, discord.PermissionOverwrite] = {guild.default_role: hidden, role: seen, client.user: seen}
        general = guild.create_text_channel(GENERAL_CHANNEL, topic=f"Ask @{BOT_NAME} anything")
        review = guild.create_text_channel(
            REVIEW_CHANNEL,
            topic="What the bot said, and what moderators think of it",
            overwrites=closed,
        )
        people = [guild.add_member(env.create_user(name.lower(), global_name=name)) for name in _MEMBERS]
        moderator = guild.add_member(env.create_user("mo", global_name="Mo"), roles=[role])
        await env.settle()
        yield World(env, guild, general, review, moderator, people)


def post(world: World, member: Any, text: str) -> int:
    """Let `member` write in #general and go on at once, where its actor would wait for all that follows.

    For use while another step is under way. Returns the message's id.
    """
    return int(world.env.backend.create_message(world.general.id, member.id, text).id)
