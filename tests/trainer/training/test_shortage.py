"""Memory that runs out in training: smaller passes, the same learning."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
import torch

from tests.trainer.training.test_qlora import examples_of, into, recipe_of
from trainer.errors import MemoryShort
from trainer.training.base import forbid_repacking, free_bytes
from trainer.training.memory import Fit
from trainer.training.qlora import attach_adapter, train


@pytest.fixture
def learn(tiny_base, tmp_path):
    """Train a tiny base whose GPU holds at most `room` (rows, tokens) in a pass; gives the losses and what was said."""

    def run(room, error=torch.OutOfMemoryError, **changes):
        base = tiny_base.load()
        forbid_repacking(base.model)
        torch.manual_seed(0)
        recipe = recipe_of(epochs=1, batch=8, dropout=0.1, **changes)
        model = attach_adapter(base.model, recipe)

        def check(_module, _inputs, options):
            rows, length = options["input_ids"].shape
            if torch.is_grad_enabled() and not room(rows, length, base.model.is_gradient_checkpointing):
                raise error("CUDA out of memory. Tried to allocate 3.00 GiB")

        model.register_forward_pre_hook(check, with_kwargs=True)
        examples, said, losses = examples_of(base), [], []
        learned = train(
            model,
            examples[:34],
            examples[34:],
            recipe,
            pad_id=0,
            seed=1,
            **{**into(Path(tempfile.mkdtemp(dir=tmp_path))), "say": said.append},
            report=lambda _step, _total, figures: losses.append(figures["loss"]) if "loss" in figures else None,
        )
        return losses, said, learned

    return run


@pytest.mark.parametrize("error", [torch.OutOfMemoryError, MemoryError, RuntimeError])
def test_a_pass_that_does_not_fit_is_halved_until_it_does(learn, error):
    """The step keeps its pairs, so the loss stays what it was; it is said once for each time."""
    plenty, silence, _ = learn(lambda rows, length, again: True)
    short, said, learned = learn(lambda rows, length, again: rows <= 2, error)
    assert short == pytest.approx(plenty, rel=1e-3)
    assert silence == []
    assert 2 <= len(said) <= 4
    assert said[0].startswith("Memory ran out with 8 x")
    assert "the step keeps its pairs" in said[0]
    assert not learned.checkpointing


def test_with_one_pair_left_activations_are_computed_again(learn):
    """The last thing that can be tried."""
    _, said, learned = learn(lambda rows, length, again: rows == 1 and again)
    assert said[-1].endswith("from now on activations are computed again instead of kept")
    assert learned.checkpointing


def test_when_nothing_helps_the_sentence_says_what_would(learn):
    """Not even one pair fits."""
    with pytest.raises(MemoryShort, match=r"single pair of \d+ tokens: lower training.max_tokens"):
        learn(lambda rows, length, again: False)


def test_other_errors_are_not_taken_for_a_lack_of_memory(learn):
    """They end the run at once."""
    with pytest.raises(ZeroDivisionError):
        learn(lambda rows, length, again: 1 / 0)


def test_less_room_is_remembered_for_the_rest_of_the_training(learn):
    """Nothing is tried twice."""
    tried = []
    learn(lambda rows, length, again: tried.append(rows) or rows <= 4)
    assert sum(rows > 4 for rows in tried) <= 2


def test_fit_reads_as_a_line():
    """It stands behind the recipe."""
    assert Fit(checkpointing=True, tokens=4096).line() == "at most 4096 tokens in a pass, checkpointing on"


def test_on_a_cpu_half_of_what_is_available_is_ours():
    """The bot and others live there too."""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert 0 < free_bytes(torch.device("cpu")) <= physical / 2
