"""Regenerate and Continue: the answer is replaced, or grows, in its own message."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.chat import buttons as controls
from bot.i18n.en import moderation as words
from bot.i18n.en import texts
from bot.simulation.server import post
from model.chat import Message
from model.errors import QueueFull
from storage.store import Store
from tests.bot.chat.test_buttons import labels, until
from tests.fake_engine import Endless, Fail

STORY = [Message("user", "Tell me a story"), Message("assistant", "Once upon a")]


async def shown(stage):
    """What stands in #general below the question."""
    return [(one.content, labels(one)) for one in stage.world.general.history()[1:]]


async def begun(stage, *rest):
    """An answer that broke off; `rest` is what the model says next. Gives its message."""
    stage.engine.say(Endless("Once upon a"), *rest)
    return await stage.ask("Tell me a story")


async def pairs(stage):
    return await stage.app.store.call(lambda store: [(one.turns[-1].content, one.completion) for one in store.pairs()])


# --- another answer ---


async def test_another_answer_takes_the_place_of_the_first(stage):
    """In the same message, drawn from the same conversation; both are stored, and the newer one is shown."""
    stage.engine.say("Oak.", "Ash.")
    message = await stage.ask("Which wood?")
    first = await stage.reply(message)
    await stage.ada.click(message, label=texts.AGAIN)
    assert await shown(stage) == [("Ash.", [texts.AGAIN])]
    assert stage.world.general.last_message.id == message.id
    assert stage.engine.seen[0] == stage.engine.seen[1]
    second = await stage.reply(message)
    assert second.text == "Ash."
    assert (await stage.app.store.call(Store.reply, first.id)).text == "Oak."
    assert (first.turns, first.conversation, first.asker_id) == (second.turns, second.conversation, second.asker_id)


async def test_both_answers_can_be_reviewed(stage):
    """Each has its card; the first one's says which answer replaced it."""
    stage.engine.say("Oak.", "Ash.")
    message = await stage.ask("Which wood?")
    await stage.ada.click(message, label=texts.AGAIN)
    old, new = stage.world.review.history()
    assert words.replaced_by(2) in old.embeds[0].footer.text
    assert words.replaced_by(2) not in new.embeds[0].footer.text
    await stage.world.moderator.click(old, label="Reject")
    await stage.world.moderator.click(new, label="Approve")
    assert await pairs(stage) == [("Which wood?", "Ash.")]
    assert stage.world.general.last_message.content == "Ash."


async def test_the_message_commands_mean_the_answer_that_stands_there(stage):
    """A moderator judges what can be read."""
    stage.engine.say("Oak.", "Ash.")
    message = await stage.ask("Which wood?")
    await stage.ada.click(message, label=texts.AGAIN)
    await stage.world.moderator.context_menu(stage.world.general, "Approve", stage.world.general.last_message)
    assert await pairs(stage) == [("Which wood?", "Ash.")]


async def test_deleting_the_message_takes_out_every_answer_that_stood_there(stage):
    """Also the ones that were replaced."""
    stage.engine.say("Oak.", "Ash.")
    message = await stage.ask("Which wood?")
    await stage.ada.click(message, label=texts.AGAIN)
    await stage.app.client.get_channel(message.channel.id).get_partial_message(message.id).delete()
    await stage.env.settle()
    stored = [await stage.app.store.call(Store.reply, number) for number in (1, 2)]
    assert [one.redacted for one in stored] == [True, True]


async def test_buttons_survive_a_restart(stage):
    """All they need is in the store."""
    stage.engine.say("Oak.", "Ash.")
    first = await stage.ask("Which wood?")
    await stage.env.restart_bot(stage.app.new_client())
    await stage.ada.click(first, label=texts.AGAIN)
    assert await shown(stage) == [("Ash.", [texts.AGAIN])]


@pytest.mark.parametrize(
    ("failure", "sentence"), [(Fail(after=2), texts.FAILED), (Fail(), texts.FAILED), ("", texts.SILENT)]
)
async def test_where_there_is_no_other_answer_the_first_stands_again(stage, failure, sentence):
    """Only the member who asked for it is told why."""
    stage.engine.say("Oak.", failure)
    message = await stage.ask("Which wood?")
    result = await stage.ada.click(message, label=texts.AGAIN)
    assert await shown(stage) == [("Oak.", [texts.AGAIN])]
    assert [one.content for one in result.followups] == [sentence]
    assert (await stage.reply(message)).text == "Oak."


async def test_a_full_queue_leaves_the_answer_alone(stage):
    """And says so at once."""
    message = await stage.ask("Which wood?")
    stage.engine.refuse = QueueFull(64)
    result = await stage.ada.click(message, label=texts.AGAIN)
    assert [one.content for one in result.followups] == [texts.BUSY]
    assert labels(stage.world.general.last_message) == [texts.AGAIN]


async def test_stopped_before_its_first_word_another_answer_changes_nothing(open_stage):
    """The first stands there all the time, with a button to stop below it."""
    async with open_stage(settle_timeout=2.0) as stage:
        stage.engine.say("Oak.", "Ash.")
        message = await stage.ask("Which wood?")
        stage.engine.open.clear()
        await stage.ada.click(message, label=texts.AGAIN)
        assert await shown(stage) == [("Oak.", [texts.STOP])]
        await stage.ada.click(stage.world.general.last_message, label=texts.STOP)
        assert await shown(stage) == [("Oak.", [texts.AGAIN])]


async def test_two_at_once_do_not_write_into_one_message(open_stage):
    """The asker and a moderator may press at the same moment."""
    async with open_stage(settle_timeout=2.0) as stage:
        stage.engine.say("Oak.", "Ash.", "Elm.")
        message = await stage.ask("Which wood?")
        stage.engine.open.clear()
        await stage.ada.click(message, label=texts.AGAIN)
        late = stage.app.client.get_channel(message.channel.id).get_partial_message(message.id)
        await late.edit(view=controls.after("stop"))  # as the moderator still sees it
        result = await stage.world.moderator.click(message, label=texts.AGAIN)
        assert result.response.content == texts.ALREADY
        stage.engine.open.set()
        await stage.env.settle()
        assert await shown(stage) == [("Ash.", [texts.AGAIN])]


async def test_who_waits_long_for_another_is_told_their_place_once(open_stage):
    """Privately: the existing answer is not replaced by a notice."""
    async with open_stage(settle_timeout=2.0) as stage:
        stage.engine.say("Oak.", "Ash.")
        message = await stage.ask("Which wood?")
        stage.engine.open.clear()
        stage.engine.place = 4
        result = await stage.ada.click(message, label=texts.AGAIN)
        await stage.env.advance_time(10)
        assert [one.content for one in result.followups] == [texts.queue_place(4)]
        assert await shown(stage) == [("Oak.", [texts.STOP])]
        stage.engine.open.set()
        await stage.env.settle()
        assert await shown(stage) == [("Ash.", [texts.AGAIN])]


async def test_a_question_deleted_meanwhile_is_not_answered_again(open_stage):
    """Its words are gone from the store, and so from what the model is shown."""
    async with open_stage(settle_timeout=2.0) as stage:
        message = await stage.ask("Which wood?")
        stage.engine.open.clear()
        result = await stage.ada.click(message, label=texts.AGAIN)
        await stage.ada.delete(stage.world.general.history()[0])
        stage.engine.open.set()
        await stage.env.settle()
        assert [one.content for one in result.followups] == [texts.NOTICE + texts.ANSWER_GONE]


async def test_a_shorter_answer_leaves_nothing_of_a_longer_one(stage):
    """The last part carries the buttons; the messages that are no longer needed go."""
    stage.engine.say("\n\n".join(f"Paragraph {number}. " + "word " * 80 for number in range(8)).strip(), "Short.")
    await stage.ask("Tell me everything")
    one, two = await shown(stage)
    assert (one[1], two[1]) == ([], [texts.AGAIN])
    await stage.ada.click(stage.world.general.last_message, label=texts.AGAIN)
    assert await shown(stage) == [("Short.", [texts.AGAIN])]


async def test_the_question_above_an_answer_to_ask_stays(stage):
    """Nobody would know otherwise what is answered."""
    stage.engine.say("Oak.", "Ash.")
    await stage.ada.slash(stage.world.general, "ask", question="Which wood?")
    message = stage.world.general.last_message
    await stage.ada.click(message, label=texts.AGAIN)
    assert stage.world.general.last_message.content == texts.asked("Which wood?") + "Ash."
    assert (await stage.reply(message)).text == "Ash."


async def test_an_answer_that_begins_with_a_quotation_is_replaced_whole(stage):
    """Only an answer to /ask has its question above it."""
    stage.engine.say("> Measure twice.\nSo they say.", "Ash.")
    await stage.ada.click(await stage.ask("Which wood?"), label=texts.AGAIN)
    assert await shown(stage) == [("Ash.", [texts.AGAIN])]


async def test_the_line_on_how_learning_works_stays(open_stage, settings):
    """It is said once to each, so it must not go with the first answer."""
    introducing = settings.model_copy(update={"privacy": replace(settings.privacy, introduce=True)})
    async with open_stage(base=introducing) as stage:
        stage.engine.say("Oak.", "Ash.")
        await stage.ada.click(await stage.ask("Which wood?"), label=texts.AGAIN)
        assert stage.world.general.last_message.content == "Ash." + texts.introduction(False)


async def test_another_answer_in_a_held_channel_waits_for_moderators(stage):
    """The channel was set to hold since the first."""
    stage.engine.say("Oak.", "Ash.")
    message = await stage.ask("Which wood?")
    await stage.world.moderator.slash(stage.world.general, "hold", on=True)
    await stage.ada.click(message, label=texts.AGAIN)
    assert await shown(stage) == [(words.HELD_NOTICE, [])]
    old, new = [one for one in stage.world.review.history() if one.embeds[0].author.name]
    await stage.world.moderator.click(old, label="Approve")
    assert await shown(stage) == [(words.HELD_NOTICE, [])]
    await stage.world.moderator.click(new, label="Approve")
    assert await shown(stage) == [("Ash.", [])]


# --- going on ---


async def test_an_answer_that_was_cut_off_goes_on_in_its_message(stage):
    """As one answer, by one reply: no turn is put into the asker's mouth."""
    message = await begun(stage, " time.")
    assert labels(message) == [texts.AGAIN, texts.MORE]
    await stage.ada.click(message, label=texts.MORE)
    assert await shown(stage) == [("Once upon a time.", [texts.AGAIN])]
    assert stage.engine.seen[-1] == STORY
    reply = await stage.reply(message)
    assert (reply.id, reply.text, reply.finish_reason) == (1, "Once upon a time.", "stop")
    assert [turn.content for turn in reply.turns] == ["Tell me a story"]


async def test_what_is_learned_is_the_question_and_the_whole_answer(stage):
    """One card, which shows the whole; one pair."""
    message = await begun(stage, Endless(" time there"), " was an owl.")
    await stage.ada.click(message, label=texts.MORE)
    await stage.ada.click(stage.world.general.last_message, label=texts.MORE)
    assert len(stage.world.review.history()) == 1
    assert "Once upon a time there was an owl." in stage.card.embeds[0].description
    await stage.world.moderator.click(stage.card, label="Approve")
    assert await pairs(stage) == [("Tell me a story", "Once upon a time there was an owl.")]


async def test_what_was_judged_stays_as_it_was_judged(stage):
    """The whole is then a reply of its own, with a card of its own."""
    message = await begun(stage, " time.")
    await stage.world.moderator.click(stage.card, label="Approve")
    await stage.ada.click(message, label=texts.MORE)
    assert await pairs(stage) == [("Tell me a story", "Once upon a")]
    assert "Once upon a time." in stage.card.embeds[0].description
    assert (await stage.reply(message)).id == 2


async def test_an_answer_that_two_adapters_wrote_is_a_reply_of_its_own(stage):
    """One reply has one adapter."""
    message = await begun(stage, " time.")
    stage.engine.adapter = "v2"
    await stage.ada.click(message, label=texts.MORE)
    replies = [await stage.app.store.call(Store.reply, number) for number in (1, 2)]
    assert [(one.text, one.adapter) for one in replies] == [("Once upon a", None), ("Once upon a time.", "v2")]


async def test_going_on_past_the_end_of_a_message_takes_another(stage):
    """The existing text does not move."""
    stage.engine.say(Endless("word " * 390 + "word"), " word" * 200)
    await stage.ask("Everything")
    ((before, _),) = await shown(stage)
    await stage.ada.click(stage.world.general.last_message, label=texts.MORE)
    (first, none), (second, below) = await shown(stage)
    assert first.startswith(before)
    assert f"{first} {second}".split() == ["word"] * 591
    assert (none, below) == ([], [texts.AGAIN])


async def test_an_answer_with_nothing_more_to_say_was_complete(stage):
    """Then it can no longer be continued."""
    message = await begun(stage, "")
    await stage.ada.click(message, label=texts.MORE)
    assert await shown(stage) == [("Once upon a", [texts.AGAIN])]
    assert (await stage.reply(message)).finish_reason == "stop"


async def test_going_on_that_fails_loses_nothing(stage):
    """It can be tried again."""
    message = await begun(stage, Fail(after=2), " time.")
    result = await stage.ada.click(message, label=texts.MORE)
    assert [one.content for one in result.followups] == [texts.FAILED]
    assert await shown(stage) == [("Once upon a", [texts.AGAIN, texts.MORE])]
    await stage.ada.click(stage.world.general.last_message, label=texts.MORE)
    assert await shown(stage) == [("Once upon a time.", [texts.AGAIN])]


async def test_going_on_can_be_stopped(open_stage):
    """What was said until then stays, and can be continued."""
    async with open_stage(settle_timeout=2.0) as stage:
        message = await begun(stage, " time there was")
        stage.engine.pause_after = 1
        await stage.ada.click(message, label=texts.MORE)
        await stage.ada.click(stage.world.general.last_message, label=texts.STOP)
        assert await shown(stage) == [("Once upon a time", [texts.AGAIN, texts.MORE])]
        assert (await stage.reply(message)).text == "Once upon a time"


async def test_how_sure_the_whole_answer_is_comes_from_both_parts(stage):
    """Each by its length."""
    stage.engine.confidence = 0.9
    message = await begun(stage, " time, twelve")
    stage.engine.confidence = 0.5
    await stage.ada.click(message, label=texts.MORE)
    assert (await stage.reply(message)).confidence == pytest.approx((0.9 * 11 + 0.5 * 13) / 24)


async def test_a_reply_to_an_answer_that_went_on_reads_the_whole(stage):
    """One message, one turn."""
    message = await begun(stage, " time.")
    await stage.ada.click(message, label=texts.MORE)
    await stage.ask("And then?", reply_to=stage.world.general.last_message)
    assert stage.engine.seen[-1] == [STORY[0], Message("assistant", "Once upon a time."), Message("user", "And then?")]


async def test_others_who_ask_meanwhile_are_not_shown_the_half_written(open_stage):
    """A message that is being rewritten is passed over."""
    async with open_stage(settle_timeout=2.0) as stage:
        message = await begun(stage, " time.")
        stage.engine.open.clear()
        await stage.ada.click(message, label=texts.MORE)
        post(stage.world, stage.ben, f"{stage.me} What is this?")
        await until(lambda: len(stage.engine.seen) == 3)
        stage.engine.open.set()
        await stage.env.settle()
        assert all("Once upon" not in one.content for one in stage.engine.seen[-1])
