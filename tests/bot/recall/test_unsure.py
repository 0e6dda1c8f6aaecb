"""Below a server's threshold the bot asks the moderators, and their answer goes to the asker and into the memory."""

from __future__ import annotations

import discord
import pytest

from bot.i18n.en import moderation as words
from bot.recall.answerability import DEFAULT, fitted, reliability
from model.chat import Message
from storage.recall_records import Reviewed
from storage.store import Store
from tests.bot.conftest import kept_open

RULES = b"The weekly raid begins at eight by the old oak.\n"
KNOWN, UNKNOWN = "When does the weekly raid begin?", "Who painted that chapel ceiling?"


@pytest.fixture
async def stage(open_stage):
    """A server that knows its rules and asks when it is unsure, without the history of the channel."""
    async for opened in kept_open(open_stage(discord={"context_messages": 0})):
        moderator = opened.world.moderator
        await moderator.slash(
            opened.world.general, "knowledge add", file=("rules.txt", RULES), link="https://a.example"
        )
        await set_threshold(opened, 50)
        yield opened


async def set_threshold(stage, percent):
    """An administrator does."""
    role = stage.world.guild.create_role("Boss", permissions=discord.Permissions(manage_guild=True))
    boss = stage.world.guild.add_member(stage.env.create_user(f"boss{percent}", global_name="Bo"), roles=[role])
    await boss.slash(stage.world.general, "settings unsure", percent=percent)


async def test_a_known_question_is_answered(stage):
    """At once."""
    stage.engine.say("At eight.")
    assert (await stage.ask(KNOWN)).content.startswith("At eight.")


async def test_an_unknown_one_goes_to_the_moderators_with_a_draft(stage):
    """The asker reads one sentence, and nothing of the draft."""
    stage.engine.say("Napoleon did.")
    answer = await stage.ask(UNKNOWN)
    assert answer.content == words.UNSURE_NOTICE
    assert stage.card.embeds[0].title == words.UNSURE
    assert "Napoleon did." in stage.card.embeds[0].description


async def test_the_moderators_answer_goes_to_the_asker_and_to_the_next_who_asks(stage):
    """As a pair like any other, with the asker's consent."""
    await stage.ada.slash(stage.world.general, "privacy opt-in")
    stage.engine.say("Napoleon did.")
    await stage.ask(UNKNOWN)
    form = await stage.world.moderator.click(stage.card, label="Edit")
    await stage.world.moderator.submit_modal(form, {"answer": "Michelangelo did."})
    assert "Michelangelo did." in [one.content for one in stage.world.general.history()]
    stage.engine.say("Michelangelo did.")
    answer = await stage.ask("Who painted the chapel ceiling?", who=stage.ben)
    assert Message("assistant", "Michelangelo did.") in stage.engine.seen[-1]
    assert answer.content == "Michelangelo did."


async def test_without_a_threshold_everything_is_answered(stage):
    """That is how it comes."""
    await set_threshold(stage, 0)
    stage.engine.say("Napoleon did.")
    assert (await stage.ask(UNKNOWN)).content == "Napoleon did."


async def test_the_scores_of_reviewed_answers_are_kept(stage):
    """From them a server's own curve is fitted."""
    await stage.ask(KNOWN)
    await stage.world.moderator.click(stage.card, label="Approve")
    rows = await stage.app.store.call(Store.reviewed_answers, stage.world.guild.id)
    assert [(round(row.best, 2), row.approved) for row in rows] == [(0.8, True)]


def test_a_curve_follows_what_moderators_said():
    """Where only answers above 0.8 were right, one at 0.7 is unlikely to be; few reviews change nothing."""
    rows = [Reviewed(number / 100, None, number > 80) for number in range(100)]
    curve = fitted(rows)
    assert curve(0.7, None) < 0.3
    assert curve(0.9, None) > 0.7
    assert fitted(rows[:10]) == fitted([row for row in rows if not row.approved]) == DEFAULT


def test_reliability_compares_what_was_predicted_with_what_was_approved():
    """Bin by bin; a good fit lies on the diagonal."""
    rows = [Reviewed(number / 400, 0.5, number > 37 * number % 400) for number in range(400)]
    bins = reliability(rows, fitted(rows))
    assert sum(one.count for one in bins) == 400
    assert all(abs(one.predicted - one.approved) < 0.15 for one in bins)
    assert reliability([], DEFAULT) == []
