"""The model reads what a member sees: pastes, polls, forwards, embeds, proxied messages, threads' beginnings."""

from __future__ import annotations

import discord
import pytest
from simcord.backend import serializers
from simcord.backend.models.message import Poll, PollAnswer
from simcord.enums import MessageType

from bot.chat.message_text import PROXIES
from model.chat import Message
from storage.origins import ORIGINS
from storage.store import Store


def seen(stage):
    """What the model was shown for its last answer."""
    return [message.content for message in stage.engine.seen[-1]]


@pytest.fixture
def webhook(stage):
    return stage.world.guild.create_webhook(stage.world.general, "Weather")


@pytest.fixture
def proxied(stage, webhook, monkeypatch):
    """Posts as PluralKit does: through its own webhook. SimCord's webhooks belong to no application."""
    plain = serializers.message_payload

    def payload(backend, message, **options):
        made = plain(backend, message, **options)
        return {**made, "application_id": str(min(PROXIES))} if message.webhook_id else made

    monkeypatch.setattr(serializers, "message_payload", payload)

    async def post(text, name="Robin"):
        return await webhook.send(text, username=name)

    return post


async def test_a_reply_to_another_bot_shows_what_it_said(stage):
    """Its words are nobody's whose consent could be asked, so they are never learned from."""
    robot = stage.world.guild.add_member(stage.env.create_user("robot", global_name="Robot", bot=True))
    said = await robot.send(stage.world.general, "It will rain.")
    await stage.ask("is that so?", reply_to=said)
    assert seen(stage) == ["Robot: It will rain.", "Ada: is that so?"]
    reply = await stage.reply(stage.world.general.last_message)
    assert [turn.author_id for turn in reply.turns] == [None, stage.ada.id]


async def test_a_reply_to_a_webhook_shows_its_embed(stage, webhook):
    """Services post embeds and nothing else."""
    embed = discord.Embed(title="Forecast", description="Rain from noon.").add_field(name="Wind", value="3 bft")
    said = await webhook.send(embed=embed)
    await stage.ask("umbrella?", reply_to=said)
    assert seen(stage) == ["Weather: Forecast\n  Rain from noon.\n  Wind: 3 bft", "Ada: umbrella?"]


async def test_what_other_machines_say_beside_the_conversation_is_not_read(stage, webhook):
    """A channel full of notices would crowd the people out."""
    await webhook.send("Build 512 passed.")
    await stage.ask("which wood?")
    assert seen(stage) == ["which wood?"]


async def test_a_forwarded_message_is_read_as_nobody_s(stage):
    """Its snapshot stands in this channel for all to read; whose words they are is not known."""
    elsewhere = stage.world.guild.create_text_channel("elsewhere")
    said = await stage.ben.send(elsewhere, "Bring a ladder.")
    forward = await stage.ada.forward(said, stage.world.general)
    await stage.ask("why?", reply_to=forward)
    assert seen(stage) == ["Forwarded message: Bring a ladder.", "Ada: why?"]
    reply = await stage.reply(stage.world.general.last_message)
    assert reply.turns[0].author_id is None


async def test_a_poll_is_read_with_its_answers(stage):
    """Asking about a poll shows what there is to choose."""
    poll = Poll("Which wood?", [PollAnswer(1, "Oak"), PollAnswer(2, "Ash")], expiry="2030-01-01T00:00:00+00:00")
    stage.env.backend.create_message(stage.world.general.id, stage.ben.id, "", poll=poll)
    await stage.env.settle()
    await stage.ask("what would you take?")
    assert seen(stage) == ["Ben: [poll: Which wood?: Oak / Ash]", "Ada: what would you take?"]


async def test_a_long_paste_is_read(stage):
    """Discord's client turns it into a file; the question is in there."""
    await stage.ask("please look", attachments=[("message.txt", b"line one\nline two")])
    assert seen(stage) == ["please look\nline one\nline two"]


async def test_another_file_is_only_named(stage):
    """Whatever somebody attaches is not read without being asked."""
    await stage.ask("please look", attachments=[("notes.txt", b"secret")])
    assert seen(stage) == ["please look\n[file: notes.txt]"]


async def test_a_thread_begins_with_the_message_it_was_made_from(stage):
    """Discord shows it on top; the thread itself holds a pointer."""
    said = await stage.ben.send(stage.world.general, "My glue never dries.")
    thread = (
        await stage.app.client.get_channel(stage.world.general.id)
        .get_partial_message(said.id)
        .create_thread(name="Glue")
    )
    handle = next(one for one in stage.world.general.threads if one.id == thread.id)
    if not any(one.type is discord.MessageType.thread_starter_message for one in handle.history()):
        stage.world.guild.create_system_message(
            handle, MessageType.THREAD_STARTER_MESSAGE, author=stage.ben, referenced_message=said
        )
    await stage.ask("why?", channel=handle)
    assert seen(stage) == ["Ben: My glue never dries.", "Ada: why?"]


async def test_server_emoji_come_back_as_emoji(stage):
    """The model reads and writes their names."""
    emoji = stage.world.guild.create_emoji("party")
    await stage.env.settle()
    stage.engine.say("Yes :party: and `:party:` in code, :nothing: else")
    answer = await stage.ask(f"party <:party:{emoji.id}>?")
    assert seen(stage) == ["party :party:?"]
    assert answer.content == f"Yes <:party:{emoji.id}> and `:party:` in code, :nothing: else"
    assert (await stage.reply(answer)).text == "Yes :party: and `:party:` in code, :nothing: else"


async def test_a_mention_in_ask_is_read_as_a_name(stage):
    """Discord does not look through a command's text for people."""
    await stage.ada.slash(stage.world.general, "ask", question=f"who is {stage.ben.mention}?")
    assert seen(stage) == ["who is @Ben?"]


async def test_a_point_in_time_is_read_as_one(stage):
    """And the other things that Discord writes in angle brackets."""
    await stage.ask("at <t:1700000000:R>, with </ask:123>, in <id:customize>?")
    assert seen(stage) == ["at 2023-11-14 22:13 UTC, with /ask, in #customize?"]


async def test_two_members_of_one_name_are_told_apart(stage):
    """Their words are not mixed up."""
    other = stage.world.guild.add_member(stage.env.create_user("ada2", global_name="Ada"))
    await other.send(stage.world.general, "Use pine.")
    await stage.ask("is that right?")
    assert seen(stage) == ["Ada: Use pine.", "Ada (2): is that right?"]


async def test_a_proxied_message_is_answered_and_is_nobody_s(stage, proxied):
    """There is no account whose consent could be asked."""
    said = await proxied(f"{stage.me} which wood?")
    answer = stage.world.general.last_message
    assert answer.reference.message_id == said.id
    await stage.app.store.call(Store.set_consent, stage.ada.id, opted_in=True)
    reply = await stage.reply(answer)
    await stage.app.store.call(Store.add_review, reply.id, "approve", reviewer="Mo", reviewer_id=9)
    assert await stage.app.store.call(lambda store: list(store.eligible_pairs("members", learn_from=ORIGINS))) == []


async def test_an_original_and_its_proxy_are_answered_once(stage, proxied):
    """The answer that is on its way to the deleted original makes room for the one to its proxied form."""
    stage.engine.say("Oak is a good choice", "Ash.")
    stage.engine.pause_after = 2
    original = stage.env.backend.create_message(stage.world.general.id, stage.ada.id, f"R: {stage.me} which wood?")
    await stage.engine.asked.wait()
    stage.engine.pause_after = None
    said = await proxied(f"{stage.me} which wood?")
    stage.env.backend.delete_message(stage.world.general.id, original.id)
    stage.engine.open.set()
    await stage.env.settle()
    answers = [one for one in stage.world.general.history() if one.author.name == "Nightshift"]
    assert [(one.content, one.reference.message_id) for one in answers] == [("Ash.", said.id)]


async def test_a_proxy_of_an_answered_message_is_not_answered_again(stage, proxied):
    """The answer was quicker than the application that proxies."""
    await stage.ask("which wood?")
    await proxied(f"{stage.me} which wood?")
    assert len([one for one in stage.world.general.history() if one.author.name == "Nightshift"]) == 1


async def test_without_the_right_to_read_history_the_bot_answers_all_the_same(stage):
    """Discord would refuse a reply there, so the answer stands by itself."""
    closed = discord.PermissionOverwrite(read_message_history=False)
    channel = stage.world.guild.create_text_channel("quiet", overwrites={stage.world.guild.default_role: closed})
    await stage.env.settle()
    stage.engine.say("Oak.")
    answer = await stage.ask("which wood?", channel=channel)
    assert (answer.content, answer.reference) == ("Oak.", None)
    assert stage.engine.seen[-1] == [Message("user", "which wood?")]


async def test_a_warning_sign_of_the_model_s_own_is_part_of_its_answer(stage):
    """Only the bot's notices are left out of what comes later."""
    stage.engine.say("\u26a0\ufe0f Careful with that saw.", "Gladly.")
    answer = await stage.ask("May I?")
    assert answer.content == "\u26a0\ufe0f Careful with that saw."
    await stage.ada.send(stage.world.general, "Thank you!", reply_to=answer)
    assert seen(stage) == ["May I?", "\u26a0\ufe0f Careful with that saw.", "Thank you!"]


async def test_an_answer_that_shows_nothing_is_no_answer(stage):
    """It is neither posted nor stored."""
    from bot.i18n.en import texts

    stage.engine.say("** **\u200b")
    answer = await stage.ask("Well?")
    assert answer.content == texts.SILENT
    assert await stage.app.store.call(Store.reply_by_message, answer.id) is None


async def test_an_answer_in_a_member_s_name_is_only_the_bot_s_own_part(stage):
    """Neither shown nor stored."""
    stage.engine.say("Ada: Try oak.\nBen: And ash?")
    await stage.ben.send(stage.world.general, "Hello")
    answer = await stage.ask("Which wood?")
    assert answer.content == "Try oak."
    assert (await stage.reply(answer)).text == "Try oak."
    assert "\nBen:" in stage.engine.samplings[-1].stop


async def test_code_that_is_cut_off_is_closed_before_what_follows(stage):
    """The line on learning would stand inside the code block."""
    from tests.fake_engine import Endless

    stage.engine.say(Endless("Look:\n```py\nx = 1"))
    answer = await stage.ask("How?")
    assert answer.content.startswith("Look:\n```py\nx = 1\n```")
    assert (await stage.reply(answer)).text == "Look:\n```py\nx = 1"


def test_a_name_that_ends_in_a_sign_is_an_address():
    """`@Nightshift!` typed to a bot called Nightshift!."""
    from bot.chat.context import name_prefix_length

    assert name_prefix_length("@Nightshift! are you there?", "Nightshift!") == len("@Nightshift! ")
