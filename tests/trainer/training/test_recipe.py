"""Recipes: what the size of the data and of the model decide, and what the operator does."""

from __future__ import annotations

from dataclasses import fields

import pytest

from trainer.settings import TrainingConfig
from trainer.training.recipe import Recipe, resolve, validation_size

SMALL, LARGE = 135_000_000, 7_000_000_000


def test_every_value_of_a_recipe_can_be_set():
    """A recipe has no value without a setting of that name."""
    assert {field.name for field in fields(Recipe)} - {"origins"} <= {field.name for field in fields(TrainingConfig)}


@pytest.mark.parametrize("pairs", [50, 199, 5000])
def test_the_rank_stays_the_same_over_time(pairs):
    """A swap copies weights in place only when the rank is that of the adapter in memory."""
    assert resolve(TrainingConfig(), pairs=pairs, parameters=LARGE).rank == 16


def test_a_small_model_passes_over_the_data_more_often():
    """A 7B model overfits after three passes."""
    small, large = (resolve(TrainingConfig(), pairs=60, parameters=size) for size in (SMALL, LARGE))
    assert small.epochs > large.epochs
    assert large.epochs <= 3


def test_more_data_means_fewer_passes():
    """5,000 pairs seen once teach more than 50 seen often."""
    passes = [resolve(TrainingConfig(), pairs=pairs, parameters=LARGE).epochs for pairs in (50, 1000, 5000, 20_000)]
    assert passes == sorted(passes, reverse=True)
    assert passes[-1] < passes[0]


def test_what_the_operator_set_is_kept_and_marked():
    """Stored with the run and the adapter, and starred in the line that is printed."""
    recipe = resolve(TrainingConfig(learning_rate=3e-4, rank=8), pairs=60, parameters=SMALL)
    assert recipe.described()["learning_rate"] == {"value": 3e-4, "origin": "set"}
    assert recipe.described()["rank"] == {"value": 8, "origin": "set"}
    assert recipe.described()["alpha"]["origin"] == "default"
    assert "rank 8*" in recipe.line()


def test_a_smaller_micro_batch_gathers_the_same_batch():
    """Memory is saved, the optimizer step stays."""
    recipe = resolve(TrainingConfig(batch=16, micro_batch=4), pairs=60, parameters=LARGE)
    assert (recipe.batch, recipe.micro_batch) == (16, 4)
    assert recipe.steps_per_epoch(60) == 4


def test_a_micro_batch_is_never_larger_than_the_batch():
    """The batch is what the operator asked for."""
    recipe = resolve(TrainingConfig(batch=2, micro_batch=8), pairs=60, parameters=LARGE)
    assert recipe.micro_batch == 2


def test_evaluations_come_several_times_an_epoch():
    """So that the best moment is not missed by an epoch."""
    recipe = resolve(TrainingConfig(), pairs=400, parameters=LARGE)
    assert recipe.steps_per_epoch(400) // recipe.steps_between_evaluations(400) >= 4


@pytest.mark.parametrize(("pairs", "size"), [(20, 4), (45, 4), (90, 9), (5000, 200)])
def test_the_validation_slice_is_a_tenth_within_limits(pairs, size):
    """Enough to choose a moment by, little enough to spare."""
    assert validation_size(pairs) == size


def test_noise_and_rank_stabilised_scaling_are_off_unless_set():
    """Both are resolved, printed and stored like every other value."""
    plain, tried = (
        resolve(config, pairs=60, parameters=SMALL)
        for config in (TrainingConfig(), TrainingConfig(neftune=5, rslora=True))
    )
    assert plain.described()["neftune"] == {"value": 0.0, "origin": "default"}
    assert plain.described()["rslora"] == {"value": False, "origin": "default"}
    assert "neftune 5*, rslora True*" in tried.line()
