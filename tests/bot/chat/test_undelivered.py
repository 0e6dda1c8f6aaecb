"""What follows from a verdict, and answers that Discord refuses to show: nothing is lost in silence."""

from __future__ import annotations

import discord
import pytest

from bot.i18n.en import moderation as words
from bot.i18n.en import texts, waiting
from storage.store import Store
from tests.bot.chat.test_buttons import labels

DRAFT = "Sand it first, then oil it."
MESSAGES = "/channels/*/messages/*"


async def held_answer(stage, channel=None):
    """A question in a held channel; returns the message that stands for the answer."""
    channel = channel or stage.world.general
    await stage.world.moderator.slash(channel, "hold", on=True)
    stage.engine.say(DRAFT)
    return await stage.ask("Sticky oil?", channel=channel)


async def round_(stage):
    """What the bot does again and again, now."""
    outbox = stage.app.client.outbox
    outbox._next = {row: (0.0, pause) for row, (_, pause) in outbox._next.items()}  # all is due
    await stage.app.client._loops.show_the_rest()
    await stage.env.settle()


async def left(stage):
    return [one.kind for one in await stage.app.store.call(lambda store: store.outbox.waiting(10))]


def thread_of(stage):
    return stage.world.general.threads[0]


async def test_an_approved_answer_is_shown_in_a_thread_that_was_archived_meanwhile(stage):
    """It is opened again."""
    general = stage.app.client.get_channel(stage.world.general.id)
    thread = await general.create_thread(name="oil", type=discord.ChannelType.public_thread)
    answer = await held_answer(stage, thread_of(stage))
    assert answer.content == words.HELD_NOTICE
    await thread.edit(archived=True)
    await stage.world.moderator.click(stage.card, label="Approve")
    assert thread_of(stage).last_message.content == DRAFT
    assert await left(stage) == []


async def test_an_approved_answer_is_shown_in_a_stage_channel(stage):
    """Whatever the kind of channel."""
    channel = stage.world.guild.create_stage_channel("talk")
    await held_answer(stage, channel)
    await stage.world.moderator.click(stage.card, label="Approve")
    assert channel.last_message.content == DRAFT


async def test_an_approved_answer_is_shown_where_the_history_cannot_be_read(stage):
    """Editing its own message takes no permission to read others'."""
    await held_answer(stage)
    stage.env.inject_error("GET", f"/channels/{stage.world.general.id}/messages/*", status=403, code=50013, times=None)
    await stage.world.moderator.click(stage.card, label="Approve")
    assert stage.world.general.last_message.content == DRAFT
    assert len(stage.world.general.history()) == 2


async def test_what_could_not_be_shown_is_on_the_card_and_can_be_tried_again(stage):
    """The moderator is told too; the verdict is kept."""
    await held_answer(stage)
    stage.env.inject_error(
        "*", MESSAGES.replace("*", str(stage.world.general.id), 1), status=403, code=50013, times=None
    )
    stage.env.inject_error("POST", f"/channels/{stage.world.general.id}/messages", status=403, code=50013, times=None)
    result = await stage.world.moderator.click(stage.card, label="Approve")
    assert [one.content for one in result.followups] == [words.not_shown("forbidden")]
    assert words.NOT_SHOWN["forbidden"] in [field.value for field in stage.card.embeds[0].fields]
    assert labels(stage.card)[:2] == [words.SHOW_AGAIN, words.UNDO]
    assert stage.world.general.last_message.content == words.HELD_NOTICE
    stage.env.backend.faults.clear()
    result = await stage.world.moderator.click(stage.card, label=words.SHOW_AGAIN)
    assert result.response.content == words.SHOWN_NOW
    assert stage.world.general.last_message.content == DRAFT
    assert [field.name for field in stage.card.embeds[0].fields] == [waiting.CARD_TITLE]
    assert labels(stage.card)[0] == words.UNDO


async def test_what_could_not_be_shown_is_tried_again_by_itself(stage):
    """Until Discord shows it."""
    await held_answer(stage)
    stage.env.inject_error("PATCH", MESSAGES, status=403, code=50013, times=None)
    stage.env.inject_error("POST", "/channels/*/messages", status=403, code=50013, times=None)
    await stage.world.moderator.click(stage.card, label="Approve")
    await round_(stage)
    assert await left(stage) == ["verdict"]
    stage.env.backend.faults.clear()
    await round_(stage)
    assert stage.world.general.last_message.content == DRAFT
    assert [field.name for field in stage.card.embeds[0].fields] == [waiting.CARD_TITLE]
    assert await left(stage) == []


async def test_a_held_notice_that_cannot_be_edited_gives_way_to_the_answer(stage):
    """A message over an hour old takes few edits; the answer is posted anew."""
    answer = await held_answer(stage)
    stage.env.inject_error(
        "PATCH", f"/channels/{stage.world.general.id}/messages/*", status=429, code=30046, times=None
    )
    await stage.world.moderator.click(stage.card, label="Approve")
    assert stage.world.general.last_message.content == DRAFT
    assert [one.content for one in stage.world.general.history()[1:]] == [DRAFT]
    (reply,) = [await stage.reply(stage.world.general.last_message)]
    assert (reply.text, reply.redacted, reply.message_id == answer.id) == (DRAFT, False, False)


@pytest.mark.parametrize("code", [10062, 40060])
async def test_a_verdict_whose_answer_to_the_moderator_fails_is_carried_out(stage, code):
    """The three seconds were over, so Discord shows "interaction failed"; the card and the channel show the verdict."""
    await held_answer(stage)
    stage.env.inject_error("POST", "/interactions/*/callback", status=404 if code == 10062 else 400, code=code)
    await stage.world.moderator.click(stage.card, label="Approve")
    assert stage.world.general.last_message.content == DRAFT
    assert stage.card.embeds[0].title == words.ruling("approve", "Mo", None)


async def test_a_card_that_could_not_be_drawn_is_drawn_later(stage):
    """Neither by the moderator's click nor by itself; the verdict is not asked for again."""
    await stage.ask("Which wood?")
    stage.env.inject_error("POST", "/interactions/*/callback", status=404, code=10062)
    stage.env.inject_error("PATCH", f"/channels/{stage.world.review.id}/messages/*", status=403, code=50013, times=2)
    await stage.world.moderator.click(stage.card, label="Approve")
    assert await left(stage) == ["verdict"]
    assert stage.card.embeds[0].title == texts.PENDING
    await round_(stage)
    assert stage.card.embeds[0].title == words.ruling("approve", "Mo", None)
    assert await left(stage) == []


async def test_a_card_that_somebody_deleted_holds_nothing_up(stage):
    """The verdict is stored, and nothing is left to draw."""
    answer = await stage.ask("Which wood?")
    await stage.app.client.get_channel(stage.world.review.id).get_partial_message(stage.card.id).delete()
    await stage.env.settle()
    await stage.world.moderator.context_menu(stage.world.general, "Approve", answer)
    assert await left(stage) == []


@pytest.mark.parametrize("text", [None, "Wipe it off."])
async def test_a_verdict_that_was_only_stored_is_carried_out_after_a_restart(stage, text):
    """The process ended in between."""
    answer = await held_answer(stage)
    reply = await stage.reply(answer)
    verdict = "approve" if text is None else "edit"
    await stage.app.store.call(
        lambda store: store.judge(reply.id, verdict, reviewer="Mo", reviewer_id=7, edited_text=text)
    )
    assert await left(stage) == ["verdict"]
    await stage.env.restart_bot(stage.app.new_client())
    await stage.env.settle()
    assert stage.world.general.last_message.content == (text or DRAFT)
    assert stage.card.embeds[0].title == words.ruling(verdict, "Mo", None)
    assert await left(stage) == []


async def test_a_reply_without_a_card_gets_its_card(stage):
    """The process ended, or the channel was closed, before it was posted."""
    stage.env.inject_error("POST", f"/channels/{stage.world.review.id}/messages", status=403, code=50013, times=None)
    await stage.ask("Which wood?")
    assert stage.world.review.history() == []
    stage.env.backend.faults.clear()
    await stage.env.restart_bot(stage.app.new_client())
    await stage.env.settle()
    assert len(stage.world.review.history()) == 1
    assert stage.card.embeds[0].author.name == "Ada"
    await round_(stage)
    assert len(stage.world.review.history()) == 1


async def test_without_a_review_channel_a_held_answer_says_so_and_waits_for_one(stage):
    """It was deleted during hold: `/review` still has the held answer, and the card comes with the next channel."""
    await held_answer(stage)
    await stage.app.client.get_channel(stage.world.review.id).delete()
    await stage.env.settle()
    stage.engine.say(DRAFT)
    answer = await stage.ask("And wax?")
    assert answer.content == words.HELD_UNSEEN
    review = stage.world.guild.create_text_channel("review")
    await stage.env.settle()
    await round_(stage)
    assert DRAFT in review.last_message.embeds[0].description
    assert stage.world.general.last_message.content == words.HELD_NOTICE


async def test_with_a_review_channel_that_is_closed_to_the_bot_a_held_answer_says_so(stage):
    """And is posted once it was approved from the queue."""
    stage.env.inject_error("POST", f"/channels/{stage.world.review.id}/messages", status=403, code=50001, times=None)
    assert (await held_answer(stage)).content == words.HELD_UNSEEN
    page = (await stage.world.moderator.slash(stage.world.general, "review")).response
    await stage.world.moderator.click(page, label="Approve")
    assert stage.world.general.last_message.content == DRAFT


async def test_the_ask_command_answers_in_a_channel_that_the_bot_cannot_see(stage):
    """Its message is edited by the interaction's own right."""
    stage.env.inject_error("*", f"/channels/{stage.world.general.id}/*", status=403, code=50001, times=None)
    stage.engine.say("one two three")
    await stage.ada.slash(stage.world.general, "ask", question="Count")
    message = stage.world.general.last_message
    assert message.content == texts.asked("Count") + "one two three"
    assert labels(message) == [texts.AGAIN, texts.DELETE]
    assert (await stage.reply(message)).text == "one two three"
    assert await left(stage) == []


async def test_another_answer_to_an_old_message_keeps_its_buttons(stage):
    """The bot may edit it no longer; the interaction may."""
    stage.engine.say("Oak.", "Ash.")
    message = await stage.ask("Which wood?")
    stage.env.inject_error("PATCH", f"/channels/{stage.world.general.id}/*", status=429, code=30046, times=None)
    await stage.ada.click(message, label=texts.AGAIN)
    assert [(one.content, labels(one)) for one in stage.world.general.history()[1:]] == [("Ash.", [texts.AGAIN])]


async def test_an_answer_that_cannot_take_the_place_of_another_stands_below_it(stage):
    """The first has its words and its buttons again."""
    stage.engine.say("Oak.", "Ash.")
    message = await stage.ask("Which wood?")
    stage.env.inject_error("PATCH", f"/channels/{stage.world.general.id}/*", status=429, code=30046, times=None)
    stage.env.inject_error("PATCH", "/webhooks/*", status=404, code=10015, times=2)
    await stage.ada.click(message, label=texts.AGAIN)
    shown = [(one.content, labels(one)) for one in stage.world.general.history()[1:]]
    assert shown == [("Oak.", [texts.AGAIN]), ("Ash.", [texts.AGAIN])]
    replies = [await stage.app.store.call(Store.reply, number) for number in (1, 2)]
    assert [one.message_id == message.id for one in replies] == [True, False]
    assert [one.redacted for one in replies] == [False, False]


async def clean_up(stage):
    """As if the process that writes were gone."""
    client = stage.app.client
    await client.answering.unfinished.clean_up(client, set(), client.moderators.locale)
    await client.outbox.round()


async def test_a_command_that_nobody_answers_any_more_says_so(open_stage):
    """Discord would show that the bot thinks, and then that it did not respond."""
    async with open_stage(settle_timeout=2.0) as stage:
        stage.engine.open.clear()
        await stage.ada.slash(stage.world.general, "ask", question="Count")
        await clean_up(stage)
        assert stage.world.general.last_message.content == texts.INTERRUPTED


async def test_another_answer_that_nobody_writes_any_more_leaves_the_first(open_stage):
    """The store holds it, and so it stands there again, with its buttons."""
    async with open_stage(settle_timeout=2.0) as stage:
        stage.engine.say("Oak.", "Ash it is.")
        message = await stage.ask("Which wood?")
        stage.engine.pause_after = 1
        await stage.ada.click(message, label=texts.AGAIN)
        assert labels(stage.world.general.last_message) == [texts.STOP]
        await clean_up(stage)
        assert stage.world.general.last_message.content == "Oak."
        assert labels(stage.world.general.last_message) == [texts.AGAIN]


async def test_a_member_whose_question_cannot_be_admitted_reads_so(stage, monkeypatch):
    """The store could not be read; silence would be worse."""

    async def broken(*_args):
        raise OSError

    monkeypatch.setattr(stage.app.client.answering.rate_limits, "admit", broken)
    answer = await stage.ask("Which wood?")
    assert answer.content == texts.FAILED


async def test_another_answer_that_cannot_be_stored_stands_below_the_first(stage):
    """Whoever judges the first must read its own words where it stands."""
    stage.engine.say("Oak.", "Ash.")
    message = await stage.ask("Which wood?")
    await stage.app.store.call(lambda store: store._db.execute("pragma query_only = on"))
    await stage.ada.click(message, label=texts.AGAIN)
    shown = [(one.content, labels(one)) for one in stage.world.general.history()[1:]]
    assert shown == [("Oak.", [texts.AGAIN]), ("Ash." + texts.UNSTORED, [])]


async def test_an_answer_to_a_command_that_took_too_long_is_posted_by_itself(stage, monkeypatch):
    """The interaction's right ends after 15 minutes, as it may while Discord is away."""
    monkeypatch.setattr(discord.Interaction, "is_expired", lambda _self: True)
    stage.env.inject_error("PATCH", "/webhooks/*", status=404, code=10015, times=None)
    stage.engine.say("one two three")
    await stage.ada.slash(stage.world.general, "ask", question="Count")
    assert stage.world.general.last_message.content == texts.asked("Count") + "one two three"
    assert await left(stage) == []
