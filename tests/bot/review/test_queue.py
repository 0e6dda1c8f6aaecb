"""/review: one card after another, privately."""

from __future__ import annotations

import pytest

from bot.i18n.en import moderation as words
from bot.i18n.en import texts
from storage.store import Store
from tests.bot.review.test_service import labels, verdicts


async def ask_three(stage):
    return [await stage.ask(f"Question {number}?") for number in (1, 2, 3)]


async def review(stage, **options):
    """The queue as /review shows it, privately."""
    result = await stage.world.moderator.slash(stage.world.general, "review", **options)
    assert result.response.ephemeral
    return result.response


def shown(page) -> str:
    return page.embeds[0].description


@pytest.mark.parametrize(("order", "first"), [("newest", 3), ("oldest", 1)])
async def test_the_queue_shows_one_card_with_the_number_left(stage, order, first):
    """/review opens with the newest or oldest reply, who asked, and how many wait."""
    await ask_three(stage)
    page = await review(stage, order=order)
    assert f"Question {first}?" in shown(page)
    assert page.embeds[0].title == words.queue_title(3, order)
    assert page.embeds[0].author.name == "Ada"
    assert labels(page) == ["Approve", "Edit", "Reject", words.SKIP, texts.CARD_JUMP]


async def test_unsure_replies_come_first(stage):
    """A reply that broke off comes before one that did not, whichever is newer."""
    answers = await ask_three(stage)
    middle = await stage.reply(answers[1])
    await stage.app.store.call(
        lambda store: store._db.execute("update replies set finish_reason = 'length' where id = ?", [middle.id])
    )
    assert "Question 2?" in shown(await review(stage, order="unsure"))


async def test_of_finished_replies_the_one_that_the_model_was_least_sure_of_comes_first(stage):
    """By the mean probability of its words, which is stored with each reply; those not measured come last."""
    for number, confidence in enumerate((None, 0.9, 0.4), start=1):
        stage.engine.confidence = confidence
        await stage.ask(f"Question {number}?")
    page = await review(stage, order="unsure")
    assert "Question 3?" in shown(page)
    await stage.world.moderator.click(page, label=words.SKIP)
    assert "Question 2?" in shown(page)


async def test_a_verdict_leads_to_the_next_card(stage):
    """One click records the verdict, brings the card in the review channel in step, and shows the next."""
    answers = await ask_three(stage)
    page = await review(stage)
    await stage.world.moderator.click(page, label="Approve")
    assert "Question 2?" in shown(page)
    assert page.embeds[0].title == words.queue_title(2, "newest")
    assert await verdicts(stage, answers[2]) == [("approve", "Mo", None)]
    assert stage.card.embeds[0].title == texts.verdict_line("approve", "Mo")


async def test_edit_in_the_queue_opens_the_form_and_goes_on(stage):
    """The form holds the text; submitting it shows the next card."""
    answers = await ask_three(stage)
    page = await review(stage)
    form = await stage.world.moderator.click(page, label="Edit")
    await stage.world.moderator.submit_modal(form, {"answer": "Better."})
    assert await verdicts(stage, answers[2]) == [("edit", "Mo", "Better.")]
    assert "Question 2?" in shown(page)


async def test_a_reply_too_long_for_a_form_cannot_be_edited_in_the_queue(stage):
    """The moderator is told so; the page stays."""
    stage.engine.say("word " * 900)
    await stage.ask("A story?")
    result = await stage.world.moderator.click(await review(stage), label="Edit")
    assert result.modal is None
    assert result.response.content == texts.EDIT_TOO_LONG


async def test_a_rejection_in_the_queue_may_be_given_a_reason_without_losing_the_place(stage):
    """The menu stands on the next page; choosing keeps that page."""
    answers = await ask_three(stage)
    page = await review(stage)
    await stage.world.moderator.click(page, label="Reject")
    await stage.world.moderator.select(page, ["wrong"])
    reply = await stage.reply(answers[2])
    assert (await stage.app.store.call(Store.latest_review, reply.id)).reason == "wrong"
    assert "Question 2?" in shown(page)
    assert page.content == words.rejected_because("wrong")


async def test_the_last_verdict_can_be_taken_back_from_the_next_page(stage):
    """Undo shows the reply again, waiting."""
    answers = await ask_three(stage)
    page = await review(stage)
    await stage.world.moderator.click(page, label="Approve")
    await stage.world.moderator.click(page, label=words.UNDO)
    assert "Question 3?" in shown(page)
    assert page.embeds[0].title == words.queue_title(3, "newest")
    assert [one[0] for one in await verdicts(stage, answers[2])] == ["approve", "undo"]


async def test_skipping_to_the_end_says_what_still_waits_and_starts_again(stage):
    """Skip stores nothing; at the end the queue says how many wait and can be begun anew."""
    await ask_three(stage)
    page = await review(stage)
    await stage.world.moderator.click(page, label="Approve")
    for _ in range(2):
        await stage.world.moderator.click(page, label=words.SKIP)
    assert shown(page) == words.queue_end(2)
    await stage.world.moderator.click(page, label=words.QUEUE_START)
    assert "Question 2?" in shown(page)


async def test_an_empty_queue_says_so(stage):
    """Nothing to do is good news."""
    assert shown(await review(stage)) == words.QUEUE_EMPTY


async def test_the_queue_goes_on_after_a_restart(stage):
    """A page opened with yesterday's process works with today's."""
    answers = await ask_three(stage)
    page = await review(stage)
    await stage.env.restart_bot(stage.app.new_client())
    await stage.world.moderator.click(page, label="Approve")
    assert await verdicts(stage, answers[2]) == [("approve", "Mo", None)]
    assert "Question 2?" in shown(page)


async def test_members_have_no_queue(stage):
    """Everybody else hears what it would take."""
    result = await stage.ada.slash(stage.world.general, "review")
    assert result.response.content == texts.not_moderator("Moderator")


async def test_losing_the_role_closes_the_queue(stage):
    """Each click is checked again."""
    answers = await ask_three(stage)
    page = await review(stage)
    stage.env.backend.get_guild(stage.world.guild.id).members[stage.world.moderator.id].role_ids.clear()
    result = await stage.world.moderator.click(page, label="Approve")
    assert result.response.content == texts.not_moderator("Moderator")
    assert await verdicts(stage, answers[2]) == []


async def test_another_server_s_queue_is_empty(stage):
    """Moderators see the replies of their own server only."""
    await ask_three(stage)
    other = stage.env.create_guild("Elsewhere")
    role = other.create_role("Moderator")
    channel = other.create_text_channel("general")
    stranger = other.add_member(stage.env.create_user("sly"), roles=[role])
    result = await stranger.slash(channel, "review")
    assert shown(result.response) == words.QUEUE_EMPTY
