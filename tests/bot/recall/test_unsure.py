"""Below a server's threshold the bot asks the moderators, and their answer goes to the asker and into the memory."""

from __future__ import annotations

import threading
from dataclasses import replace

import discord
import pytest

from bot.i18n.en import moderation as words
from bot.i18n.en import settings as texts
from bot.recall import answerability
from bot.recall.answerability import DEFAULT, fitted, reliability
from bot.review import statistics
from bot.server.guild_settings import Actor
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
    """An administrator does; returns what they are told."""
    role = stage.world.guild.create_role("Boss", permissions=discord.Permissions(manage_guild=True))
    boss = stage.world.guild.add_member(stage.env.create_user(f"boss{percent}", global_name="Bo"), roles=[role])
    said = await boss.slash(stage.world.general, "settings unsure", percent=percent)
    return said.response.content


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


async def test_what_was_found_counts_though_none_of_it_was_shown(stage, monkeypatch):
    """A part of a document that fits a little says more than nothing at all."""
    asked = noted(stage, monkeypatch)
    await stage.ask("Who sells the weekly paper in that little village by the sea?")
    assert 0 < asked[0] < stage.app.settings.memory.chunk_score
    assert await stage.app.store.call(Store.recalled_with, 1) == []


async def test_an_answer_without_a_lookup_is_posted_and_fits_no_curve(stage, monkeypatch):
    """Nothing says how likely it is right."""

    async def broken(_question):
        raise OSError

    monkeypatch.setattr(stage.app.memory, "recall", broken)
    stage.engine.say("Napoleon did.")
    answer = await stage.ask(UNKNOWN)
    assert answer.content == "Napoleon did."
    await stage.world.moderator.click(stage.card, label="Approve")
    assert await stage.app.store.call(Store.reviewed_answers, stage.world.guild.id) == []


async def test_an_answer_is_stored_though_its_chances_cannot_be_told(stage, monkeypatch):
    """It is posted, and can be reviewed."""

    async def broken(*_):
        raise ValueError

    monkeypatch.setattr(stage.app.memory.answerability, "of", broken)
    stage.engine.say("Napoleon did.")
    answer = await stage.ask(UNKNOWN)
    assert answer.content == "Napoleon did."
    assert (await stage.reply(answer)).text == "Napoleon did."


async def test_a_curve_is_fitted_beside_the_event_loop(stage, monkeypatch):
    """scikit-learn takes a second to load: for an answer, and for /stats."""
    threads = []

    def fitting(rows):
        threads.append(threading.current_thread())
        return fitted(rows)

    for module in (answerability, statistics):
        monkeypatch.setattr(module, "fitted", fitting)
    await stage.ask(KNOWN)
    await stage.world.moderator.click(stage.card, label="Approve")
    await stage.world.moderator.slash(stage.world.general, "stats")
    assert len(threads) == 2
    assert threading.main_thread() not in threads


async def test_a_server_without_a_review_channel_cannot_leave_answers_to_it(open_stage, settings):
    """Nobody would see them."""
    nowhere = settings.model_copy(update={"discord": replace(settings.discord, review_channel=None)})
    async with open_stage(base=nowhere) as stage:
        assert await set_threshold(stage, 50) == words.HOLD_NOWHERE
        assert await set_threshold(stage, 0) == texts.unsure_set(0)


async def test_without_a_memory_no_answer_is_left_to_the_moderators(open_stage, settings):
    """What was set before it was switched off holds no more."""
    off = settings.model_copy(update={"memory": replace(settings.memory, examples=0, chunks=0)})
    async with open_stage(base=off) as stage:
        assert await set_threshold(stage, 50) == texts.UNSURE_WITHOUT_LOOKUP
        boss = Actor(1, "Bo")
        await stage.app.client.guild_settings.change(boss, stage.world.guild.id, 0, {"unsure": 0.5})
        stage.engine.say("Napoleon did.")
        assert (await stage.ask(UNKNOWN)).content == "Napoleon did."


def noted(stage, monkeypatch):
    """The best scores that chances were asked for."""
    asked, of = [], stage.app.memory.answerability.of

    async def noting(guild_id, best, confidence):
        asked.append(best)
        return await of(guild_id, best, confidence)

    monkeypatch.setattr(stage.app.memory.answerability, "of", noting)
    return asked


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
