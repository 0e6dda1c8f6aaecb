"""The factor of an fp16 training: gradients without it are what they were, and an overflow is tried again."""

from __future__ import annotations

import pytest
import torch

from trainer.errors import TrainingDiverged
from trainer.training.loss_scale import LossScale


def test_other_types_need_no_factor():
    """Not even a look at the gradients."""
    gradients = [torch.tensor([float("inf")])]
    scale = LossScale(torch.bfloat16)
    assert scale.value == 1
    assert scale.undo(gradients)


def test_gradients_are_divided_by_the_factor():
    """All of them, in place."""
    scale = LossScale(torch.float16)
    gradients = [torch.full((3,), scale.value), torch.full((2,), -2 * scale.value)]
    assert scale.undo(gradients)
    assert [gradient.tolist() for gradient in gradients] == [[1.0] * 3, [-2.0] * 2]


def test_an_overflow_asks_for_another_try_with_a_smaller_factor():
    """The gradients are not touched: they are computed again."""
    scale = LossScale(torch.float16)
    first = scale.value
    assert not scale.undo([torch.ones(3), torch.tensor([float("nan")])])
    assert scale.value < first


def test_when_no_factor_helps_training_has_diverged():
    """Instead of trying for ever."""
    scale, gradients = LossScale(torch.float16), [torch.tensor([float("inf")])]

    def try_for_ever():
        while not scale.undo(gradients):
            pass

    with pytest.raises(TrainingDiverged):
        try_for_ever()


def test_after_many_good_steps_a_larger_factor_is_tried():
    """Gradients become smaller as training goes on."""
    scale = LossScale(torch.float16)
    first = scale.value
    for _ in range(200):
        scale.undo([torch.ones(1)])
    assert scale.value == 2 * first
