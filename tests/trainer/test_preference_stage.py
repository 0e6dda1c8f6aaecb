"""A night with preferences, on a tiny base with TRL's own trainer: kept where they help, undone where they do not."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable

import pytest
import torch
from safetensors.torch import load_file

from storage.reply_records import NewReply, Turn
from storage.store import Store
from tests.trainer.pairs import COLOURS
from trainer import preference_stage as refinement
from trainer.settings import TrainingConfig
from trainer.training import dpo

pytestmark = pytest.mark.skipif(importlib.util.find_spec("trl") is None, reason="the extra dpo is not installed")

EAGER = {"preference_pairs": 20, "preference_learning_rate": 5e-3, "preference_tolerance": 5.0}


@pytest.fixture
def edits(place) -> Callable[[int], None]:
    """Add so many replies that a moderator edited: the light is mentioned first instead of last."""

    def add(count: int) -> None:
        with place.store() as store:
            for number in range(count):
                _edited(store, number)

    return add


def _edited(store: Store, number: int) -> None:
    colour = COLOURS[number % 10]
    reply = store.add_reply(
        NewReply(
            source="chat",
            conversation=f"chat:{number}",
            turns=(Turn("user", f"keeper {number} {colour}?"),),
            text=f"harbour {colour} light",
            adapter=None,
            base_model="base",
        )
    )
    store.add_review(reply, "edit", reviewer="mod", edited_text=f"light harbour {colour}")


def record_of(place) -> dict:
    with place.store() as store:
        return store.last_run().details["preferences"]


def published(place, result) -> dict[str, torch.Tensor]:
    return load_file(place.home.adapters / result.challenger / "adapter_model.safetensors")


def test_preferences_stay_where_they_help(place, edits):
    """Both answers are new to a model that has hardly learned, and the less likely way round is preferred."""
    edits(60)
    result = place.run(training=EAGER | {"epochs": 0.2, "learning_rate": 1e-4})
    assert result.outcome == "promoted", result.reason
    record = record_of(place)
    figures = record["figures"]
    assert record["outcome"] == "replaced", record
    assert record["steps"] == -(-record["choices"] // 8)
    assert record["choices"] >= 40
    assert figures["judged_on"] >= 4
    assert figures["accuracy_after"] > max(0.9, figures["accuracy_before"])
    assert figures["nll_after"] == pytest.approx(result.challenger_nll, abs=1e-6)
    with place.store() as store:
        assert {"preference_loss", "preference_margin"} <= {metric.name for metric in store.metrics(result.run)}


@pytest.mark.parametrize("who", ["preferences", "gate"])
def test_what_does_not_help_is_undone_bit_by_bit(place, edits, monkeypatch, who):
    """Trained, judged, undone: what is published are the weights from before, and the reason is kept."""
    edits(60)
    before: dict[str, torch.Tensor] = {}
    real = dpo.train_on_preferences

    def prefer_and_remember(model, *args, **options):
        before.update({name: weight.clone() for name, weight in model.named_parameters() if "challenger" in name})
        return real(model, *args, **options)

    monkeypatch.setattr(dpo, "train_on_preferences", prefer_and_remember)
    monkeypatch.setattr(
        refinement.PreferenceFigures, "objection", lambda *_: "of no use" if who == "preferences" else None
    )
    no = type("No", (), {"promote": False, "reason": "of no use."})
    monkeypatch.setattr(refinement, "decide", lambda *_: no)
    result = place.run(training=EAGER)
    assert result.outcome == "promoted"
    assert record_of(place)["outcome"] == "kept"
    assert "the supervised adapter stays: of no use." in record_of(place)["reason"]
    weights = load_file(place.home.adapters / result.challenger / "adapter_model.safetensors")
    assert len(weights) == len(before) == 28
    assert all(torch.equal(weights[name.replace(".challenger.", ".")], value) for name, value in before.items())


def test_memory_that_runs_out_costs_the_second_lesson_only(place, edits, monkeypatch):
    """The supervised adapter is judged as if nothing had been tried."""
    edits(60)

    def too_much(*_args, **_options):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(dpo, "train_on_preferences", too_much)
    assert place.run(training=EAGER).outcome == "promoted"
    assert record_of(place)["outcome"] == "failed"


def test_an_ordinary_night_says_what_was_missing(place):
    """Nothing was preferred here; the night is none the worse."""
    assert place.run().outcome == "promoted"
    assert record_of(place) == {
        "outcome": "few",
        "reason": "There are 0 preferences to learn from, and training on them needs 200.",
    }


@pytest.mark.parametrize(
    ("teach", "judge", "installed", "words"),
    [
        (199, 9, True, "needs 200"),
        (200, 3, True, "There are 3 held-out preferences, and judging by them needs 4."),
        (200, 4, False, "200 preferences wait to be learned from: install the extra"),
        (200, 4, True, None),
    ],
)
def test_preferences_are_trained_on_where_there_are_enough(monkeypatch, teach, judge, installed, words):
    """Enough to learn from, enough to judge by, and TRL."""
    monkeypatch.setattr(dpo, "is_available", lambda: installed)
    refusal = refinement._refusal(teach, judge, TrainingConfig())
    assert refusal is None if words is None else words in refusal[1]


@pytest.mark.parametrize(("needed", "noise"), [(20, 0.0), (10, 0.1)])
def test_many_preferences_are_allowed_to_be_wrong(place, edits, needed, noise):
    """From twice as many as are needed on; with few, every one counts."""
    edits(36)
    place.run(training={**EAGER, "preference_pairs": needed})
    record = record_of(place)
    assert record["recipe"]["noise"] == noise
    assert needed <= record["choices"] < 40
