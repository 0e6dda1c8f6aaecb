"""/setup's choice: Discord has given this application permission to train on message content."""

from __future__ import annotations

from dataclasses import replace

import discord
import pytest

from bot.i18n.en import moderation as words
from storage.origins import LEARNED_BY_DEFAULT
from storage.store import Store
from tests.bot.server.test_setup import fields


@pytest.fixture
def strict(settings):
    """The settings as they come on Discord: messages are not learned from."""
    training = replace(settings.training, learn_from=LEARNED_BY_DEFAULT)
    return settings.model_copy(update={"training": training, "consent": "operator"})


def administrator(stage, guild, name="al"):
    role = guild.create_role("Admin", permissions=discord.Permissions(administrator=True))
    return guild.add_member(stage.env.create_user(name, global_name=name.title()), roles=[role])


async def eligible(stage):
    return (await stage.app.status()).pairs


async def test_messages_wait_for_discord_s_permission_and_the_form_says_so(open_stage, strict):
    """One click of an administrator of the main server lets them join, one takes that back; both are audited."""
    async with open_stage(base=strict, discord={"context_messages": 0}) as stage:
        await stage.ask("Where is the tea?")
        answer = await stage.reply(stage.world.general.last_message)
        await stage.app.store.call(lambda store: store.add_review(answer.id, "approve", reviewer="Mo"))
        asked = await stage.ada.slash(stage.world.general, "ask", question="Where is the jam?")
        jam = await stage.reply(asked.response)
        await stage.app.store.call(lambda store: store.add_review(jam.id, "approve", reviewer="Mo"))
        assert [turn.origin for turn in (*answer.turns, *jam.turns)] == ["message", "command"]
        pairs = await eligible(stage)
        assert (pairs.eligible, pairs.excluded) == (1, 1)
        status = (await stage.ada.slash(stage.world.general, "status")).response
        assert fields(status)[words.REPORT_EXCLUDED] == words.excluded(1)

        admin = administrator(stage, stage.world.guild)
        page = (await admin.slash(stage.world.general, "setup")).response
        assert fields(page)[words.SETUP_MESSAGE_CONTENT] == words.message_content_forbidden(1)
        await admin.click(page, label="Discord has given this application permission")
        assert fields(page)[words.SETUP_MESSAGE_CONTENT] == words.MESSAGE_CONTENT_PERMITTED
        pairs = await eligible(stage)
        assert (pairs.eligible, pairs.excluded) == (2, 0)
        await admin.click(page, label=words.MESSAGE_CONTENT_FORBID)
        assert (await eligible(stage)).eligible == 1
        acts = await stage.app.store.call(Store.audit_search)
        assert [(one.action, one.actor, one.guild_id) for one in acts[:2]] == [
            ("setup.message_content_forbid", "Al", None),
            ("setup.message_content_permit", "Al", None),
        ]


async def test_an_administrator_of_another_server_cannot_say_it_for_the_application(open_stage, strict):
    """It holds for every server, so it is the owner's or the main server's to say."""
    async with open_stage(base=strict) as stage:
        other = stage.env.create_guild("Elsewhere")
        channel = other.create_text_channel("general")
        await stage.env.settle()
        admin = administrator(stage, other, "eve")
        page = (await admin.slash(channel, "setup")).response
        refused = await admin.click(page, label=words.MESSAGE_CONTENT_PERMIT)
        assert refused.response.content == words.MESSAGE_CONTENT_NOT_YOURS
        assert not await stage.app.store.call(Store.message_content_permitted)


async def test_the_file_s_decision_is_shown_and_has_no_button(open_stage):
    """The simulated Discord is none, and learns from everything."""
    async with open_stage() as stage:
        admin = administrator(stage, stage.world.guild)
        page = (await admin.slash(stage.world.general, "setup")).response
        assert fields(page)[words.SETUP_MESSAGE_CONTENT] == words.MESSAGE_CONTENT_BY_FILE
