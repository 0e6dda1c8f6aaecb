"""What Discord says of the bot, asked in the simulated Discord, and what becomes of it."""

from __future__ import annotations

from datetime import timedelta

import discord
import pytest

from bot.diagnosis.discord import application_findings, clock_finding, server_findings
from bot.diagnosis.discord_state import ApplicationState, Choice, ServerState, application_state, server_states
from bot.server.permissions import BOT_PERMISSIONS, invitation, missing_permissions

SET = Choice("review", "Moderator")


async def findings(stage, choice=SET):
    application = await application_state(stage.app.client)
    servers = await server_states(stage.app.client, {}, choice)
    # The simulated application has no flags, so no intent is asked for.
    return [*application_findings(application, message_content=False), *server_findings(application, servers)]


async def test_a_server_that_is_set_up_is_good(stage):
    """Intents, commands, review channel and who sees what."""
    found = await findings(stage)
    assert [(one.subject, one.state) for one in found] == [
        ("intents", "good"), ("commands", "good"), ("review", "good"), ("seen by", "good"),
    ]  # fmt: skip
    assert "/review" in found[1].text
    assert "cards go to #review" in found[2].text


async def test_what_the_bot_lacks_in_the_review_channel_fails(stage):
    """As an invitation without Embed Links leaves it: no card can be posted."""
    quiet = stage.world.guild.create_text_channel(
        "quiet", overwrites={stage.app.client.user: discord.PermissionOverwrite(embed_links=False)}
    )
    found = {one.subject: one for one in await findings(stage, Choice(quiet.id, None))}
    assert found["review"].state == "broken"
    assert "in #quiet the bot lacks Embed Links" in found["review"].text


async def test_a_channel_that_is_not_there_fails_and_none_at_all_is_a_note(stage):
    """`/setup` sets one."""
    gone = {one.subject: one for one in await findings(stage, Choice("gone", None))}
    assert gone["review"].state == "broken"
    assert "no text channel gone" in gone["review"].text
    none = {one.subject: one for one in await findings(stage, Choice(None, None))}
    assert none["review"].state == "note"


async def test_a_public_review_channel_is_a_note(stage):
    """Cards show what members wrote."""
    found = {one.subject: one for one in await findings(stage, Choice("general", None))}
    assert "everyone can read #general" in found["review"].text


async def test_a_role_that_does_not_see_the_commands_is_a_note_with_the_clicks(open_stage):
    """Where the operator set no role, the commands ask for Manage Messages."""
    async with open_stage(discord={"moderator_role": None}) as stage:
        found = {one.subject: one for one in await findings(stage)}
    assert found["seen by"].state == "note"
    assert "@Moderator does not see" in found["seen by"].text
    assert "Server Settings, Integrations, Nightshift" in found["seen by"].text


def test_an_intent_that_is_not_switched_on_fails_only_where_it_is_wanted():
    """The setting says whether it is."""
    state = ApplicationState(1, "bot", message_content=False, public=True, commands=())
    wanted, commands = application_findings(state, message_content=True)
    assert wanted.state == "broken"
    assert "message_content = false" in wanted.text
    assert commands.state == "note"
    assert next(application_findings(state, message_content=False)).state == "good"


def test_a_bot_on_no_server_gets_its_invitation():
    """The link, with exactly the permissions that are used."""
    state = ApplicationState(42, "bot", message_content=True, public=True, commands=())
    (found,) = server_findings(state, [])
    assert invitation(42) in found.text


@pytest.mark.parametrize(
    ("seconds", "state"), [(3, "good"), (-90, "good"), (600, "broken"), (-600, "broken"), (None, "note")]
)
def test_the_clock_is_compared_with_discords(seconds, state):
    """Schedule and retention go by it."""
    found = clock_finding(None if seconds is None else timedelta(seconds=seconds))
    assert found.state == state
    if state == "broken":
        assert "timedatectl" in found.text


def test_the_invitation_asks_for_exactly_what_is_used():
    """No administrator, no managing."""
    link = invitation(42)
    asked = discord.Permissions(int(link.split("permissions=")[1].split("&")[0]))
    assert asked.value == discord.Permissions(**dict.fromkeys(BOT_PERMISSIONS, True)).value
    assert not asked.administrator
    assert missing_permissions(asked) == []
    assert link.startswith("https://discord.com/oauth2/authorize?client_id=42&scope=bot+applications.commands")


def test_a_server_of_another_name_for_its_channel_is_said_by_name():
    """What was set, where it is not there."""
    lost = ServerState("Workshop", "cards", False, (), False, None, ())
    state = ApplicationState(1, "bot", message_content=True, public=True, commands=())
    assert "Workshop: there is no text channel cards" in next(server_findings(state, [lost])).text
