"""Where the bot answers: /ask, threads, opened channels, allowed and denied places."""

from __future__ import annotations

import discord
import pytest

from bot.i18n.en import texts
from bot.server.guild_settings import Actor
from model.chat import Message

MO = Actor(1, "Mo")


async def allow(stage, channel=None, **values):
    """Set something on the server, or in a channel of it."""
    await stage.app.client.guild_settings.change(MO, stage.world.guild.id, channel.id if channel else 0, values)


def answers(channel):
    return [one for one in channel.history() if one.author.name == "Nightshift"]


async def test_ask_answers_below_the_question(stage):
    """/ask shows what was asked, since Discord does not, and the answer."""
    stage.engine.say("Oak.")
    result = await stage.ada.slash(stage.world.general, "ask", question="Which wood?")
    assert result.acknowledged
    assert stage.world.general.last_message.content == "> Which wood?\nOak."
    reply = await stage.reply(stage.world.general.last_message)
    assert (reply.text, reply.asker_id) == ("Oak.", stage.ada.id)
    assert [turn.content for turn in reply.turns] == ["Which wood?"]


async def test_ask_hears_what_was_said_before(stage):
    """The channel's last messages are its context, as for a mention."""
    await stage.ben.send(stage.world.general, "My glue never dries.")
    await stage.ada.slash(stage.world.general, "ask", question="any idea?")
    assert stage.engine.seen[-1] == [
        Message("user", "Ben: My glue never dries."),
        Message("user", "Ada: any idea?"),
    ]


async def test_a_reply_to_an_answer_of_ask_goes_on_from_its_question(stage):
    """The question above the answer is somebody's words, not the bot's."""
    stage.engine.say("Oak.", "It is hard.")
    await stage.ada.slash(stage.world.general, "ask", question="Which wood?")
    await stage.ada.send(stage.world.general, "Why?", reply_to=stage.world.general.last_message)
    assert stage.engine.seen[-1] == [
        Message("user", "Which wood?"),
        Message("assistant", "Oak."),
        Message("user", "Why?"),
    ]
    first, second = [await stage.reply(one) for one in answers(stage.world.general)]
    assert first.conversation == second.conversation


async def test_ask_works_in_direct_messages(stage):
    """Where no mention is possible either."""
    stage.engine.say("Hello.")
    await stage.ada.send_dm("Hi")
    stage.engine.say("Oak.")
    await stage.ada.user.slash("ask", question="Which wood?")
    assert stage.ada.user.dm_channel.last_message.content == "> Which wood?\nOak."


async def test_ask_is_refused_in_direct_messages_that_are_switched_off(open_stage):
    """And says where to go."""
    async with open_stage(discord={"direct_messages": False}) as stage:
        await stage.ada.send_dm("Hi")
        result = await stage.ada.user.slash("ask", question="Which wood?")
        assert result.response.content == texts.NO_DIRECT


async def test_threads_are_answered_and_keep_to_themselves(stage):
    """A mention in a thread is answered there, with what was said there."""
    await stage.ada.send(stage.world.general, "Lunch at noon.")
    guild = stage.app.client.get_guild(stage.world.guild.id)
    await guild.get_channel(stage.world.general.id).create_thread(name="glue", type=discord.ChannelType.public_thread)
    (thread,) = stage.world.general.threads
    await stage.ben.send(thread, "It never dries.")
    await stage.ada.send(thread, f"{stage.me} why?")
    assert [one.content for one in stage.engine.seen[-1]] == ["Ben: It never dries.", "Ada: why?"]
    assert [one.content for one in answers(thread)] == ["You said: Ada: why?"]


async def test_an_opened_channel_answers_every_message(stage):
    """With "always" no mention is needed, but what is meant for others is left alone."""
    await allow(stage, stage.world.general, talk="always")
    first = await stage.ada.send(stage.world.general, "Which wood?")
    assert len(answers(stage.world.general)) == 1
    await stage.ben.send(stage.world.general, "Try oak", reply_to=first)
    await stage.ben.send(stage.world.general, f"{stage.ada.mention} or ash")
    assert len(answers(stage.world.general)) == 1


async def test_a_channel_can_be_opened_for_the_bot_s_name(stage):
    """With "name" it must be said, at the beginning or the end of a message."""
    await allow(stage, stage.world.general, talk="name")
    await stage.ada.send(stage.world.general, "Which wood?")
    assert not answers(stage.world.general)
    await stage.ada.send(stage.world.general, "Which wood, nightshift?")
    assert len(answers(stage.world.general)) == 1


async def test_an_opened_channel_opens_no_other(stage):
    """Its threads are part of it; other channels are not."""
    await allow(stage, stage.world.general, talk="always")
    other = stage.world.guild.create_text_channel("other")
    await stage.ada.send(other, "Which wood?")
    assert stage.engine.seen == []


async def test_a_message_without_words_is_no_question_in_an_opened_channel(open_stage):
    """As every message is that the bot may not read."""
    async with open_stage(discord={"message_content": False}) as stage:
        await allow(stage, stage.world.general, talk="always")
        await stage.ada.send(stage.world.general, "Hello")
        assert not answers(stage.world.general)


async def test_between_answers_that_nobody_asked_for_lies_the_cooldown(stage):
    """A mention is answered meanwhile."""
    await allow(stage, stage.world.general, talk="always", talk_cooldown=30.0)
    await stage.ada.send(stage.world.general, "One?")
    await stage.ada.send(stage.world.general, "Two?")
    assert len(stage.engine.seen) == 1
    await stage.ask("Three?")
    assert len(stage.engine.seen) == 2
    await stage.env.advance_time(31)
    await stage.ada.send(stage.world.general, "Four?")
    assert len(stage.engine.seen) == 3


async def test_other_bots_are_not_answered_in_an_opened_channel(stage):
    """Two bots in a channel that answers everything would never stop."""
    await allow(stage, stage.world.general, talk="always")
    robot = stage.world.guild.add_member(stage.env.create_user("robot", bot=True))
    await robot.send(stage.world.general, "beep?")
    hook = stage.world.guild.create_webhook(stage.world.general, "bridge")
    await hook.send("boop?")
    assert stage.engine.seen == []


@pytest.mark.parametrize("kind", ["channel", "role"])
async def test_denied_places_and_people_are_left_alone(stage, kind):
    """A mention there gets no answer, /ask a reason that only the asker sees."""
    role = stage.world.guild.create_role("muted")
    dora = stage.world.guild.add_member(stage.env.create_user("dora"), roles=[role])
    if kind == "channel":
        await allow(stage, denied_channels=[stage.world.general.id])
    else:
        await allow(stage, denied_roles=[role.id])
    await dora.send(stage.world.general, f"{stage.me} hello?")
    assert not answers(stage.world.general)
    result = await dora.slash(stage.world.general, "ask", question="hello?")
    assert result.ephemeral
    assert result.response.content == texts.NOT_HERE


async def test_where_channels_are_allowed_the_others_are_not(stage):
    """An allow list of one."""
    bots = stage.world.guild.create_text_channel("bots")
    await allow(stage, allowed_channels=[bots.id])
    await stage.ada.send(stage.world.general, f"{stage.me} hello?")
    await stage.ada.send(bots, f"{stage.me} hello?")
    assert not answers(stage.world.general)
    assert answers(bots)


async def test_a_message_from_before_the_start_is_not_answered(stage):
    """What was said while the bot was away stays unanswered, however it arrives."""
    question = await stage.ada.send(stage.world.general, "Anybody?")
    await stage.env.advance_time(60)
    with stage.env.time_context():
        stage.app.client.requests.open()
    message = await stage.app.client.get_channel(stage.world.general.id).fetch_message(question.id)
    message.content = f"@Nightshift {message.content}"
    await stage.app.client.on_message(message)
    assert stage.engine.seen == []


@pytest.mark.parametrize("hold", [False, True])
async def test_ask_repeats_a_question_as_one_harmless_line(stage, hold):
    """Other bots are exempt from AutoMod, so what a member may not write is not written for them either."""
    await allow(stage, hold=hold)
    asked = "Hi @everyone\n# News\n**A newly trained adapter won.** [free](https://evil.example) discord\u3002gg/abc"
    await stage.ada.slash(stage.world.general, "ask", question=asked)
    first, second = stage.world.general.last_message.content.split("\n", 1)
    assert first.startswith("> Hi @\u200beveryone # News **A newly trained adapter won.** [free]\u200b(https://")
    assert first.endswith(" discord[.]gg/abc")
    assert "News" not in second if hold else second.startswith("You said")


async def test_a_card_shows_names_and_words_without_tricks(stage):
    """Turned text, masked links and invitations."""
    sly = stage.world.guild.add_member(stage.env.create_user("sly", global_name="gnp\u202eexe"))
    await stage.ask("[safe](https://evil.example) discord\u3002gg/abc a\u202eb", who=sly)
    (embed,) = stage.card.embeds
    assert embed.author.name == "gnpexe"
    assert "[safe]\u200b(https://evil.example) discord[.]gg/abc ab" in embed.description
