"""The morning report: what a moderator reads after a night, and the blind votes on it."""

from __future__ import annotations

import asyncio
import io
from dataclasses import replace

import pytest
from PIL import Image

from bot.discord_io import charts
from bot.i18n.en import moderation as words
from bot.i18n.en import quarantine, texts
from bot.review.blind_vote import preference_of
from bot.training.report import blind_votes_of, report_embed
from model.config import ModelConfig
from storage.run_records import Run
from storage.store import Store
from tests.bot.review.test_service import labels
from tests.tiny import make_tiny_base
from tests.trainer.conftest import LENIENT, QUICK
from tests.trainer.pairs import new_pairs
from trainer.progress import Lines
from trainer.quarantine.reasons import stored as stored_reason
from trainer.reasons import Reason, stored
from trainer.result import RunResult
from trainer.run import run_once
from trainer.settings import TrainerSettings

SAMPLES = 4


async def stored_run(stage, *, outcome="promoted", replies=(), trigger="schedule", aside=None, why=(), **details):
    """A finished run as the trainer leaves it, with samples taken from these replies; `aside`: reasons by reply."""
    call = stage.app.store.call
    run = await call(Store.start_run, trigger, "2026-11-23", 1, {})
    for step in range(1, 6):
        values = {"loss": 4 - step / 2} | ({"eval_loss": 4 - step / 3} if step % 2 else {})
        await call(Store.log_metrics, run.id, step, values)
    await call(Store.quarantine, run.id, (aside or {}).items())
    samples = [
        {
            "prompt": f"Held-out question {n}?",
            "text": f"New answer {n}.",
            "champion": f"Old answer {n}.",
            "stopped": True,
        }
        | ({"reply_id": reply_id} if reply_id else {})
        for n, reply_id in enumerate(replies)
    ]
    await call(
        Store.finish_run,
        run.id,
        outcome,
        "hold-out loss 3.5 to 2.5 over 12 pairs",
        champion_nll=3.5,
        challenger_nll=2.5,
        train_pairs=120,
        holdout_pairs=12,
        challenger="night-1",
        details={"samples": samples, **details},
        why=list(why),
    )
    return run.id


async def a_night(open_stage, stage, **run):
    """The night of the schedule passes; returns the run's id."""
    found = {}

    async def train(_home, *, force, trigger, local_date):
        found["id"] = await stored_run(stage, **run)
        return RunResult(run=found["id"], outcome=run.get("outcome", "promoted"), reason="won", challenger="night-1")

    stage.app.runs._train = train
    await stage.app.runs.train(trigger="schedule")
    await stage.env.settle()
    return found["id"]


async def asked(stage, count=SAMPLES):
    """Replies of this server that a run could have sampled; the review channel is what it was before."""
    return [(await stage.reply(await stage.ask(f"Held-out question {n}?"))).id for n in range(count)]


def report(stage):
    """The report's message."""
    (message,) = [one for one in stage.world.review.history() if one.embeds and one.embeds[0].title == words.REPORT]
    return message


async def test_the_report_tells_how_the_night_went(open_stage, stage):
    """Promoted or not and why, pairs used, hold-out before and after, and the loss curve as a picture."""
    await a_night(open_stage, stage)
    message = report(stage)
    (embed,) = message.embeds
    fields = {field.name: field.value for field in embed.fields}
    assert words.REPORT_HEAD["promoted"] in embed.description
    assert "Hold-out loss 3.5 to 2.5 over 12 pairs" in embed.description
    assert fields[words.REPORT_PAIRS] == words.held_out(120, 12)
    assert fields[words.REPORT_LOSS].startswith("3.500 \u2192 **2.500**")
    (picture,) = message.attachments
    assert picture.filename == "loss.png"
    with Image.open(io.BytesIO(await picture.read())) as image:
        assert image.width > image.height > 300


async def test_the_report_says_how_much_was_changed_before_approval(open_stage, stage):
    """By adapter, on the server that reads it: the figure that people feel."""
    reply = await stage.reply(await stage.ask("Is oak hard?"))
    await stage.app.store.call(Store.add_review, reply.id, "edit", reviewer="mod", edited_text=reply.text + "!")
    await a_night(open_stage, stage)
    fields = {field.name: field.value for field in report(stage).embeds[0].fields}
    assert fields[words.STATS_EDITS] == words.changed(reply.adapter or texts.BASE_MODEL, 1 / (len(reply.text) + 1), 1)


async def test_a_german_server_reads_in_german_why_nothing_was_promoted(open_stage, stage, monkeypatch):
    """The reason too, with its figures."""
    gate = Reason("stays", parts=(Reason("stops.compared", {"count": 5, "replies": 24, "champion": 0}),))
    monkeypatch.setattr(type(stage.app.client.moderators), "locale", lambda *_: "de")
    await a_night(open_stage, stage, outcome="kept", why=stored([gate]))
    said = stage.world.review.history()[0].embeds[0].description
    assert "Der bisherige Adapter bleibt: 5 von 24 Probeantworten hören nicht auf" in said


@pytest.mark.parametrize("outcome", ["kept", "skipped", "failed"])
async def test_a_night_without_a_new_adapter_is_reported_too(open_stage, stage, outcome):
    """And nothing else is announced about it."""
    await a_night(open_stage, stage, outcome=outcome)
    assert words.REPORT_HEAD[outcome] in report(stage).embeds[0].description
    assert len(stage.world.review.history()) == 1


async def test_a_run_by_day_that_compared_nothing_is_no_morning(stage):
    """It is announced in a line, as before."""
    run = await stage.app.store.call(Store.start_run, "discord", "2026-11-23", 1, {})
    await stage.app.store.call(Store.finish_run, run.id, "skipped", "Nothing new.")

    async def train(_home, *, force, trigger, local_date):
        return RunResult(run=run.id, outcome="skipped", reason="Nothing new.")

    stage.app.runs._train = train
    await stage.app.runs.train(trigger="discord")
    assert stage.card.embeds[0].description == texts.training_ended("skipped", "Nothing new.")


async def test_without_matplotlib_the_report_is_words(open_stage, stage, monkeypatch):
    """The picture is an extra."""
    monkeypatch.setattr(charts, "_figure", lambda *_: None)
    await a_night(open_stage, stage)
    assert report(stage).attachments == []


async def test_three_questions_answered_by_both_adapters_blind(open_stage, stage):
    """The answers are called A and B; nothing says whose is whose."""
    await a_night(open_stage, stage, replies=await asked(stage))
    votes = stage.world.review.history()[-3:]
    for number, message in enumerate(votes):
        (embed,) = message.embeds
        assert f"Held-out question {number}?" in embed.description
        assert {field.value for field in embed.fields} == {f"Old answer {number}.", f"New answer {number}."}
        assert [field.name for field in embed.fields] == ["A", "B"]
        assert labels(message) == [words.BLIND_A, words.BLIND_B, words.BLIND_TIE]
    assert len(stage.world.review.history()) == SAMPLES + 1 + 3


async def test_votes_are_stored_and_can_be_changed(open_stage, stage):
    """A vote counts for the adapter behind the letter, once for each moderator, also after a restart."""
    run_id = await a_night(open_stage, stage, replies=await asked(stage))
    vote = stage.world.review.history()[-3]
    result = await stage.world.moderator.click(vote, label=words.BLIND_TIE)
    assert result.response.content == words.BLIND_STORED
    assert result.response.ephemeral
    await stage.env.restart_bot(stage.app.new_client())
    await stage.world.moderator.click(vote, label=words.BLIND_A)
    votes = await stage.app.store.call(lambda store: store.votes(run_id, stage.world.guild.id))
    assert {name for name, count in votes.items() if count} == {preference_of(run_id, 0, "a")}
    assert sum(votes.values()) == 1


async def test_a_real_run_brings_the_answers_to_compare(open_stage, stage, home, tmp_path):
    """Trained on a tiny base: what its record holds is what the report shows blind."""
    base = ModelConfig(base=str(make_tiny_base(tmp_path / "base")), device="cpu")
    settings = TrainerSettings(model=base, training=QUICK, gate=replace(LENIENT, samples=4, sample_tokens=8))
    await stage.app.store.call(Store.import_pairs, new_pairs(60), "operator")

    async def train(_home, *, force, trigger, local_date):
        options = {"progress": Lines(), "trigger": trigger, "local_date": local_date}
        return await asyncio.to_thread(run_once, home, settings, **options)

    stage.app.runs._train = train
    result = await stage.app.runs.train(trigger="schedule")
    await stage.env.settle()
    run = await stage.app.store.call(Store.run, result.run)
    votes = [vote for vote, _ in blind_votes_of(run)]
    assert len(votes) > 0
    shown = [message for message in stage.world.review.history() if message.embeds[0].title == words.BLIND_TITLE]
    assert len(shown) == min(3, len(votes))
    for vote, message in zip(votes, shown, strict=False):
        assert vote.question in message.embeds[0].description
        answers = {vote.champion or "\u2014", vote.challenger or "\u2014"}
        assert {field.value for field in message.embeds[0].fields} == answers


def test_the_sides_are_drawn_and_stay():
    """Over many runs the new adapter is A about half of the time."""
    sides = [preference_of(f"run-{n}", 0, "a") for n in range(400)]
    assert sides == [preference_of(f"run-{n}", 0, "a") for n in range(400)]
    assert 150 < sides.count("challenger") < 250
    assert all(preference_of(f"run-{n}", 0, "a") != preference_of(f"run-{n}", 0, "b") for n in range(400))


async def test_members_cannot_vote(open_stage, stage):
    """Each button checks who presses it."""
    await a_night(open_stage, stage, replies=await asked(stage))
    everyone = stage.world.guild.default_role
    for overwrite in stage.env.backend.get_channel(stage.world.review.id).overwrites:
        if overwrite.target_id == everyone.id:
            overwrite.deny = 0
    result = await stage.ada.click(stage.world.review.history()[-1], label=words.BLIND_B)
    assert result.response.ephemeral
    assert result.response.content != words.BLIND_STORED


async def test_another_server_s_questions_are_not_shown(open_stage, stage):
    """Every server hears of the night, but sees sampled questions of its own conversations only."""
    replies = await asked(stage)
    other = stage.env.create_guild("Elsewhere")
    theirs = other.create_text_channel("review")
    await a_night(open_stage, stage, replies=replies)
    assert [one.embeds[0].title for one in theirs.history()] == [words.REPORT]


async def test_the_operator_s_imports_are_shown_on_the_main_server_only(open_stage, stage):
    """Whoever invites the bot to a server of their own neither reads what it was taught nor votes on it."""
    other = stage.env.create_guild("Elsewhere")
    theirs = other.create_text_channel("review")
    await stage.app.store.call(Store.import_pairs, new_pairs(1), "operator")
    run = await a_night(open_stage, stage, replies=[1])
    assert words.BLIND_TITLE in [one.embeds[0].title for one in stage.world.review.history()]
    assert [one.embeds[0].title for one in theirs.history()] == [words.REPORT]
    morning = stage.app.client.reports
    assert await morning.asked(run, 0, stage.app.client.get_guild(stage.world.guild.id))
    assert not await morning.asked(run, 0, stage.app.client.get_guild(other.id))


async def test_what_was_said_in_private_is_shown_to_no_server(open_stage, stage):
    """A direct message belongs to no server, like what the operator imported; but it is somebody's."""
    replies = await asked(stage, 1)
    await stage.app.store.call(lambda store: store._db.execute("update replies set guild_id = null"))
    await a_night(open_stage, stage, replies=replies)
    assert words.BLIND_TITLE not in [one.embeds[0].title for one in stage.world.review.history()]


async def test_words_removed_meanwhile_are_not_shown(open_stage, stage):
    """A question whose asker was forgotten during the run is left out."""
    replies = await asked(stage)
    await stage.app.store.call(Store.forget, stage.ada.id)
    await a_night(open_stage, stage, replies=replies)
    assert words.BLIND_TITLE not in [one.embeds[0].title for one in stage.world.review.history()]


@pytest.mark.parametrize("details", [{"samples": []}, {"samples": [{"prompt": "Q?", "text": "A."}]}, {"samples": "?"}])
async def test_a_run_without_both_answers_is_reported_without_them(open_stage, stage, details):
    """What the trainer did not record is left out."""
    await a_night(open_stage, stage, **details)
    assert len(stage.world.review.history()) == 1


def a_kept_run(**details):
    """A run that ended; its row alone makes the report."""
    moment = "2026-11-24T04:00:00.000+00:00"
    return Run(
        id="r", trigger="schedule", stage="gate", started_at=moment, local_date="2026-11-24", pid=1,
        finished_at=moment, outcome="kept", details=details,
    )  # fmt: skip


@pytest.mark.parametrize("first", [True, False])
def test_a_missing_embedding_model_is_said_in_the_first_report_alone(first):
    """Every night would be noise; doctor goes on saying it."""
    embed = report_embed(a_kept_run(unscreened={"why": "not installed", "first": first}))
    assert (quarantine.UNSCREENED in [field.value for field in embed.fields]) is first


def test_reasons_that_name_single_pairs_are_counted_together():
    """Three answers that each fit another pair's question are one line."""
    reasons = [stored_reason(Reason("fits_other", {"pair": number})) for number in (7, 8, 9)]
    (field,) = [one for one in report_embed(a_kept_run(), reasons).fields if one.name == words.REPORT_ASIDE]
    assert field.value.startswith("3 pairs: The answer does not fit its question.")
