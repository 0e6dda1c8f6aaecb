"""/setup: from an invited bot to one that is reviewed, without a file."""

from __future__ import annotations

import discord
import pytest

from bot.i18n.en import moderation as words
from bot.i18n.en import texts
from storage.store import Store
from tests.bot.review.test_service import verdicts


@pytest.fixture
async def bare(open_stage):
    """Nothing is configured; an administrator is there. Opened and closed by one task, as conftest's stage is."""
    import asyncio

    ready: asyncio.Future = asyncio.get_running_loop().create_future()
    done = asyncio.Event()

    async def keep_open() -> None:
        async with open_stage(discord={"moderator_role": None, "review_channel": None}) as stage:
            role = stage.world.guild.create_role("Admin", permissions=discord.Permissions(administrator=True))
            stage.admin = stage.world.guild.add_member(stage.env.create_user("al", global_name="Al"), roles=[role])
            stage.role = stage.world.guild.create_role("Reviewers")
            ready.set_result(stage)
            await done.wait()

    keeper = asyncio.create_task(keep_open())
    await asyncio.wait([keeper, ready], return_when=asyncio.FIRST_COMPLETED)
    yield ready.result()
    done.set()
    await keeper


async def form(stage):
    return (await stage.admin.slash(stage.world.general, "setup")).response


def fields(page) -> dict[str, str]:
    return {field.name: field.value for field in page.embeds[0].fields}


async def test_the_form_shows_what_is_set(bare):
    """Four steps, privately; nothing is set yet but the consent rule."""
    page = await form(bare)
    assert page.ephemeral
    shown = fields(page)
    assert shown[words.SETUP_CHANNEL] == shown[words.SETUP_ROLE] == shown[words.SETUP_PERSONA] == words.SETUP_NOT_SET
    assert shown[words.SETUP_CONSENT] == words.CONSENT_RULE["members"]


async def test_choosing_a_channel_sends_cards_there(bare):
    """The form shows the choice, and the next reply has its card there."""
    page = await form(bare)
    await bare.admin.select(page, [bare.world.review], custom_id="nightshift:setup:channel")
    assert bare.world.review.mention in fields(page)[words.SETUP_CHANNEL]
    await bare.ask("Hello?")
    assert bare.card.embeds[0].title == texts.PENDING


async def test_a_public_channel_is_warned_of(bare):
    """Cards show what members wrote."""
    page = await form(bare)
    await bare.admin.select(page, [bare.world.general], custom_id="nightshift:setup:channel")
    assert words.SETUP_PUBLIC in fields(page)[words.SETUP_CHANNEL]


async def test_choosing_a_role_makes_its_members_moderators(bare):
    """From the next click on."""
    page = await form(bare)
    await bare.admin.select(page, [bare.world.review], custom_id="nightshift:setup:channel")
    await bare.admin.select(page, [bare.role], custom_id="nightshift:setup:role")
    assert bare.role.mention in fields(page)[words.SETUP_ROLE]
    answer = await bare.ask("Hello?")
    members = bare.env.backend.get_guild(bare.world.guild.id).members
    members[bare.world.moderator.id].role_ids.append(bare.role.id)
    await bare.world.moderator.click(bare.card, label="Approve")
    assert await verdicts(bare, answer) == [("approve", "Mo", None)]


async def test_the_persona_is_asked_for_in_a_form_and_holds_at_once(bare):
    """The next answer is given with it."""
    page = await form(bare)
    shown = await bare.admin.click(page, label=words.SETUP_PERSONA_BUTTON)
    await bare.admin.submit_modal(shown, {"persona": "You are a carpenter."})
    assert fields(page)[words.SETUP_PERSONA] == "You are a carpenter."
    await bare.ask("Hello?")
    assert bare.engine.seen[-1][0].content == "You are a carpenter."


async def test_members_are_told_how_to_opt_in(bare):
    """A button posts it in the channel."""
    page = await form(bare)
    await bare.admin.click(page, label=words.SETUP_CONSENT_BUTTON)
    assert words.CONSENT_POST in [one.content for one in bare.world.general.history()]


async def test_every_choice_is_in_the_audit(bare):
    """Who chose what, and when."""
    page = await form(bare)
    await bare.admin.select(page, [bare.world.review], custom_id="nightshift:setup:channel")
    await bare.admin.select(page, [bare.role], custom_id="nightshift:setup:role")
    role, channel = await bare.app.store.call(Store.audit_search, guild_id=bare.world.guild.id)
    assert (channel.actor, channel.action, channel.details) == (
        "Al",
        "settings.review_channel",
        {"value": bare.world.review.id},
    )
    assert (role.action, role.guild_id) == ("settings.moderator_role", bare.world.guild.id)
    assert role.created_at >= channel.created_at


async def test_the_form_and_its_choices_outlive_a_restart(bare):
    """What was chosen stays, and the open form goes on."""
    page = await form(bare)
    await bare.admin.select(page, [bare.world.review], custom_id="nightshift:setup:channel")
    await bare.env.restart_bot(bare.app.new_client())
    await bare.admin.select(page, [bare.role], custom_id="nightshift:setup:role")
    assert bare.world.review.mention in fields(page)[words.SETUP_CHANNEL]
    await bare.ask("Hello?")
    assert bare.card.embeds[0].title == texts.PENDING


async def test_only_who_manages_the_server_sets_it_up(bare):
    """Others do not see the command, and losing the permission closes the form."""
    assert "setup" not in bare.ada.available_commands(bare.world.general)
    page = await form(bare)
    bare.env.backend.get_guild(bare.world.guild.id).members[bare.admin.id].role_ids.clear()
    result = await bare.admin.select(page, [bare.role], custom_id="nightshift:setup:role")
    assert result.response.content == texts.NOT_ADMINISTRATOR


async def test_moderators_commands_are_hidden_from_members_where_no_role_is_set(bare):
    """With Manage Messages they are there."""
    theirs = {"review", "train now", "adapter use", "pairs search", "stats", "hold"}
    assert theirs.isdisjoint(bare.ada.available_commands(bare.world.general))
    role = bare.world.guild.create_role("Helper", permissions=discord.Permissions(manage_messages=True))
    helper = bare.world.guild.add_member(bare.env.create_user("hal"), roles=[role])
    assert theirs <= set(helper.available_commands(bare.world.general))


async def test_a_role_that_does_not_see_the_commands_is_said_with_the_clicks(bare):
    """Discord lets no bot change that; once a person has, the form says nothing more."""
    page = await form(bare)
    await bare.admin.select(page, [bare.role], custom_id="nightshift:setup:role")
    said = fields(page)[words.SETUP_ROLE]
    assert "Server Settings > Integrations > Nightshift" in said
    assert "/review" in said
    assert "/hold" in said
    assert "/status" not in said
    helper = bare.world.guild.add_member(bare.env.create_user("hal"), roles=[bare.role])
    assert "review" not in helper.available_commands(bare.world.general)
    for command in bare.env.backend.commands[None].values():
        allowed = [{"id": str(bare.role.id), "type": 1, "permission": True}]
        bare.env.backend.set_command_permissions(bare.world.guild.id, int(command["id"]), allowed)
    assert "review" in helper.available_commands(bare.world.general)
    assert fields(await form(bare))[words.SETUP_ROLE] == bare.role.mention


async def test_a_role_with_manage_messages_sees_the_commands(bare):
    """There is nothing to click."""
    role = bare.world.guild.create_role("Helpers", permissions=discord.Permissions(manage_messages=True))
    page = await form(bare)
    await bare.admin.select(page, [role], custom_id="nightshift:setup:role")
    assert fields(page)[words.SETUP_ROLE] == role.mention


async def test_what_the_bot_lacks_in_the_review_channel_is_named(bare):
    """Cards are embeds: without Embed Links there are none."""
    closed = bare.world.guild.create_text_channel(
        "quiet", overwrites={bare.app.client.user: discord.PermissionOverwrite(embed_links=False, attach_files=False)}
    )
    page = await form(bare)
    await bare.admin.select(page, [closed], custom_id="nightshift:setup:channel")
    assert "Embed Links, Attach Files" in fields(page)[words.SETUP_CHANNEL]
