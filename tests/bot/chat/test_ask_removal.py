"""What a member asked by /ask stands in the bot's message, and goes when they say so."""

from __future__ import annotations

import asyncio

import pytest

from bot.i18n.en import moderation as words
from bot.i18n.en import texts
from storage.store import Store
from tests.bot.privacy.test_commands import bytes_of, forget, forget_at_once
from tests.bot.review.test_held_answers import hold
from tests.bot.review.test_service import labels
from tests.fake_engine import Endless, Fail

QUESTION = "where is my secret tea?"


async def ask(stage, *said, channel=None):
    """Ada asks by /ask; returns the messages of the answer."""
    channel = channel or stage.world.general
    stage.engine.say(*said or ("On the shelf.",))
    before = {one.id for one in channel.history()}
    await stage.ada.slash(channel, "ask", question=QUESTION)
    return [one for one in channel.history() if one.id not in before]


async def test_forgetting_takes_the_bot_s_message_away(stage):
    """Members delete their own messages; this one they could not."""
    await ask(stage)
    await stage.ask("an ordinary question")
    await forget(stage, stage.ada)
    left = [one.content for one in stage.world.general.history()]
    assert not any("secret" in one for one in left)
    assert left[-1].startswith("You said: ")
    assert await stage.app.store.call(Store.due_posts) == []


async def test_forgetting_takes_every_part_of_a_long_answer_away(stage):
    """The further messages may quote the question, too."""
    parts = await ask(stage, "my secret tea is here. " * 150)
    assert len(parts) > 1
    await forget(stage, stage.ada)
    assert stage.world.general.history() == []


async def test_who_asked_can_delete_question_and_answer(stage):
    """In the channel, in the store and on the card; nobody else but a moderator can."""
    (answer,) = await ask(stage)
    assert labels(answer) == [texts.AGAIN, texts.DELETE]
    refused = await stage.ben.click(answer, label=texts.DELETE)
    assert refused.response.content == texts.NOT_YOURS
    await stage.ada.click(answer, label=texts.DELETE)
    assert stage.world.general.history() == []
    assert b"secret" not in bytes_of(stage)
    assert stage.card.embeds[0].title == texts.REMOVED


async def test_a_long_answer_is_deleted_by_the_button_below_its_last_part(stage):
    """All of it."""
    *_, last = await ask(stage, Endless("my secret tea is here. " * 150))
    assert labels(last) == [texts.AGAIN, texts.MORE, texts.DELETE]
    await stage.ada.click(last, label=texts.DELETE)
    assert stage.world.general.history() == []
    assert b"secret" not in bytes_of(stage)


async def test_the_button_outlives_a_restart_and_what_the_store_forgot(stage):
    """Discord says whose question it was."""
    (answer,) = await ask(stage)
    await stage.app.store.call(lambda store: store._db.execute("delete from replies") and None)
    await stage.env.restart_bot(stage.app.new_client())
    await stage.ada.click(answer, label=texts.DELETE)
    assert stage.world.general.history() == []


async def test_another_answer_keeps_the_button(stage):
    """The question stands above it still."""
    (answer,) = await ask(stage)
    stage.engine.say("Under the shelf.")
    await stage.ada.click(answer, label=texts.AGAIN)
    (answer,) = stage.world.general.history()
    assert labels(answer) == [texts.AGAIN, texts.DELETE]
    await stage.ada.click(answer, label=texts.DELETE)
    assert b"secret" not in bytes_of(stage)


async def test_a_held_answer_can_be_deleted_too(stage):
    """Before a moderator has seen it, and after."""
    await hold(stage)
    (notice,) = await ask(stage)
    assert labels(notice) == [texts.DELETE]
    await stage.world.moderator.click(stage.card, label=texts.APPROVE)
    await stage.ada.click(stage.world.general.last_message, label=texts.DELETE)
    assert stage.world.general.history() == []
    assert b"secret" not in bytes_of(stage)
    assert words.HELD_NOTICE not in str(stage.card.embeds[0].to_dict())


async def test_an_answer_that_failed_half_way_can_be_deleted(stage):
    """Its question stands there all the same."""
    (answer,) = await ask(stage, Fail(after=2))
    assert labels(answer) == [texts.DELETE]
    await stage.ada.click(answer, label=texts.DELETE)
    assert stage.world.general.history() == []


async def test_an_answer_that_is_written_while_its_asker_is_forgotten_goes_too(stage):
    """It is stored without words, so that nobody would find it later."""
    stage.engine.say("On the shelf.")
    stage.engine.open.clear()
    asking = asyncio.ensure_future(stage.ada.slash(stage.world.general, "ask", question=QUESTION))
    await stage.engine.asked.wait()
    await forget_at_once(stage, stage.ada)
    stage.engine.open.set()
    await asking
    await stage.env.settle()
    assert "secret" not in str([one.content for one in stage.world.general.history()])
    assert b"secret" not in bytes_of(stage)


async def test_ordinary_answers_have_no_such_button(stage):
    """They hold none of the member's words."""
    assert labels(await stage.ask("Which wood?")) == [texts.AGAIN]


@pytest.mark.parametrize("act", ["forget", "delete"])
async def test_it_works_in_direct_messages(stage, act):
    """There is no server to look in."""
    stage.engine.say("On the shelf.")
    result = await stage.ada.user.slash("ask", question=QUESTION)
    message = result.response
    if act == "delete":
        await stage.ada.user.click(message, label=texts.DELETE)
    else:
        asked = await stage.ada.user.slash("privacy forget")
        await stage.ada.user.click(asked.response.message, label=texts.FORGET_YES)
    assert b"secret" not in bytes_of(stage)
    assert await stage.app.store.call(Store.due_posts) == []
