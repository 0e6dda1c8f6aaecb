"""Every component checks server, permission and owner again: with the ids of another server, each is refused.

Discord shows a button only where it was posted; that it would not deliver a forged one is no reason to rely on it.
"""

from __future__ import annotations

from typing import get_args

import discord
import pytest

from bot.chat.buttons import ContinueButton, DeleteButton, RegenerateButton, StopButton
from bot.dynamic_items import DYNAMIC_ITEMS
from bot.i18n.en import moderation as words
from bot.i18n.en import texts, undoings
from bot.pairs.quarantine import QuarantineButton
from bot.pairs.undoing import PutBackButton
from bot.review.blind_vote import VoteButton
from bot.review.cards import Act, CardButton, ReasonMenu
from bot.review.queue import QueueButton
from bot.server.message_content import PermissionStep
from bot.server.setup import SetupChannel, SetupRole, SetupStep
from storage.store import Store
from tests.bot.chat.test_buttons import grow
from tests.bot.training.test_report import stored_run

RUN = "{run}"
FORGED = [
    *[(f"nightshift:{act}:{{reply}}", texts.OTHER_SERVER) for act in get_args(Act)],
    ("nightshift:reason:{reply}", texts.OTHER_SERVER),
    ("nightshift:reason:{reply}:newest:{reply}", texts.OTHER_SERVER),
    *[
        (f"nightshift:queue:newest:{act}:{{reply}}", texts.OTHER_SERVER)
        for act in ("approve", "edit", "reject", "undo")
    ],
    *[(f"nightshift:queue:newest:{act}:{{reply}}", None) for act in ("skip", "start")],
    *[(f"nightshift:aside:{act}:{{reply}}", words.QUARANTINE_GONE) for act in ("confirm", "dismiss")],
    *[(f"nightshift:aside:{act}:{{reply}}", None) for act in ("skip", "start")],
    *[(f"nightshift:vote:{RUN}:0:{side}", words.BLIND_ELSEWHERE) for side in ("a", "b", "tie")],
    ("nightshift:stop:{question}", texts.NOT_WRITING),
    *[(f"nightshift:setup:message_content:{act}", words.MESSAGE_CONTENT_NOT_YOURS) for act in ("permit", "forbid")],
    ("nightshift:undoing:{undoing}", undoings.GONE),
]
"""What each component of this server says to a moderator of another; None: their own, empty, page."""


async def elsewhere(stage):
    """A moderator and administrator of another server, and a channel there."""
    other = stage.env.create_guild("Elsewhere")
    role = other.create_role("Moderator", permissions=discord.Permissions(administrator=True))
    channel = other.create_text_channel("general")
    stranger = other.add_member(stage.env.create_user("sly", global_name="Sly"), roles=[role])
    await stage.env.settle()
    return stranger, channel


async def post(stage, channel, custom_id):
    """A message of the bot's in a channel, with a component that carries this id."""
    view = discord.ui.View(timeout=None)
    if ":reason:" in custom_id:
        options = [discord.SelectOption(label="x", value="rude")]
        view.add_item(discord.ui.Select(custom_id=custom_id, options=options))
    else:
        view.add_item(discord.ui.Button(label="x", custom_id=custom_id))
    await stage.app.client.get_channel(channel.id).send("forged", view=view)
    return channel.last_message


async def use(who, message, custom_id):
    if ":reason:" in custom_id:
        return await who.select(message, ["rude"])
    return await who.click(message, custom_id=custom_id)


async def a_rejected_pair(stage):
    """A reply of this server that is rejected, one set aside, and a run that sampled it."""
    reply = await stage.reply(await stage.ask("The safe opens with 4711"))
    call = stage.app.store.call
    await call(Store.add_review, reply.id, "approve", reviewer="Al", reviewer_id=5)
    run = await stored_run(stage, replies=(reply.id,), aside={reply.id: "It is short."})
    await call(Store.add_review, reply.id, "reject", reviewer="Al", reviewer_id=5)
    return reply.id, run


async def an_undoing(stage):
    """The number of one that took back what Al decided on this server."""
    undone = await stage.app.store.call(
        Store.undo_moderator, 5, "2000-01-01T00:00:00.000+00:00", actor="Mo", guild_id=stage.world.guild.id
    )
    return undone.id


async def state(stage, reply_id, run):
    """What a component could have changed."""
    call = stage.app.store.call
    return (
        await call(Store.reviews, reply_id),
        await call(lambda store: store.votes(run, stage.world.guild.id)),
        await call(lambda store: store._db.execute("select * from votes").fetchall()),
        await call(lambda store: [tuple(row) for row in store._db.execute("select * from quarantine")]),
        [one.content for one in stage.world.general.history()],
        await call(lambda store: [tuple(row) for row in store._db.execute("select * from undoings")]),
        await call(lambda store: [tuple(row) for row in store._db.execute("select * from bot_state")]),
    )


@pytest.mark.parametrize(("custom_id", "told"), FORGED, ids=[one[0] for one in FORGED])
async def test_a_component_that_names_another_server_s_things_is_refused(stage, custom_id, told):
    """Nothing is changed, and nothing of it is shown."""
    reply_id, run = await a_rejected_pair(stage)
    stranger, channel = await elsewhere(stage)
    undoing = await an_undoing(stage) if "{undoing}" in custom_id else 0
    custom_id = custom_id.format(reply=reply_id, run=run, question=1, undoing=undoing)
    before = await state(stage, reply_id, run)
    message = await post(stage, channel, custom_id)
    result = await use(stranger, message, custom_id)
    assert await state(stage, reply_id, run) == before
    assert result.modal is None
    shown = str([channel.last_message.content, [one.to_dict() for one in channel.last_message.embeds]])
    assert "4711" not in shown
    if told is not None:
        assert result.response.content == told


@pytest.mark.parametrize("custom_id", ["nightshift:again", "nightshift:more"])
async def test_an_answer_is_repeated_only_where_it_was_given(stage, custom_id):
    """By who asked, or a moderator there: a message elsewhere that replies to it is no way to it."""
    answer = await stage.ask("The safe opens with 4711")
    stranger, channel = await elsewhere(stage)
    message = await post(stage, channel, custom_id)
    reply = await stage.reply(answer)
    await stage.app.store.call(
        lambda store: store._db.execute("update replies set message_id = ? where id = ?", [message.id, reply.id])
    )
    result = await stranger.click(message, custom_id=custom_id)
    assert result.response.content == texts.ANSWER_GONE
    assert len(stage.engine.seen) == 1


async def test_only_who_asked_or_a_moderator_there_deletes_an_answer(stage):
    """A message of the bot's that nobody asked for by /ask is nobody's but the moderators'."""
    message = await post(stage, stage.world.general, "nightshift:delete")
    result = await stage.ada.click(message, custom_id="nightshift:delete")
    assert result.response.content == texts.NOT_YOURS
    assert stage.world.general.last_message.content == "forged"


@pytest.mark.parametrize("who", ["stranger", "moderator elsewhere on the server"])
async def test_an_answer_is_stopped_only_where_it_grows(open_stage, who):
    """Another server's moderator, or one of this server in another channel, names the question: it goes on."""
    async with open_stage(settle_timeout=2.0) as stage:
        if who == "stranger":
            user, channel = await elsewhere(stage)
        else:
            channel = stage.world.guild.create_text_channel("other")
            user = stage.world.moderator
        await grow(stage)
        question = stage.world.general.history()[0]
        message = await post(stage, channel, f"nightshift:stop:{question.id}")
        result = await user.click(message, custom_id=f"nightshift:stop:{question.id}")
        assert result.response.content == texts.NOT_WRITING
        stage.engine.pause_after = None
        stage.engine.open.set()
        await stage.env.settle()
        assert stage.world.general.last_message.content == "first second third"


@pytest.mark.parametrize(("kind", "name"), [(SetupChannel, "review_channel"), (SetupRole, "moderator_role")])
async def test_setup_takes_no_channel_and_no_role_of_another_server(stage, monkeypatch, kind, name):
    """Whatever id a forged choice carries."""
    stranger, channel = await elsewhere(stage)
    role = stage.env.backend.get_guild(channel.guild.id).members[stranger.id].role_ids[0]
    theirs = channel.id if kind is SetupChannel else role
    admin = stage.world.guild.create_role("Admin", permissions=discord.Permissions(administrator=True))
    al = stage.world.guild.add_member(stage.env.create_user("al", global_name="Al"), roles=[admin])

    async def forged(_item, interaction):
        await interaction.client.setup.choose(interaction, name, theirs)

    page = (await al.slash(stage.world.general, "setup")).response
    monkeypatch.setattr(kind, "use", forged)
    target = stage.world.general if kind is SetupChannel else admin
    result = await al.select(page, [target], custom_id=kind().item.custom_id)
    assert result.response.content == words.SETUP_ELSEWHERE
    assert stage.app.client.guild_settings.made(stage.world.guild.id) == {}


@pytest.mark.parametrize("step", ["persona", "consent"])
async def test_the_form_s_buttons_act_on_the_server_where_they_are_used(stage, step):
    """They carry no id; a member who finds one may do nothing with it."""
    message = await post(stage, stage.world.general, f"nightshift:setup:{step}")
    result = await stage.ada.click(message, custom_id=f"nightshift:setup:{step}")
    assert result.response.content == texts.NOT_ADMINISTRATOR
    assert result.modal is None


def test_no_kind_of_component_is_left_out():
    """A new kind belongs into one of the tests above."""
    tried = {
        CardButton,
        ReasonMenu,
        QueueButton,
        QuarantineButton,
        VoteButton,
        StopButton,
        RegenerateButton,
        ContinueButton,
        DeleteButton,
        SetupChannel,
        SetupRole,
        SetupStep,
        PermissionStep,
        PutBackButton,
    }
    assert set(DYNAMIC_ITEMS) == tried
