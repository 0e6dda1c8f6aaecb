"""/pairs quarantine: what a night set aside, one card after another, for a second moderator."""

from __future__ import annotations

import pytest

from bot.i18n.en import moderation as words
from bot.i18n.en import texts
from storage.origins import ORIGINS
from storage.pair_records import NewPair
from storage.reply_records import Turn
from storage.store import Store
from tests.bot.review.test_service import labels
from tests.bot.review.test_verdicts import second_moderator
from tests.bot.training.test_report import a_night, report

WHY = "The same phrase is in many new replies."


@pytest.fixture
def second(stage):
    """Another moderator, who approved nothing."""
    return second_moderator(stage)


async def approved(stage, count=3):
    """Replies that Mo approved; gives their numbers."""
    numbers = []
    for number in range(1, count + 1):
        numbers.append((await stage.reply(await stage.ask(f"Question {number}?"))).id)
        await stage.world.moderator.click(stage.card, label=texts.APPROVE)
    return numbers


async def aside(stage, count=3, why=WHY):
    """Pairs that a run set aside; gives their numbers."""
    numbers = await approved(stage, count)
    run = await stage.app.store.call(Store.start_run, "schedule", "2026-11-23", 1, {})
    await stage.app.store.call(Store.quarantine, run.id, [(number, why) for number in numbers])
    return numbers


async def look(stage, who):
    """The command's answer, which only its user sees."""
    result = await who.slash(stage.world.general, "pairs quarantine")
    assert result.response.ephemeral
    return result.response


async def eligible(stage):
    return await stage.app.store.call(
        lambda store: [one.reply_id for one in store.eligible_pairs("operator", learn_from=ORIGINS)]
    )


async def test_a_card_shows_the_pair_why_it_was_set_aside_and_who_approved_it(stage, second):
    """All that is needed to decide."""
    await aside(stage)
    page = await look(stage, second)
    (embed,) = page.embeds
    assert embed.title == words.quarantine_title(3)
    assert "> Question 1?" in embed.description
    assert "You said: Question 1?" in embed.description
    assert [field.value for field in embed.fields] == [WHY, "Mo"]
    assert labels(page.message) == [words.QUARANTINE_CONFIRM, words.QUARANTINE_DISMISS, words.SKIP]


async def test_letting_pairs_in_and_leaving_them_out(stage, second):
    """A decision leads to the next card; what was let in is learned from, what was left out is not."""
    first, other, last = await aside(stage)
    assert await eligible(stage) == []
    page = await look(stage, second)
    await second.click(page, label=words.QUARANTINE_CONFIRM)
    assert page.content == words.quarantine_done(first, confirmed=True)
    assert "Question 2?" in page.embeds[0].description
    await second.click(page, label=words.QUARANTINE_DISMISS)
    assert page.content == words.quarantine_done(other, confirmed=False)
    await second.click(page, label=words.QUARANTINE_CONFIRM)
    assert page.embeds[0].description == words.QUARANTINE_EMPTY
    assert await eligible(stage) == [first, last]


async def test_skipping_goes_on_and_starts_again(stage, second):
    """What was skipped waits on."""
    await aside(stage, count=2)
    page = await look(stage, second)
    await second.click(page, label=words.SKIP)
    assert "Question 2?" in page.embeds[0].description
    await second.click(page, label=words.SKIP)
    assert page.embeds[0].description == words.quarantine_end(2)
    await second.click(page, label=words.QUEUE_START)
    assert "Question 1?" in page.embeds[0].description


async def test_every_decision_is_in_the_audit(stage, second):
    """With who and what."""
    (number,) = await aside(stage, count=1)
    await second.click(await look(stage, second), label=words.QUARANTINE_DISMISS)
    (entry,) = await stage.app.store.call(lambda store: store.audit_search(guild_id=stage.world.guild.id))
    assert (entry.actor, entry.actor_id, entry.action, entry.subject) == (
        "Sam",
        second.id,
        "quarantine.dismiss",
        str(number),
    )


async def test_who_approved_a_pair_does_not_decide_about_it(stage):
    """Their card says so, and the store refuses whatever the buttons allow."""
    await aside(stage, count=1)
    page = await look(stage, stage.world.moderator)
    assert words.quarantine_by("Mo", own=True) in [field.value for field in page.embeds[0].fields]
    disabled = [item["label"] for row in page.components for item in row["components"] if item["disabled"]]
    assert disabled == [words.QUARANTINE_CONFIRM, words.QUARANTINE_DISMISS]


async def test_a_pair_approved_by_its_reader_meanwhile_is_refused(stage, second):
    """The button was alive when the card was drawn."""
    (number,) = await aside(stage, count=1)
    page = await look(stage, second)
    await stage.app.store.call(Store.add_review, number, "approve", reviewer="Sam", reviewer_id=second.id)
    result = await second.click(page, label=words.QUARANTINE_CONFIRM)
    assert result.response.content == words.QUARANTINE_OWN
    assert await eligible(stage) == []


async def test_a_pair_decided_by_another_meanwhile_is_gone(stage, second):
    """The first decision stands."""
    (number,) = await aside(stage, count=1)
    page = await look(stage, second)
    await stage.app.store.call(Store.decide_quarantine, number, confirmed=False, actor="op", actor_id=None)
    result = await second.click(page, label=words.QUARANTINE_CONFIRM)
    assert result.response.content == words.QUARANTINE_GONE
    assert await eligible(stage) == []


async def test_the_buttons_go_on_after_a_restart(stage, second):
    """All they need is in their ids."""
    (number,) = await aside(stage, count=1)
    page = await look(stage, second)
    await stage.env.restart_bot(stage.app.new_client())
    await second.click(page, label=words.QUARANTINE_CONFIRM)
    assert await eligible(stage) == [number]


async def test_an_empty_quarantine_says_so(stage):
    """Most nights set nothing aside."""
    assert (await look(stage, stage.world.moderator)).embeds[0].description == words.QUARANTINE_EMPTY


async def test_members_see_nothing_of_it(stage):
    """They hear what it would take."""
    await aside(stage, count=1)
    result = await stage.ada.slash(stage.world.general, "pairs quarantine")
    assert result.response.content == texts.not_moderator("Moderator")


async def test_losing_the_role_closes_it(stage, second):
    """Each button checks its user again."""
    await aside(stage, count=1)
    page = await look(stage, second)
    stage.env.backend.edit_member(stage.world.guild.id, second.id, {"role_ids": []})
    await stage.env.settle()
    result = await second.click(page, label=words.QUARANTINE_CONFIRM)
    assert result.response.content == texts.not_moderator("Moderator")
    assert await eligible(stage) == []


async def test_another_server_s_moderators_see_nothing_of_it(stage):
    """That no button of theirs decides about it is tests/bot/server/test_components.py's."""
    await aside(stage, count=1)
    elsewhere = stage.env.create_guild("Elsewhere")
    role = elsewhere.create_role("Moderator")
    stranger = elsewhere.add_member(stage.env.create_user("sam", global_name="Sam"), roles=[role])
    channel = elsewhere.create_text_channel("moderators")
    await stage.env.settle()
    page = (await stranger.slash(channel, "pairs quarantine")).response
    assert page.embeds[0].description == words.QUARANTINE_EMPTY


async def test_the_operator_s_pairs_are_decided_where_there_is_one_server(stage, second):
    """As they are shown by /pairs search."""
    pairs = [NewPair((Turn("user", "Which oil?"),), "Linseed.")]
    await stage.app.store.call(lambda store: store.import_pairs(pairs, "operator"))
    run = await stage.app.store.call(Store.start_run, "schedule", "2026-11-23", 1, {})
    await stage.app.store.call(Store.quarantine, run.id, [(1, WHY)])
    page = await look(stage, second)
    assert "Which oil?" in page.embeds[0].description
    await second.click(page, label=words.QUARANTINE_CONFIRM)
    assert await eligible(stage) == [1]


async def test_the_morning_report_says_how_many_were_set_aside_and_why(open_stage, stage):
    """And where to decide about them."""
    numbers = await approved(stage, 5)
    reasons = [WHY, WHY, "It is much shorter.", "It is all capitals.", "It was approved 3 s after 40 others."]
    await a_night(open_stage, stage, aside=dict(zip(numbers, reasons, strict=True)))
    (field,) = [one for one in report(stage).embeds[0].fields if one.name == words.REPORT_ASIDE]
    lines = field.value.splitlines()
    assert lines[0] == f"2 pairs: {WHY}"
    assert len(lines) == 5
    assert lines[3] == "1 pair for other reasons"
    assert "/pairs quarantine" in lines[4]


async def test_a_report_of_a_night_that_set_nothing_aside_does_not_mention_it(open_stage, stage):
    """There is nothing to decide."""
    await a_night(open_stage, stage)
    assert words.REPORT_ASIDE not in [field.name for field in report(stage).embeds[0].fields]
