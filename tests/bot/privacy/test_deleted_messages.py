"""Messages deleted while nobody listened: found at the next start, and taken out of the store."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace

import discord
import pytest

from bot.i18n.en import texts
from bot.privacy import deleted_messages as lookback
from storage.redactions import REDACTED
from storage.store import Store


@pytest.fixture
def open_looking(open_stage, settings):
    """Opens a stage whose bot looks back; the simulated server is the same before and after a restart."""

    @asynccontextmanager
    async def opening(**privacy):
        looking = replace(settings.privacy, **{"look_back": True, **privacy})
        async with open_stage(base=settings.model_copy(update={"privacy": looking})) as stage:
            yield stage

    return opening


def vanish(stage, *messages):
    """Delete messages while the bot does not hear of it."""
    for message in messages:
        del stage.env.backend.messages[message.channel.id][message.id]


async def restart(stage):
    await stage.env.restart_bot(stage.app.new_client())
    await stage.env.settle()


async def stored(stage, number=1):
    return await stage.app.store.call(Store.reply, number)


def requests(stage):
    return [one.path for one in stage.env.http_requests if one.method == "GET" and one.path.endswith("/messages")]


async def test_a_question_deleted_while_the_bot_was_away_is_taken_out(open_looking):
    """With the answer, which may quote it, and from the card."""
    async with open_looking() as stage:
        await stage.ask("my secret tea")
        await stage.ask("and my coffee", who=stage.ben)
        vanish(stage, stage.world.general.history()[0])
        await restart(stage)
        reply = await stored(stage)
        assert (reply.redacted, reply.text, reply.turns[-1].content) == (True, REDACTED, REDACTED)
        first, second = stage.world.review.history()
        assert "tea" not in first.embeds[0].description
        assert "and my coffee" in second.embeds[0].description


async def test_an_answer_deleted_while_the_bot_was_away_is_taken_out(open_looking):
    """A moderator wanted it gone."""
    async with open_looking() as stage:
        vanish(stage, await stage.ask("Which wood?"))
        await restart(stage)
        assert (await stored(stage)).text == REDACTED


async def test_direct_messages_are_looked_after_too(open_looking):
    """They are somebody's words as well."""
    async with open_looking() as stage:
        await stage.ada.send_dm("my secret tea")
        channel = next(one for one in stage.env.backend.messages if len(stage.env.backend.messages[one]) == 2)
        question = min(stage.env.backend.messages[channel])
        del stage.env.backend.messages[channel][question]
        await restart(stage)
        assert (await stored(stage)).redacted


async def test_what_still_stands_is_left_alone(open_looking):
    """However much was said since: a hundred messages are looked at with each request."""
    async with open_looking() as stage:
        for number in range(3):
            await stage.ask(f"Question {number}?")
            for line in range(90):
                stage.env.backend.create_message(stage.world.general.id, stage.ben.id, f"chatter {line}")
        await stage.env.settle()
        vanish(stage, next(one for one in stage.world.general.history() if "Question 1?" in one.content))
        before = len(requests(stage))
        await restart(stage)
        assert [(await stored(stage, number)).redacted for number in (1, 2, 3)] == [False, True, False]
        assert len(requests(stage)) - before <= 6  # three pages of #general, and the cards of what was taken out


async def test_the_requests_are_limited(open_looking, monkeypatch):
    """A bot that was away for a month does not spend its morning looking."""
    monkeypatch.setattr(lookback, "_REQUESTS", 1)
    async with open_looking() as stage:
        await stage.ask("Question 1?")
        for line in range(110):
            stage.env.backend.create_message(stage.world.general.id, stage.ben.id, f"chatter {line}")
        await stage.ask("Question 2?")
        vanish(stage, *[one for one in stage.world.general.history() if "Question" in one.content])
        before = len(requests(stage))
        await restart(stage)
        assert [(await stored(stage, number)).redacted for number in (1, 2)] == [False, True]
        looked = [path for path in requests(stage)[before:] if str(stage.world.general.id) in path]
        assert len(looked) == 2  # the other one looks for answers that were left unfinished


async def test_a_channel_deleted_while_the_bot_was_away_takes_its_words_along(open_looking):
    """All that was said in it is gone."""
    async with open_looking() as stage:
        lounge = stage.world.guild.create_text_channel("lounge")
        await stage.env.settle()
        await stage.ask("my secret tea", channel=lounge)
        stage.env.backend.guilds[stage.world.guild.id].channel_ids.remove(lounge.id)
        del stage.env.backend.channels[lounge.id]
        await restart(stage)
        assert (await stored(stage)).redacted


async def test_a_channel_that_is_closed_to_the_bot_is_left_alone(open_looking):
    """What cannot be seen is not taken for deleted."""
    async with open_looking() as stage:
        await stage.ask("Which wood?")
        stage.env.inject_error("GET", f"/channels/{stage.world.general.id}/messages", status=403, code=50001)
        await restart(stage)
        assert not (await stored(stage)).redacted


@pytest.mark.parametrize("status", [500, 503])
async def test_a_discord_that_fails_meanwhile_costs_nothing(open_looking, status):
    """The next start looks again."""
    async with open_looking() as stage:
        question = await stage.ask("Which wood?")
        vanish(stage, question)
        stage.env.inject_error("GET", f"/channels/{stage.world.general.id}/messages", status=status)
        await restart(stage)
        assert not (await stored(stage)).redacted
        await restart(stage)
        assert (await stored(stage)).redacted


async def test_a_server_that_the_bot_left_is_left_alone(open_looking):
    """Its channels are unknown to the bot, not deleted."""
    async with open_looking() as stage:
        await stage.ask("Which wood?")
        await stage.app.store.call(lambda store: store._db.execute("update replies set guild_id = 77"))
        stage.env.backend.messages[stage.world.general.id].clear()
        await restart(stage)
        assert not (await stored(stage)).redacted


async def test_looking_back_can_be_switched_off(open_looking):
    """As it is for a simulated server, which is new each time."""
    async with open_looking(look_back=False) as stage:
        vanish(stage, await stage.ask("Which wood?"))
        await restart(stage)
        assert not (await stored(stage)).redacted


# --- while the bot runs ---


async def test_a_deleted_channel_takes_its_words_along(stage):
    """At once, and from the cards."""
    lounge = stage.world.guild.create_text_channel("lounge")
    await stage.env.settle()
    await stage.ask("my secret tea", channel=lounge)
    await stage.ask("Which wood?")
    stage.env.backend.delete_channel(lounge.id)
    await stage.env.settle()
    assert [(await stored(stage, number)).redacted for number in (1, 2)] == [True, False]
    assert "tea" not in stage.world.review.history()[0].embeds[0].description


async def test_a_deleted_channel_takes_its_threads_along(stage):
    """Discord tells of the channel only."""
    lounge = stage.world.guild.create_text_channel("lounge")
    await stage.env.settle()
    channel = stage.app.client.get_channel(lounge.id)
    await channel.create_thread(name="glue", type=discord.ChannelType.public_thread)
    (thread,) = lounge.threads
    await stage.ada.send(thread, f"{stage.me} my secret tea")
    await channel.delete()
    await stage.env.settle()
    assert (await stored(stage)).redacted


async def test_a_deleted_channel_takes_its_archived_threads_along(stage):
    """Of those the client knows nothing, and Discord tells of none: the store knows whose they were."""
    lounge = stage.world.guild.create_text_channel("lounge")
    channel = stage.app.client.get_channel(lounge.id)
    await channel.create_thread(name="glue", type=discord.ChannelType.public_thread)
    (thread,) = lounge.threads
    await stage.ada.send(thread, f"{stage.me} my secret tea")
    await stage.ada.send(stage.world.general, f"{stage.me} my coffee")
    await channel.get_thread(thread.id).edit(archived=True)
    channel.guild._threads.pop(thread.id, None)  # as after a start: only threads that are not archived are told of
    await channel.delete()
    await stage.env.settle()
    assert (await stored(stage)).text == REDACTED
    assert not (await stored(stage, 2)).redacted


async def test_threads_of_which_an_earlier_version_kept_no_channel_are_asked_for(stage):
    """What Discord no longer finds is taken out; what the bot may not see is not known to be gone."""
    lounge = stage.world.guild.create_text_channel("lounge")
    await stage.ask("my secret tea")
    await stage.ask("my coffee", channel=lounge)
    await stage.app.store.call(lambda store: store._db.execute("update replies set channel_id = 77 where id = 1") and 0)
    await stage.app.client.get_channel(lounge.id).delete()
    await stage.env.settle()
    assert (await stored(stage)).text == REDACTED


async def test_a_deleted_thread_takes_its_words_along(stage):
    """Its channel keeps its own."""
    channel = stage.app.client.get_channel(stage.world.general.id)
    await channel.create_thread(name="glue", type=discord.ChannelType.public_thread)
    (thread,) = stage.world.general.threads
    await stage.ada.send(thread, f"{stage.me} my secret tea")
    await stage.ask("Which wood?")
    await channel.get_thread(thread.id).delete()
    await stage.env.settle()
    assert [(await stored(stage, number)).redacted for number in (1, 2)] == [True, False]
    assert stage.world.general.last_message.content != texts.FAILED
