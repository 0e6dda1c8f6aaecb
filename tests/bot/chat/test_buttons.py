"""The buttons below an answer, and what is shown while one waits: Stop, Regenerate, Continue, the queue place."""

from __future__ import annotations

import asyncio

import pytest

from bot.chat.buttons import while_growing
from bot.i18n.en import texts
from storage.store import Store


async def until(condition):
    """Let the bot run until a condition holds."""
    async with asyncio.timeout(8):
        while not condition():  # noqa: ASYNC110  (nothing tells when Discord shows something)
            await asyncio.sleep(0.001)


def labels(message):
    return [item.label for row in message.components for item in row.children]


async def grow(stage):
    """Start an answer that stops at its first token; returns the message."""
    stage.engine.say("first second third")
    stage.engine.pause_after = 1
    stage.env.backend.create_message(stage.world.general.id, stage.ada.id, f"{stage.me} Go on")
    await until(lambda: len(stage.world.general.history()) == 2)
    return stage.world.general.last_message


@pytest.fixture
def growing(stage):
    """Starts an answer on the usual stage."""
    return lambda: grow(stage)


async def stop(stage, who, message):
    """Press Stop while the answer is under way, and let the others continue."""
    result = await who.click(message, label=texts.STOP)
    stage.engine.pause_after = None
    stage.engine.open.set()
    await stage.env.settle()
    return result


async def test_the_asker_can_stop_an_answer(stage, growing):
    """The text so far stays and can be continued."""
    message = await growing()
    assert labels(message) == [texts.STOP]
    await stop(stage, stage.ada, message)
    shown = stage.world.general.last_message
    assert shown.content == "first"
    assert labels(shown) == [texts.AGAIN, texts.MORE]
    assert (await stage.reply(shown)).finish_reason == "cancelled"
    assert stage.engine.active == 0


async def test_a_moderator_can_stop_an_answer(stage, growing):
    """Somebody must be able to."""
    await stop(stage, stage.world.moderator, await growing())
    assert stage.world.general.last_message.content == "first"


async def test_nobody_else_can_stop_an_answer(open_stage):
    """They are told so privately, and it continues."""
    async with open_stage(settle_timeout=2.0) as stage:
        result = await stop(stage, stage.ben, await grow(stage))
        assert result.ephemeral
        assert result.response.content == texts.NOT_YOURS
        assert stage.world.general.last_message.content == "first second third"


async def test_a_stop_button_that_outlived_its_answer_says_so(stage):
    """After a crash nothing is left to be stopped."""
    channel = stage.app.client.get_channel(stage.world.general.id)
    message = await channel.send("Half an", view=while_growing(1))
    result = await stage.ada.click(message, label=texts.STOP)
    assert result.response.content == texts.NOT_WRITING


async def test_a_finished_answer_offers_another(stage):
    """One that ended by itself has nothing more to say."""
    assert labels(await stage.ask("Which wood?")) == [texts.AGAIN]


async def test_another_greedy_answer_is_drawn_freely(open_stage, settings):
    """With temperature 0 it would be the same again."""
    generation = {"max_new_tokens": 100, "temperature": 0.0}
    async with open_stage(base=type(settings)(**{**settings.model_dump(), "generation": generation})) as stage:
        await stage.ada.click(await stage.ask("Which wood?"), label=texts.AGAIN)
        assert stage.engine.samplings[0].temperature == 0
        assert stage.engine.samplings[1].temperature > 0


async def test_only_the_asker_or_a_moderator_gets_another(stage):
    """Others ask themselves."""
    stage.engine.say("Oak.", "Ash.", "Elm.")
    answer = await stage.ask("Which wood?")
    result = await stage.ben.click(answer, label=texts.AGAIN)
    assert result.response.content == texts.NOT_YOURS
    await stage.world.moderator.click(answer, label=texts.AGAIN)
    assert stage.world.general.last_message.content == "Ash."
    await stage.ada.click(stage.world.general.last_message, label=texts.AGAIN)  # it is still Ada's question
    assert stage.world.general.last_message.content == "Elm."


async def test_an_answer_whose_words_were_taken_out_cannot_be_repeated(stage):
    """What was deleted is not generated from."""
    first = await stage.ask("Which wood?")
    await stage.app.store.call(Store.redact_messages, [first.id])
    result = await stage.ada.click(first, label=texts.AGAIN)
    assert result.response.content == texts.ANSWER_GONE


async def test_a_failed_answer_carries_no_buttons(stage):
    """There is nothing stored to be repeated."""
    stage.engine.say("")
    assert labels(await stage.ask("Speak!")) == []


async def test_whoever_waits_longer_than_three_seconds_is_told_their_place(open_stage):
    """And the answer replaces the notice."""
    async with open_stage(settle_timeout=2.0) as stage:
        stage.engine.open.clear()
        stage.engine.place = 4
        await stage.ask("Which wood?")
        assert len(stage.world.general.history()) == 1
        await stage.env.advance_time(3)
        notice = stage.world.general.last_message
        assert notice.content == texts.queue_place(4)
        assert labels(notice) == [texts.STOP]
        stage.engine.open.set()
        await stage.env.settle()
        assert [one.content for one in stage.world.general.history()[1:]] == ["You said: Which wood?"]


async def test_a_question_deleted_while_it_waits_takes_its_notice_along(open_stage):
    """Nothing is left of it."""
    async with open_stage(settle_timeout=2.0) as stage:
        stage.engine.open.clear()
        stage.engine.place = 4
        await stage.ask("Which wood?")
        await stage.env.advance_time(3)
        question, _ = stage.world.general.history()
        await stage.ada.delete(question)
        assert stage.world.general.history() == []
        assert stage.engine.active == 0


async def test_a_bot_that_goes_away_says_so_where_it_was_writing(stage, growing):
    """No half answer is left with a button that does nothing."""
    message = await growing()
    await stage.app.client.answering.close()
    left = stage.world.general.last_message
    assert left.id == message.id
    assert left.content == f"first\n{texts.CLOSING}"
    assert labels(left) == []


async def test_links_in_answers_unfold_to_nothing(stage):
    """An answer is its words."""
    answer = await stage.ask("Where?")
    assert answer.flags.suppress_embeds


async def test_invitations_and_calls_to_everybody_lose_their_effect(stage):
    """On Discord; what is stored is what was generated."""
    stage.engine.say("@everyone join https://discord.gg/abc")
    answer = await stage.ask("Call them")
    assert answer.content == "@\u200beveryone join https://discord[.]gg/abc"
    assert (await stage.reply(answer)).text == "@everyone join https://discord.gg/abc"


async def test_a_send_that_is_tried_again_is_not_posted_twice(stage):
    """Each message of an answer carries a number that Discord knows again."""
    await stage.ask("Which wood?")
    (sent,) = [e for e in stage.env.http_requests if e.method == "POST" and e.path.endswith("/messages")][:1]
    question = stage.world.general.history()[0]
    assert (sent.json["nonce"], sent.json["enforce_nonce"]) == (f"{question.id}-1", True)
