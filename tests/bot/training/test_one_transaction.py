"""An act and its trace in the audit are one, and what a person reads about it is so."""

from __future__ import annotations

import sqlite3

import pytest

from bot.i18n.en import moderation as words
from bot.i18n.en import texts
from bot.training.outcome import why_kept
from model.errors import AdapterMismatch
from storage.run_records import Run
from storage.store import Store
from tests.bot.test_slash_commands import publish


def said(result):
    return [one.content for one in [result.response, *result.followups] if one]


@pytest.fixture
async def two_adapters(stage, tmp_path):
    """Two champions, one after the other; the second one answers."""
    for name in ("first", "second"):
        await publish(stage, name, tmp_path)
        await stage.app.store.call(Store.promote, name, kind="gate", actor="trainer", reason="won")
    await stage.app.sync_adapter()
    return stage


@pytest.fixture
def audit_breaks(monkeypatch):
    """The audit cannot be written from now on."""

    def fail(*_args, **_options):
        raise sqlite3.OperationalError("disk I/O error")

    def arm():
        monkeypatch.setattr("storage.audit.insert", fail)

    return arm


@pytest.mark.parametrize(
    ("command", "options"), [("adapter use", {"adapter": "first"}), ("adapter rollback", {}), ("train now", {})]
)
async def test_an_act_that_cannot_be_written_down_is_not_done(two_adapters, audit_breaks, command, options):
    """The champion, the engine and training are as before, and nothing false is said."""
    stage = two_adapters
    audit_breaks()
    before = len(stage.world.review.history())
    result = await stage.world.moderator.slash(stage.world.general, command, **options)
    assert texts.FAILED_COMMAND in said(result)
    assert await stage.app.store.call(Store.champion) == "second" == stage.engine.adapter
    assert len(stage.world.review.history()) == before
    assert await stage.app.store.call(Store.runs) == []


async def test_a_pair_that_is_removed_and_the_trace_of_it_are_one(stage, audit_breaks):
    """Otherwise it would be gone without anybody having done it."""
    await stage.ask("Which wood?")
    await stage.world.moderator.click(stage.card, label=texts.APPROVE)
    audit_breaks()
    result = await stage.world.moderator.slash(stage.world.general, "pairs remove", pair="1")
    assert texts.FAILED_COMMAND in said(result)
    assert (await stage.app.store.call(Store.latest_review, 1)).verdict == "approve"


async def test_several_settings_are_changed_at_once_or_not_at_all(stage, audit_breaks):
    """A form that sets two of them does not set one."""
    audit_breaks()
    await stage.world.moderator.slash(stage.world.general, "hold", on=True)
    assert await stage.app.store.call(Store.guild_settings) == []


def test_nothing_is_claimed_of_an_error_that_nobody_foresaw():
    """What was done before it is not known."""
    assert "Nothing was changed" not in texts.FAILED_COMMAND


async def test_rollback_to_a_damaged_adapter_is_refused(two_adapters):
    """Looked at first: the one in use stays, in the store and in the engine."""
    stage = two_adapters
    (stage.app.home.adapters / "first" / "adapter_model.safetensors").write_bytes(b"other")
    result = await stage.world.moderator.slash(stage.world.general, "adapter rollback")
    assert words.ADAPTER_DAMAGED in said(result)
    assert await stage.app.store.call(Store.champion) == "second" == stage.engine.adapter
    assert await stage.app.store.call(Store.audit_search) == []


async def test_rollback_to_an_adapter_whose_files_are_gone_is_refused(two_adapters):
    """Its row is still there."""
    stage = two_adapters
    (stage.app.home.adapters / "first").rename(stage.app.home.root / "away")
    for command, options in (("adapter rollback", {}), ("adapter use", {"adapter": "first"})):
        result = await stage.world.moderator.slash(stage.world.general, command, **options)
        assert words.ADAPTER_DAMAGED in said(result)
    assert stage.engine.adapter == "second"


async def test_an_adapter_that_the_engine_does_not_take_is_not_chosen(two_adapters, tmp_path):
    """Made for another base, say: nobody is told that it answers."""
    stage = two_adapters
    stage.engine.refuse_swap = AdapterMismatch(tmp_path / "first", "it was made for another base")
    result = await stage.world.moderator.slash(stage.world.general, "adapter use", adapter="first")
    assert words.not_loaded("first") in said(result)
    assert words.used("first") not in said(result)
    assert await stage.app.store.call(Store.champion) == "second" == stage.engine.adapter


def a_run(before, after, **passed):
    checks = [{"name": name, "passed": good, "sentence": ""} for name, good in passed.items()]
    return Run(
        id="r",
        trigger="schedule",
        stage="gate",
        started_at="2026-11-23T04:00:00+00:00",
        local_date="2026-11-23",
        pid=1,
        outcome="kept",
        champion_nll=before,
        challenger_nll=after,
        details={"checks": checks},
    )


@pytest.mark.parametrize(
    ("run", "why"),
    [
        (a_run(3.0, 3.2, better=False), "worse"),
        (a_run(3.0, 3.0, better=False), "same"),
        (a_run(3.0, 2.9999, better=False), "same"),
        (a_run(3.0, 2.9, better=False, banned=False), "unproven"),
        (a_run(3.0, 2.5, better=True, banned=False), "failed a check"),
        (a_run(3.0, 2.5, better=True, banned=True), "not chosen"),
    ],
)
def test_why_a_new_adapter_is_not_used(run, why):
    """Better is said only where it was, and each case has its own sentence in both languages."""
    from bot.i18n.language import speaking

    assert why_kept(run) == why
    for locale in ("en", "de"):
        with speaking(locale):
            assert len(set(words.REPORT_KEPT.values())) == len(words.REPORT_KEPT)
            assert words.REPORT_KEPT[why]


@pytest.mark.parametrize(
    ("locale", "said_so"), [("en", "keeps answering"), ("de", "Weiterhin antwortet das Basismodell")]
)
async def test_after_a_change_of_base_it_is_said_who_answers(stage, tmp_path, locale, said_so):
    """No adapter is in use then, so none stays."""
    from bot.i18n.language import speaking

    await publish(stage, "first", tmp_path)
    await stage.app.store.call(Store.promote, "first", kind="gate", actor="trainer", reason="won")
    stage.engine.refuse_swap = AdapterMismatch(tmp_path / "first", "it was made for another base")
    await stage.env.advance_time(6)
    notice = stage.card.embeds[0].description
    assert "The base model keeps answering. It was made for another base." in notice
    assert "stays" not in notice
    with speaking(locale):
        assert said_so in texts.adapter_refused("first", "Why.", None)
