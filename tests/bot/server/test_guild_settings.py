"""What administrators set on Discord: /settings and what it changes, at once."""

from __future__ import annotations

import discord
import pytest
import simcord

from bot.i18n.en import settings as texts
from bot.i18n.en import texts as general
from bot.server.guild_settings import Actor, GuildSettings
from model.chat import Message


@pytest.fixture
def boss(stage):
    """Somebody who may manage the server."""
    role = stage.world.guild.create_role("Boss", permissions=discord.Permissions(manage_guild=True))
    return stage.world.guild.add_member(stage.env.create_user("boss", global_name="Bo"), roles=[role])


async def persona(stage, who, text, **options):
    shown = await who.slash(stage.world.general, "settings persona", **options)
    return await who.submit_modal(shown, {"persona": text})


def test_a_channel_s_values_go_over_the_server_s():
    """And what nobody set is the operator's."""
    held = GuildSettings(persona="default", temperature=0.5).over({"persona": "server"}).over({"talk": "always"})
    assert (held.persona, held.temperature, held.talk) == ("server", 0.5, "always")


def test_values_of_another_version_do_no_harm():
    """An unknown name is passed over, an unknown mode is off."""
    assert GuildSettings().over({"new": 1, "talk": "sometimes"}) == GuildSettings()


async def test_a_persona_is_in_the_very_next_answer_and_stored_with_it(stage, boss):
    """Whoever learns from the reply later is told what the bot was told."""
    result = await persona(stage, boss, "You are a carpenter.")
    assert result.response.content == texts.PERSONA_SET
    answer = await stage.ask("Hello")
    assert stage.engine.seen[-1] == [Message("system", "You are a carpenter."), Message("user", "Hello")]
    assert [(turn.role, turn.content) for turn in (await stage.reply(answer)).turns] == [
        ("system", "You are a carpenter."),
        ("user", "Hello"),
    ]


async def test_a_channel_has_its_own_persona(stage, boss):
    """It holds there and in its threads; elsewhere the server's does."""
    await persona(stage, boss, "You are a carpenter.")
    await persona(stage, boss, "You are a pirate.", where="channel")
    other = stage.world.guild.create_text_channel("other")
    await stage.ask("Hello")
    assert stage.engine.seen[-1][0].content == "You are a pirate."
    await stage.ask("Hello", channel=other)
    assert stage.engine.seen[-1][0].content == "You are a carpenter."


async def test_an_empty_persona_goes_back_to_the_default(open_stage, settings):
    """The operator's; which, as ever, is not stored with the reply."""
    async with open_stage(base=settings.model_copy(update={"persona": "You are kind."})) as stage:
        guild_settings, actor, guild = stage.app.client.guild_settings, Actor(1, "Bo"), stage.world.guild.id
        await guild_settings.change(actor, guild, 0, {"persona": "You are a pirate."})
        await guild_settings.change(actor, guild, 0, {"persona": None})
        answer = await stage.ask("Hello")
        assert stage.engine.seen[-1][0] == Message("system", "You are kind.")
        assert [turn.role for turn in (await stage.reply(answer)).turns] == ["user"]


async def test_the_form_shows_the_persona_of_now(stage, boss):
    """So that it can be changed by a word."""
    await persona(stage, boss, "You are a carpenter.")
    shown = await boss.slash(stage.world.general, "settings persona")
    assert "You are a carpenter." in str(shown.modal)


async def test_temperature_and_length_hold_from_the_next_answer_on(stage, boss):
    """For a server or a channel; naming neither goes back to the default."""
    await stage.ask("One")
    before = stage.engine.samplings[-1]
    await boss.slash(stage.world.general, "settings answers", temperature=0.1, length=64)
    await stage.ask("Two")
    assert (stage.engine.samplings[-1].temperature, stage.engine.samplings[-1].max_new_tokens) == (0.1, 64)
    await boss.slash(stage.world.general, "settings answers")
    await stage.ask("Three")
    assert stage.engine.samplings[-1] == before


async def test_a_channel_is_opened_by_command(stage, boss):
    """And closed again."""
    result = await boss.slash(stage.world.general, "settings channel", answer="always", cooldown=5)
    assert "5 s" in result.response.content
    await stage.ada.send(stage.world.general, "Hello")
    assert len(stage.engine.seen) == 1
    await boss.slash(stage.world.general, "settings channel", answer="off")
    await stage.ada.send(stage.world.general, "Hello")
    assert len(stage.engine.seen) == 1


async def test_limits_are_set_by_command(stage, boss):
    """For everybody, and for a role."""
    role = stage.world.guild.create_role("patron")
    await boss.slash(stage.world.general, "settings limits", cooldown=10, quota=5)
    result = await boss.slash(stage.world.general, "settings limits", quota=50, role=role)
    assert "50" in result.response.content
    held = stage.app.client.guild_settings.of(stage.world.guild.id)
    assert (held.member_cooldown, held.daily_quota, held.role_quotas) == (10.0, 5, {role.id: 50})
    await boss.slash(stage.world.general, "settings limits", role=role)
    assert stage.app.client.guild_settings.of(stage.world.guild.id).role_quotas == {}
    assert (await boss.slash(stage.world.general, "settings limits")).response.content == texts.NOTHING_GIVEN


async def test_lists_are_kept_by_command(stage, boss):
    """A channel is on one list or on none."""
    channel = {"channel": stage.world.general}
    for rule, allowed, denied in (("allow", True, False), ("deny", False, True), ("clear", False, False)):
        await boss.slash(stage.world.general, "settings access", rule=rule, **channel)
        held = stage.app.client.guild_settings.of(stage.world.guild.id)
        assert (bool(held.allowed_channels), bool(held.denied_channels)) == (allowed, denied)
    result = await boss.slash(stage.world.general, "settings access", rule="deny")
    assert result.response.content == texts.ONE_TARGET


async def test_what_is_set_can_be_read(stage, boss):
    """In one card, for administrators."""
    await persona(stage, boss, "You are a carpenter.")
    await boss.slash(stage.world.general, "settings channel", answer="name")
    result = await boss.slash(stage.world.general, "settings show")
    shown = {field.name: field.value for field in result.response.embeds[0].fields}
    assert shown[texts.SHOWN_PERSONA] == "You are a carpenter."
    assert "my name" in shown[texts.SHOWN_TALK]
    assert shown[texts.SHOWN_REVIEW] == texts.unsure_set(0)
    await boss.slash(stage.world.general, "settings unsure", percent=40)
    assert texts.unsure_set(0.4) in await shown_values(stage, boss)
    await stage.world.moderator.slash(stage.world.general, "hold", on=True)
    assert texts.HELD in await shown_values(stage, boss)


async def shown_values(stage, boss):
    """What /settings show says."""
    result = await boss.slash(stage.world.general, "settings show")
    return [field.value for field in result.response.embeds[0].fields]


async def test_settings_outlive_a_restart(stage, boss):
    """They are in the store."""
    await persona(stage, boss, "You are a carpenter.")
    await stage.env.restart_bot(stage.app.new_client())
    await stage.ask("Hello")
    assert stage.engine.seen[-1][0].content == "You are a carpenter."


async def test_another_server_is_not_concerned(stage, boss):
    """What one server sets stays there."""
    await persona(stage, boss, "You are a carpenter.")
    other = stage.env.create_guild("Elsewhere")
    room = other.create_text_channel("room")
    eve = other.add_member(stage.env.create_user("eve"))
    await eve.send(room, f"{stage.me} hello")
    assert stage.engine.seen[-1] == [Message("user", "hello")]


async def test_only_administrators_change_settings(stage):
    """Others do not see the command; the check is asked again where Discord shows it anyway."""
    with pytest.raises(simcord.SetupError):
        await stage.ada.slash(stage.world.general, "settings answers", temperature=0.1)
    command = stage.env.backend.find_command("settings", stage.world.guild.id, type=1)
    stage.world.guild.set_command_permissions(int(command["id"]), {stage.world.guild.default_role: True})
    result = await stage.ada.slash(stage.world.general, "settings answers", temperature=0.1)
    assert result.response.content == general.NOT_ADMINISTRATOR
    assert stage.app.client.guild_settings.made(stage.world.guild.id) == {}


async def test_a_change_is_in_the_audit(stage, boss):
    """Who, what and when; a persona's words are not."""
    await persona(stage, boss, "You are a carpenter.")
    await boss.slash(stage.world.general, "settings channel", answer="always")
    entries = await stage.app.store.call(lambda store: store.audit_search(guild_id=stage.world.guild.id))
    assert {"settings.persona", "settings.talk"} <= {entry.action for entry in entries}
    assert all(entry.actor == "Bo" for entry in entries)
    assert "carpenter" not in str(entries)


async def test_an_answer_s_length_leaves_room_for_the_conversation(stage):
    """A longer one is refused with what it would leave; one stored before counts as the longest there is."""
    admin = stage.world.guild.create_role("Admin", permissions=discord.Permissions(administrator=True))
    al = stage.world.guild.add_member(stage.env.create_user("al", global_name="Al"), roles=[admin])
    result = await al.slash(stage.world.general, "settings answers", length=2000)
    assert result.response.content == texts.answer_too_long(2000, 2048, 1024)
    assert "48" in result.response.content
    guild_settings = stage.app.client.guild_settings
    assert guild_settings.made(stage.world.guild.id) == {}
    result = await al.slash(stage.world.general, "settings answers", length=1024)
    assert "1024" in result.response.content
    await guild_settings.change(Actor(1, "Mo"), stage.world.guild.id, 0, {"max_new_tokens": 2000})
    assert guild_settings.of(stage.world.guild.id).max_new_tokens == 1024
