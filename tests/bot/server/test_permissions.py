"""Who may do what, checked everywhere: every command and every button of moderators, used by a member."""

from __future__ import annotations

from typing import get_args

import discord
import pytest
from discord import app_commands

from bot.chat.buttons import ContinueButton, DeleteButton, RegenerateButton, StopButton
from bot.dynamic_items import DYNAMIC_ITEMS
from bot.gateway import intents
from bot.i18n.en import texts
from bot.pairs.quarantine import QuarantineButton
from bot.pairs.undoing import PutBackButton
from bot.review.blind_vote import VoteButton
from bot.review.cards import Act, CardButton, ReasonMenu
from bot.review.queue import QueueButton
from bot.server.message_content import PermissionStep
from bot.server.setup import SetupChannel, SetupRole, SetupStep
from storage.origins import ORIGINS
from storage.store import Store

EVERYBODY_S = {"ask", "status", "privacy"}
ADMINISTRATORS = {"settings", "setup"}
OPTIONS = {
    "text": "a",
    "pair": "1",
    "adapter": "base",
    "on": True,
    "file": ("a.jsonl", b""),
    "document": "1",
    "question": "a",
    "since": "2d",
}
BUTTONS = {
    CardButton: [CardButton(act, 1) for act in get_args(Act)],
    ReasonMenu: [ReasonMenu(1)],
    QueueButton: [QueueButton("newest", act, 1) for act in ("approve", "edit", "reject", "skip", "undo", "start")],
    QuarantineButton: [QuarantineButton(act, 1) for act in ("confirm", "dismiss", "skip", "start")],
    VoteButton: [VoteButton("run", 0, side) for side in ("a", "b", "tie")],
}
ADMINISTRATORS_S = {SetupChannel, SetupRole, SetupStep, PermissionStep, PutBackButton}


def leaves(command):
    """The commands below a command or group."""
    if isinstance(command, app_commands.Group):
        return [leaf for one in command.commands for leaf in leaves(one)]
    return [command]


def _some_value(parameter):
    """Anything that Discord would let through."""
    return parameter.choices[0].value if parameter.choices else (parameter.min_value or 0)


async def refused(result):
    """What a member was told, and nobody else."""
    assert result.ephemeral
    return result.response.content


async def test_every_moderators_command_refuses_members(stage):
    """Whatever Discord shows or hides: the callback decides."""
    await stage.ask("Hello?")
    tried = set()
    for command in stage.app.client.tree.get_commands(type=discord.AppCommandType.chat_input):
        if command.name in EVERYBODY_S | ADMINISTRATORS:
            continue
        for leaf in leaves(command):
            given = {**OPTIONS, "moderator": stage.world.moderator}
            options = {one.name: given[one.name] for one in leaf.parameters if one.required}
            result = await stage.ada.slash(stage.world.general, leaf.qualified_name, **options)
            assert await refused(result) == texts.not_moderator("Moderator"), leaf.qualified_name
            tried.add(leaf.qualified_name)
    assert len(tried) >= 15
    assert (await stage.app.store.call(Store.counts, learn_from=ORIGINS)).pending == 1
    assert await stage.app.store.call(Store.audit_search) == []


async def test_every_message_command_refuses_members(stage):
    """Approve, Edit and Reject."""
    answer = await stage.ask("Hello?")
    for command in stage.app.client.tree.get_commands(type=discord.AppCommandType.message):
        result = await stage.ada.context_menu(stage.world.general, command.name, answer)
        assert await refused(result) == texts.not_moderator("Moderator")
    assert (await stage.app.store.call(Store.counts, learn_from=ORIGINS)).pending == 1


@pytest.mark.parametrize(
    "item", [one for kind in BUTTONS.values() for one in kind], ids=lambda one: one.item.custom_id.replace(":", "-")
)
async def test_every_moderators_button_refuses_members(stage, item):
    """Buttons have no default permissions, so each asks again."""
    await stage.ask("Hello?")
    channel = stage.app.client.get_channel(stage.world.general.id)
    message = await channel.send("x", view=discord.ui.View(timeout=None).add_item(item))
    if isinstance(item, ReasonMenu):
        result = await stage.ada.select(message, ["rude"])
    else:
        result = await stage.ada.click(message, custom_id=item.item.custom_id)
    assert await refused(result) == texts.not_moderator("Moderator")
    assert (await stage.app.store.call(Store.counts, learn_from=ORIGINS)).pending == 1


def test_no_kind_of_button_is_left_out():
    """A new kind must be in one of these lists."""
    askers = {StopButton, RegenerateButton, ContinueButton, DeleteButton}
    assert set(DYNAMIC_ITEMS) - askers == {*BUTTONS, *ADMINISTRATORS_S}


async def test_every_administrators_command_refuses_moderators(stage):
    """Also where an administrator of the server has shown them to everybody."""
    tried = set()
    for command in stage.app.client.tree.get_commands(type=discord.AppCommandType.chat_input):
        if command.name not in ADMINISTRATORS:
            continue
        known = stage.env.backend.find_command(command.name, stage.world.guild.id, type=1)
        stage.world.guild.set_command_permissions(int(known["id"]), {stage.world.guild.default_role: True})
        for leaf in leaves(command):
            options = {one.name: _some_value(one) for one in leaf.parameters if one.required}
            result = await stage.world.moderator.slash(stage.world.general, leaf.qualified_name, **options)
            assert await refused(result) == texts.NOT_ADMINISTRATOR, leaf.qualified_name
            tried.add(leaf.qualified_name)
    assert len(tried) >= 6
    assert stage.app.client.guild_settings.made(stage.world.guild.id) == {}


def test_the_bot_asks_for_no_more_than_it_uses():
    """No members, no presences, no moderation; reactions and message content only where they are wanted."""
    usual = {"guilds", "guild_messages", "dm_messages", "message_content", "expressions"}
    assert {name for name, on in intents(message_content=True) if on} == usual
    assert {name for name, on in intents(message_content=False) if on} == usual - {"message_content"}
    assert {name for name, on in intents(message_content=True, reactions=True) if on} == usual | {"guild_reactions"}


@pytest.mark.parametrize("reactions", [False, True])
async def test_the_client_uses_these_intents_and_pings_nobody(open_stage, reactions):
    """As they were chosen in the settings."""
    async with open_stage(discord={"review_by_reaction": reactions}) as stage:
        client = stage.app.client
        assert client.intents == intents(message_content=True, reactions=reactions)
        assert client.allowed_mentions.to_dict() == discord.AllowedMentions.none().to_dict()
