"""Runs from lock to verdict on a tiny base, in this process."""

from __future__ import annotations

import os

import pytest
import torch
from peft import PeftModel

from storage.files.adapter_directory import AdapterDirectory
from storage.origins import ORIGINS
from storage.reply_records import NewReply, Turn
from tests.trainer.pairs import new_pairs
from trainer.errors import RunBusy
from trainer.lock import run_lock
from trainer.snapshot.snapshot import take_snapshot
from trainer.training.base import forbid_repacking
from trainer.training.likelihood import negative_log_likelihoods
from trainer.training.qlora import train
from trainer.training.tokens import encode_pairs


def test_a_good_night_ends_with_a_new_champion(place):
    """Snapshot, train, evaluate, gate, publish, promote: each leaves its trace."""
    result = place.run()
    assert result.outcome == "promoted", result.reason
    assert result.challenger_nll < result.champion_nll
    with place.store() as store:
        run, adapter = store.last_run(), store.adapter(result.challenger)
        assert store.champion() == result.challenger == run.challenger
        assert store.promotions()[-1].kind == "gate"
        assert (run.outcome, run.stage, run.reason) == ("promoted", "promote", result.reason)
        assert run.train_pairs + run.holdout_pairs == 60
        assert run.holdout_pairs == result.n
        assert {check["name"] for check in run.details["checks"]} >= {"better", "older", "general", "stops"}
        assert run.details["recipe"]["epochs"] == {"value": 3, "origin": "set"}
        names = {metric.name for metric in store.metrics(run.id)}
    manifest = AdapterDirectory(place.home.adapters).verify(result.challenger)
    assert names == {"loss", "eval_loss", "learning_rate", "grad_norm"}
    assert adapter.manifest == manifest
    assert manifest["dataset_hash"] == run.snapshot_hash
    assert manifest["pairs"] == 60
    assert not (place.home.runs / run.id / "scratch").exists()


def test_the_adapter_is_plain_peft_and_scores_what_the_run_recorded(place, tiny_base):
    """`PeftModel.from_pretrained` on a fresh base, no code of ours between."""
    result = place.run()
    base = tiny_base.load()
    forbid_repacking(base.model)
    model = PeftModel.from_pretrained(base.model, place.home.adapters / result.challenger)
    with place.store() as store:
        holdout = take_snapshot(store.eligible_pairs("members", learn_from=ORIGINS), 0.15).holdout
    examples = encode_pairs(base.tokenizer, holdout, max_tokens=1024).items
    losses = negative_log_likelihoods(model, examples, pad_id=0)
    assert sum(losses) / len(losses) == pytest.approx(result.challenger_nll, rel=0.02)


def test_the_same_night_twice_trains_the_same_adapter(place):
    """Data, seed and recipe decide everything."""
    first, second = place.run(), place.run(force=True)
    adapters = AdapterDirectory(place.home.adapters)
    assert second.outcome == "kept"  # a tie keeps the champion
    assert second.challenger_nll == pytest.approx(first.challenger_nll, abs=1e-4)
    assert adapters.ids() == [first.challenger]


def test_too_little_new_is_skipped_without_touching_the_model(place):
    """Four pairs more wait for the next night; five do not."""
    champion = place.run().challenger
    with place.store() as store:
        store.import_pairs(new_pairs(64)[60:], approved_by="operator")
    result = place.run()
    assert (result.outcome, result.n) == ("skipped", 0)
    assert "4 pairs are new" in result.reason
    with place.store() as store:
        store.import_pairs(new_pairs(65)[64:], approved_by="operator")
        assert store.champion() == champion
    assert place.run().outcome in {"promoted", "kept"}


def test_too_few_pairs_are_skipped_with_the_reason(place):
    """The run is recorded all the same, so that /status can say why."""
    result = place.run(training={"min_pairs": 61})
    assert result.outcome == "skipped"
    with place.store() as store:
        assert store.last_run().reason == "There are 60 eligible pairs and training needs 61."


def test_a_challenger_that_loses_is_not_published(place):
    """No directory, no row, no promotion; the reason is kept."""
    result = place.run(gate={"general_tolerance": 0.0, "max_unstopped": 0.0, "sample_tokens": 1})
    assert result.outcome == "kept"
    assert result.challenger is None
    assert result.reason.startswith("The champion stays: ")
    assert AdapterDirectory(place.home.adapters).ids() == []
    with place.store() as store:
        assert store.champion() is None
        assert store.last_run().challenger_nll == result.challenger_nll


def test_a_second_run_is_refused_while_one_is_alive(place):
    """The lock is the kernel's; the refusal names the holder."""
    with run_lock(place.home.runs / "lock"), pytest.raises(RunBusy) as refused:
        place.run()
    assert refused.value.holder == os.getpid()
    with place.store() as store:
        assert store.last_run() is None


def test_a_run_that_died_is_closed_at_the_next_start(place):
    """Whoever has the lock knows that nobody else is alive."""
    with place.store() as store:
        dead = store.start_run("schedule", "2026-11-23", 4_000_000, {})
        store.update_run(dead.id, stage="train")
    place.run(training={"min_pairs": 100})
    with place.store() as store:
        closed = store.run(dead.id)
    assert closed.outcome == "failed"
    assert closed.reason == "The trainer died in stage 'train'; nothing was published."


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate"), "lower training.micro_batch"),
        (MemoryError(), "lower training.micro_batch"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "lower training.micro_batch"),
        (ZeroDivisionError("secret detail"), "failed unexpectedly (ZeroDivisionError)"),
        (KeyboardInterrupt(), "stopped before it finished"),
    ],
)
def test_a_failure_is_recorded_in_words_and_publishes_nothing(place, monkeypatch, error, words):
    """What nobody foresaw is in the log, not in front of a user."""

    def fail(*_args, **_options):
        raise error

    monkeypatch.setattr("trainer.training.qlora.train", fail)
    result = place.run()
    assert result.outcome == "failed"
    assert words in result.reason
    assert "secret" not in result.reason
    assert AdapterDirectory(place.home.adapters).ids() == []
    with place.store() as store:
        run = store.last_run()
        assert (run.outcome, run.stage, run.reason) == ("failed", "train", result.reason)
    assert type(error).__name__ in (place.home.runs / run.id / "log").read_text()


def test_training_that_diverges_is_a_failure_with_advice(place):
    """Infinite steps end in numbers that are none."""
    result = place.run(training={"learning_rate": 1e30, "max_grad_norm": 1e30})
    assert result.outcome == "failed"
    assert "lower training.learning_rate" in result.reason


def test_a_damaged_champion_is_replaced_by_one_that_beats_the_base(place):
    """It could not be served either."""
    damaged = place.run().challenger
    (place.home.adapters / damaged / "adapter_model.safetensors").write_bytes(b"nothing")
    result = place.run(force=True)
    assert result.outcome == "promoted"
    with place.store() as store:
        assert store.run(result.run).champion is None


def test_a_choice_made_during_the_run_is_not_overruled(place, monkeypatch):
    """A moderator who goes back to the base at four in the morning has a reason."""
    first = place.run().challenger
    with place.store() as store:
        store.import_pairs(new_pairs(90)[60:], approved_by="operator")
    real = train

    def train_while_somebody_chooses(*args, **options):
        with place.store() as store:
            store.promote(None, kind="use", actor="mod", reason="odd replies")
        return real(*args, **options)

    monkeypatch.setattr("trainer.training.qlora.train", train_while_somebody_chooses)
    result = place.run(training={"epochs": 6}, gate={"older_tolerance": 9.0})
    assert result.outcome == "kept"
    with place.store() as store:
        assert store.champion() is None
        assert first in [adapter.id for adapter in store.adapters()]


def test_an_adapter_that_knows_withdrawn_words_is_retired_by_the_next_success(place):
    """Forgetting a person reaches the adapters too."""
    with place.store() as store:
        store.set_consent(7, opted_in=True)
        for number in range(3):
            reply = store.add_reply(
                NewReply(
                    source="discord",
                    conversation=f"discord:1:{number}",
                    turns=(Turn("user", f"a private boat {number}", 7, 70 + number, origin="command"),),
                    text=f"harbour {number}",
                    adapter=None,
                    base_model="tiny",
                    asker_id=7,
                )
            )
            store.add_review(reply, "approve", reviewer="mod")
    tainted = place.run().challenger
    with place.store() as store:
        assert store.run(store.last_run().id).details["left_out"] == {}
        store.forget(7)
    result = place.run()
    assert result.outcome == "promoted"
    with place.store() as store:
        assert store.run(result.run).champion is None  # the bare base was the one to beat
        assert store.adapter(tainted).retired_at is not None
        assert store.champion() == result.challenger
