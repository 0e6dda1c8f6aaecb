"""The bot leaves a server: its data waits, goes, or stays because it came back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from bot.privacy.left_servers import LeftServers
from storage.run_records import Adapter
from storage.store import Store
from tests.bot.test_slash_commands import publish_at

CREATED = "2026-11-23T04:00:00.000+00:00"


def in_days(days):
    return datetime.now(UTC) + timedelta(days=days)


async def test_a_server_that_removed_the_bot_is_deleted_after_its_days(stage, tmp_path):
    """With the files of its adapters; not a day earlier."""
    guild, store = stage.world.guild, stage.app.store
    await stage.ask("Which wood?")
    publish_at(stage.app.home, "a1", tmp_path)
    await store.call(Store.add_adapter, Adapter("a1", None, "fake-base", CREATED, guild_id=guild.id))
    client = stage.app.client
    await client.on_guild_remove(client.get_guild(guild.id))
    assert await client._left_servers.delete_due(in_days(29)) == []
    assert await client._left_servers.delete_due(in_days(31)) == [guild.id]
    assert not (stage.app.home.adapters / "a1").exists()
    assert await store.call(Store.known_servers) == set()


async def test_a_bot_that_returns_deletes_nothing(stage):
    """Joining again is enough, also while it was offline."""
    guild, client = stage.world.guild, stage.app.client
    await stage.ask("Which wood?")
    await client.on_guild_remove(client.get_guild(guild.id))
    await client.on_guild_join(client.get_guild(guild.id))
    assert await client._left_servers.delete_due(in_days(31)) == []
    await client.on_guild_remove(client.get_guild(guild.id))
    await client._left_servers.compare({guild.id}, lambda _: True)
    assert await client._left_servers.delete_due(in_days(31)) == []


async def test_a_server_that_was_left_while_the_bot_was_offline_is_noticed(stage):
    """Of the servers of this process alone: another's are not missing."""
    guild, client = stage.world.guild, stage.app.client
    await stage.ask("Which wood?")
    await client._left_servers.compare(set(), lambda _: False)
    assert await client._left_servers.delete_due(in_days(31)) == []
    await client._left_servers.compare(set(), lambda _: True)
    assert await client._left_servers.delete_due(in_days(31)) == [guild.id]


async def test_with_0_days_everything_is_kept(stage):
    """As the setting says."""
    kept = LeftServers(stage.app.store, 0, stage.app.remove_files, lambda: 1)
    await kept.left(stage.world.guild.id)
    assert await kept.delete_due(in_days(10_000)) == []


async def test_another_bot_on_the_same_home_has_not_left_the_servers_of_the_first(stage):
    """A new token is on none of them, and nothing is deleted; what it was on itself, it can leave."""
    guild, store = stage.world.guild, stage.app.store
    await stage.ask("Which wood?")
    other = LeftServers(store, 30, stage.app.remove_files, lambda: 4711)
    await other.compare(set(), lambda _: True)
    assert await other.delete_due(in_days(31)) == []
    await other.compare({guild.id}, lambda _: True)
    await other.compare(set(), lambda _: True)
    assert await other.delete_due(in_days(31)) == [guild.id]


async def test_a_server_that_is_there_after_all_is_not_deleted(stage):
    """As after an outage at the start, of which no event tells that the bot was never gone."""
    await stage.ask("Which wood?")
    client = stage.app.client
    await client._left_servers.compare(set(), lambda _: True)
    await client._loops.apply_retention()
    assert await client._left_servers.delete_due(in_days(31)) == []
