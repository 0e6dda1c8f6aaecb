"""Numbers at the ends of what the settings allow: a night ends with an outcome and a sentence that somebody foresaw."""

from __future__ import annotations

import pytest

ENDS = {
    "the largest rank": {"rank": 256, "alpha": 4096},
    "the smallest rank": {"rank": 1, "alpha": 1, "rslora": True},
    "a hundredth of an epoch": {"epochs": 0.01, "warmup": 1.0},
    "the largest batch": {"batch": 1_000_000, "micro_batch": 1_000_000, "evaluations_per_epoch": 1_000_000},
    "the smallest passes": {"batch": 1, "micro_batch": 1, "pass_tokens": 16, "epochs": 0.1},
    "the highest rate": {"learning_rate": 1.0, "max_grad_norm": 1e6, "weight_decay": 10.0, "dropout": 0.95},
    "the lowest rate": {"learning_rate": 1e-9, "max_grad_norm": 1e-6, "neftune": 1000.0, "epochs": 1},
    "no patience, checkpoints at every step": {"patience": 1, "checkpoint_minutes": 0.0, "epochs": 1},
    "most of it held out": {"holdout_share": 0.499, "min_holdout": 1, "max_holdout": 1},
    "hardly any held out": {"holdout_share": 0.001, "min_holdout": 1},
    "long pairs": {"max_tokens": 1 << 20, "epochs": 0.1},
    "a large seed": {"seed": (1 << 32) - 1, "epochs": 0.1},
}
GATES = {
    "one resample, nothing sampled": {"resamples": 100, "samples": 0, "secret_probes": 0, "confidence": 0.501},
    "a strict gate": {"confidence": 0.999, "older_tolerance": 0.0, "general_tolerance": 0.0, "max_unstopped": 0.0},
    "a large seed": {"seed": (1 << 32) - 1, "sample_tokens": 1},
}


@pytest.mark.parametrize("training", ENDS.values(), ids=ENDS.keys())
def test_training_at_the_ends_of_its_settings(place, training):
    """Trained, kept, skipped or failed with the reason; never by an error that nobody foresaw."""
    result = place.run(training=training, force=True)
    assert result.reason
    assert "unexpectedly" not in result.reason


@pytest.mark.parametrize("gate", GATES.values(), ids=GATES.keys())
def test_the_gate_at_the_ends_of_its_settings(place, gate):
    """The same for what judges."""
    result = place.run(training={"epochs": 0.1}, gate=gate, force=True)
    assert result.outcome in ("promoted", "kept")
