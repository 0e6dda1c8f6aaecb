"""No words cross from one server, channel or direct message into another, and no moderators' reach does."""

from __future__ import annotations

import pytest

from bot.i18n.en import moderation as words
from bot.i18n.en import texts
from storage.store import Store
from tests.bot.training.test_report import stored_run

PLAN = "The party is on Friday."


def heard(stage):
    """Everything the model was shown for its last answer."""
    return " ".join(one.content for one in stage.engine.seen[-1])


@pytest.fixture
async def elsewhere(stage):
    """Another server with the same bot: its channel, a member, and a moderator of its own."""
    guild = stage.env.create_guild("Elsewhere")
    channel = guild.create_text_channel("general")
    guild.create_text_channel("review")
    role = guild.create_role("Moderator")
    member = guild.add_member(stage.env.create_user("eve", global_name="Eve"))
    moderator = guild.add_member(stage.env.create_user("sly", global_name="Sly"), roles=[role])
    await stage.env.settle()
    return channel, member, moderator


async def test_a_direct_message_hears_nothing_of_a_server(stage):
    """Nor the other way round."""
    await stage.ada.send(stage.world.general, PLAN)
    await stage.ask("What is on Friday?")
    await stage.ada.send_dm("What do you know?")
    assert heard(stage) == "What do you know?"
    await stage.ada.send_dm("My password is swordfish.")
    await stage.ask("What do you know now?")
    assert "swordfish" not in heard(stage)


async def test_one_member_s_direct_messages_hear_nothing_of_another_s(stage):
    """Each is a conversation of its own."""
    await stage.ada.send_dm("My password is swordfish.")
    await stage.ben.send_dm("What do you know?")
    assert heard(stage) == "What do you know?"


async def test_one_server_hears_nothing_of_another(stage, elsewhere):
    """Also from the same person."""
    channel, eve, _ = elsewhere
    await stage.ada.send(stage.world.general, PLAN)
    await stage.ask("What is on Friday?")
    await eve.send(channel, f"{stage.me} What do you know?")
    assert heard(stage) == "What do you know?"


async def test_a_forwarded_message_does_not_lead_back_to_its_channel(stage):
    """Its copy stands in this channel and is read as nobody's words; what was said beside the original is not."""
    plans = stage.world.guild.create_text_channel("secret-plans")
    await stage.ada.send(plans, "Tell nobody.")
    secret = await stage.ada.send(plans, PLAN)
    forward = await stage.ada.forward(secret, stage.world.general)
    before = len(stage.engine.seen)
    await stage.ask("What do you know?", reply_to=forward)
    assert len(stage.engine.seen) == before + 1
    assert heard(stage) == f"Forwarded message: {PLAN} Ada: What do you know?"


async def test_the_bot_never_answers_itself(stage):
    """Where it answers everything, its own words are no question."""
    channel = {"talk": "always"}
    guild_settings = stage.app.client.guild_settings
    for name, value in channel.items():
        guild_settings._values.setdefault((stage.world.guild.id, stage.world.general.id), {})[name] = value
    await stage.app.client.get_channel(stage.world.general.id).send(f"{stage.me} who am I?")
    await stage.env.settle()
    await stage.ada.send(stage.world.general, "Which wood?")
    assert len(stage.engine.seen) == 1


async def test_another_server_s_statistics_are_its_own(stage, elsewhere):
    """What was reviewed here is not counted there."""
    channel, _, sly = elsewhere
    await stage.ask("Which wood?")
    await stage.world.moderator.click(stage.card, label=texts.APPROVE)
    assert (await sly.slash(channel, "stats")).response.content == words.STATS_NONE


async def test_another_server_s_votes_are_its_own(stage, elsewhere):
    """Only those of one's own server stand in /train history."""
    channel, _, sly = elsewhere
    run_id = await stored_run(stage)
    await stage.app.store.call(
        lambda store: store.vote(run_id, 0, "challenger", voter_id=sly.id, guild_id=channel.guild.id)
    )
    shown = (await stage.world.moderator.slash(stage.world.general, "train history")).response.embeds[0].description
    assert words.votes(1, 0, 0) not in shown


async def test_another_server_s_queue_holds_its_own_replies(stage, elsewhere):
    """Going through it ends there. Forged buttons are tried in tests/bot/server/test_components.py."""
    channel, eve, sly = elsewhere
    await stage.ask("Which wood?")
    await eve.send(channel, f"{stage.me} Which oil?")
    page = (await sly.slash(channel, "review")).response
    assert "Which oil?" in page.embeds[0].description
    await sly.click(page, label=texts.APPROVE)
    assert page.embeds[0].description == words.QUEUE_EMPTY
    first = await stage.app.store.call(Store.latest_review, 1)
    assert first is None
