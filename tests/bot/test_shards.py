"""Shards: the real client on several of SimCord's connections, and what a process leaves to the others."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import discord
import pytest
import simcord

from bot.app import Nightshift
from bot.client import NightshiftClient, ShardedClient
from storage.discord_records import UnfinishedAnswer
from storage.store import Store
from tests.fake_engine import FakeEngine
from tests.storage.conftest import a_reply


def sharded(settings, count, chosen=""):
    """The settings with so many shards, of which these are served."""
    return settings.model_copy(update={"discord": replace(settings.discord, shards=count, shard_range=chosen)})


@pytest.fixture
def on_shards(home, settings):
    """Runs `act(app, env)` with a bot on these shards."""

    async def running(count, chosen, act):
        engine = FakeEngine()
        async with (
            Nightshift.open(home, sharded(settings, count, chosen), engine=engine) as app,
            simcord.run(app.client, settle_timeout=10.0) as env,
        ):
            engine.outside = env.external_wait
            await act(app, env)

    return running


async def ask(app, env, guild, name):
    """What is answered to a member of this server."""
    channel = guild.create_text_channel("general")
    member = guild.add_member(env.create_user(name, global_name=name))
    await env.settle()
    await member.send(channel, f"{app.client.user.mention} hello from {name}")
    return channel.last_message.content


async def test_a_bot_answers_on_all_of_its_shards(on_shards):
    """Each server is on the shard that its number says; the adapter, the store and the outbox are the same."""

    async def act(app, env):
        guilds = [env.create_guild(f"server {shard}", shard_id=shard) for shard in (0, 1, 2)]
        answers = [await ask(app, env, guild, f"ada{number}") for number, guild in enumerate(guilds)]
        assert answers == [f"You said: hello from ada{number}" for number in range(3)]
        assert sorted(one.shard_id for one in app.client.guilds) == [0, 1, 2]
        assert isinstance(app.client, ShardedClient)
        assert set(app.client.shards) == {0, 1, 2}
        stored = await app.store.call(
            lambda store: [row[0] for row in store._db.execute("select guild_id from replies")]
        )
        assert sorted(stored) == sorted(guild.id for guild in guilds)

    await on_shards(3, "", act)


async def test_a_process_with_some_shards_leaves_the_others_alone(on_shards):
    """Answers of their servers and direct messages, finished or not, are shown by the process that serves them."""

    async def act(app, env):
        mine = env.create_guild("mine", shard_id=1)
        assert await ask(app, env, mine, "ada") == "You said: hello from ada"
        theirs = [(5 << 23), None]  # a server of shard 0, and direct messages
        call = app.store.call
        for number, guild in enumerate(theirs):
            reply = await call(Store.add_reply, replace(a_reply("x"), guild_id=guild, channel_id=77 + number))
            await call(lambda store, reply=reply: store.outbox.put(reply, "answer", {"messages": [], "number": 1}))
            growing = UnfinishedAnswer(900 + number, 77 + number, (5,), guild)
            await call(lambda store, growing=growing: store.outbox.add_unfinished(growing))
        before = len(env.http_requests)
        await app.client._loops.show_the_rest()
        assert len(await call(lambda store: store.outbox.waiting(10))) == 2
        assert len(await call(lambda store: store.outbox.unfinished())) == 2
        assert not [one for one in env.http_requests[before:] if "/channels/7" in str(one)]
        assert await app.lead.held()

    await on_shards(2, "1", act)


async def test_without_the_setting_there_is_one_connection(home, settings):
    """The usual client, no lease in the database, and everything is this process's."""
    async with Nightshift.open(home, settings, engine=FakeEngine()) as app:
        assert type(app.client) is NightshiftClient
        assert not isinstance(app.client, discord.AutoShardedClient)
        assert await app.lead.held()
        assert await app.store.call(Store.lease, "lead") is None


async def test_who_does_not_lead_makes_no_backup_and_applies_no_retention(home, settings, tmp_path):
    """The other process does both, until it ends and lets go."""
    chosen = settings.model_copy(update={"backup": replace(settings.backup, directory=str(tmp_path / "backups"))})
    chosen = chosen.model_copy(update={"privacy": replace(settings.privacy, retention_days=1.0)})
    async with Nightshift.open(home, sharded(chosen, 2, "0"), engine=FakeEngine()) as one:
        assert await one.lead.held()
        await one.store.call(Store.add_reply, a_reply())
        await one.store.call(
            lambda store: store._db.execute("update replies set created_at = '2020-01-01T00:00:00.000+00:00'")
        )
        async with Nightshift.open(home, sharded(chosen, 2, "1"), engine=FakeEngine()) as two:
            assert not await two.lead.held()
            async with asyncio.timeout(20):
                while not list((tmp_path / "backups").glob("*.backup")):  # noqa: ASYNC110 - of the loop's own making
                    await asyncio.sleep(0.05)
            for file in (tmp_path / "backups").glob("*.backup"):
                file.unlink()
            assert await two.backups.make_if_due() is None
            await two.client._loops.apply_retention()
            assert await one.store.call(_replies) == 1
            await one.lead.close()
            assert await two.backups.make_if_due() is not None
            await two.client._loops.apply_retention()
            assert await one.store.call(_replies) == 0


def _replies(store):
    return store._db.execute("select count(*) from replies").fetchone()[0]
