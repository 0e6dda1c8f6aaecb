"""Settings that name what was deleted: bot/server/deleted_ids.py."""

from __future__ import annotations

import pytest

from bot.i18n.en import settings as texts
from bot.server.deleted_ids import drop_deleted_ids, without
from bot.server.guild_settings import Actor
from storage.store import Store
from tests.bot.chat.test_where_it_answers import allow, answers
from tests.bot.server.test_guild_settings import boss  # noqa: F401  (a fixture)

ME = Actor(1, "Nightshift")


async def asked(stage, channel=None):
    """Whether a question is answered."""
    channel = channel or stage.world.general
    before = len(answers(channel))
    await stage.ada.send(channel, f"{stage.me} hello?")
    return len(answers(channel)) > before


def client_channel(stage, channel):
    return stage.app.client.get_channel(channel.id)


async def test_a_deleted_channel_on_the_allow_list_mutes_nobody(stage):
    """The list held only that one; the moderators are told."""
    bots = stage.world.guild.create_text_channel("bots")
    await allow(stage, allowed_channels=[bots.id])
    assert not await asked(stage)
    await client_channel(stage, bots).delete()
    await stage.env.settle()
    assert await asked(stage)
    assert texts.ALLOWED_GONE in [one.embeds[0].description for one in stage.world.review.history() if one.embeds]


async def test_what_still_stands_on_the_list_goes_on_to_hold(stage):
    """One of two channels was deleted."""
    bots, lounge = (stage.world.guild.create_text_channel(name) for name in ("bots", "lounge"))
    await allow(stage, allowed_channels=[bots.id, lounge.id])
    await client_channel(stage, bots).delete()
    await stage.env.settle()
    assert not await asked(stage)
    assert await asked(stage, lounge)


async def test_a_deleted_role_on_the_allow_list_mutes_nobody(stage):
    """Nobody can have it any more."""
    role = stage.world.guild.create_role("Regulars")
    await allow(stage, allowed_roles=[role.id], role_quotas={str(role.id): 3})
    assert not await asked(stage)
    await stage.app.client.get_guild(stage.world.guild.id).get_role(role.id).delete()
    await stage.env.settle()
    assert await asked(stage)
    assert stage.app.client.guild_settings.made(stage.world.guild.id) == {}


async def test_what_was_deleted_while_nobody_listened_is_found_at_the_start(stage):
    """Channels, roles, a thread, the review channel, and what was set for a channel that is gone."""
    values = {"allowed_channels": [404], "denied_roles": [405], "role_quotas": {"405": 2}, "review_channel": 404}
    await allow(stage, **values)
    await stage.app.client.guild_settings.change(ME, stage.world.guild.id, 404, {"persona": "Gone"})
    assert not await asked(stage)
    await stage.app.client.on_ready()
    assert await asked(stage)
    assert stage.app.client.guild_settings.made(stage.world.guild.id) == {}
    assert {entry.action for entry in await stage.app.store.call(Store.audit_search)} >= {"settings.allowed_channels"}


async def test_an_archived_thread_is_not_gone(stage):
    """It is not among the threads that Discord tells of, so it is asked for."""
    guild = stage.app.client.get_guild(stage.world.guild.id)
    thread = await client_channel(stage, stage.world.general).create_thread(name="quiet", type=None)
    await thread.edit(archived=True)
    await stage.env.settle()
    guild._threads.pop(thread.id, None)
    await allow(stage, allowed_channels=[thread.id])
    assert not await drop_deleted_ids(stage.app.client.guild_settings, guild, ME)
    assert not await asked(stage)


async def test_both_lists_can_be_emptied_on_discord(stage, boss):  # noqa: F811
    """Also of what no longer has a name to give."""
    await allow(stage, allowed_channels=[404], denied_roles=[405])
    result = await boss.slash(stage.world.general, "settings access", rule="clear")
    assert result.response.content == texts.LISTS_EMPTY
    assert stage.app.client.guild_settings.made(stage.world.guild.id) == {}
    assert await asked(stage)


@pytest.mark.parametrize(
    ("values", "changes"),
    [
        ({"allowed_channels": [1, 2]}, {"allowed_channels": [2]}),
        ({"allowed_channels": [1]}, {"allowed_channels": None}),
        ({"denied_roles": [2, 3]}, {}),
        ({"role_quotas": {"1": 5, "2": 6}}, {"role_quotas": {"2": 6}}),
        ({"moderator_role": 1, "persona": "x"}, {}),
        ({"review_channel": 1}, {"review_channel": None}),
    ],
)
def test_only_what_is_gone_is_taken_out(values, changes):
    """The role that reviews stays, so that nobody's power grows."""
    assert without(values, {1}) == changes


async def test_what_the_operators_settings_name_and_nobody_has_is_in_the_log(open_stage, caplog):
    """A channel or a role by an id that is gone: no cards would come, without a word."""
    async with open_stage(discord={"review_channel": 404, "moderator_role": "Nobodies"}) as stage:
        await stage.app.client.on_ready()
    assert "no text channel 404" in caplog.text
    assert "no role 'Nobodies'" in caplog.text
