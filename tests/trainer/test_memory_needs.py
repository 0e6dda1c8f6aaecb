"""What a base needs to answer, as it is estimated and as it is allocated."""

from __future__ import annotations

import pytest
import torch
from transformers import AutoModelForCausalLM

from model.adapter.slots import AdapterSlots
from model.config import ModelConfig
from tests.tiny import tiny_config
from trainer.gpu_sharing import least_bytes
from trainer.memory_needs import memory_needs
from trainer.settings import TrainingConfig
from trainer.training.memory import EMBEDDED_SHAPE, ModelShape, Workload, training_footprint


@pytest.mark.parametrize("on_gpu", [False, True])
@pytest.mark.parametrize("rank", [8, 12])
def test_every_place_for_an_adapter_counts(rank, on_gpu):
    """Exactly as many bytes as the engine's slots take; a GPU has one more, for the adapter of a prompt."""
    config = tiny_config("llama")
    shape, model = ModelShape.from_config(config.to_dict()), AutoModelForCausalLM.from_config(config)
    numbers = torch.bfloat16 if on_gpu else torch.float32

    def serve(slots: int) -> float:
        settings = ModelConfig(lora_rank=rank, adapter_slots=slots)
        return memory_needs(shape, settings, TrainingConfig(), on_gpu=on_gpu).serve

    slots = AdapterSlots(model, 3, rank, numbers, torch.device("cpu"))
    each = sum(part[0].nbytes for linear in slots.linears.values() for part in (linear.a, linear.b))
    assert serve(4) - serve(1) == 3 * each
    assert serve(1) - serve(0) == each
    assert serve(0) - serve(-1 if on_gpu else 0) == on_gpu * each


def test_training_on_a_gpu_counts_the_way_that_takes_more():
    """Whether passes are packed is known only with the model."""
    settings = TrainingConfig()
    both = [
        training_footprint(EMBEDDED_SHAPE, "qlora", Workload(1, settings.max_tokens, 16, packed=packed)).total
        for packed in (False, True)
    ]
    assert least_bytes(EMBEDDED_SHAPE, settings) == max(both) + 0.7e9
    assert least_bytes(EMBEDDED_SHAPE, settings, on_gpu=False) == both[0] + 0.7e9
