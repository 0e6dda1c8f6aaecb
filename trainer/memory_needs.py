"""What a base model needs here: memory to answer, to train, and to do both at once. Pure: sizes in, bytes out.

Estimates from the model's shape alone. `nightshift init` chooses by them and `nightshift doctor` compares them with
the machine.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from model.adapter.bank import slot_rank
from model.catalog import CatalogEntry
from model.config import ModelConfig
from trainer.gpu_sharing import least_bytes
from trainer.settings import TrainingConfig
from trainer.training.memory import ModelShape

__all__ = ["MemoryNeeds", "catalog_shape", "memory_needs"]

_NF4 = 0.5 + 1 / 64 + 4 / (64 * 256)
_WORKING = 0.8e9  # activations of a piece of a prompt, kernels and the libraries, as in model/base/memory.py
_SLOTS = {"cpu": 8, "cuda": 4}  # conversations at once that are counted where the setting leaves it open


@dataclass(frozen=True, slots=True)
class MemoryNeeds:
    """Bytes: to answer, to train at least, and for both at the same time."""

    serve: float
    train: float

    @property
    def both(self) -> float:
        return self.serve + self.train


def memory_needs(shape: ModelShape, model: ModelConfig, training: TrainingConfig, *, on_gpu: bool) -> MemoryNeeds:
    """What answering and training take with these settings; on a CPU numbers have four bytes instead of two."""
    compute = 2 if on_gpu else 4
    places = model.adapter_slots + on_gpu  # a GPU holds the adapter of the prompt that it reads once more
    adapters = places * shape.adapter_parameters(slot_rank(model.lora_rank))
    weights = _NF4 * shape.linear_parameters + compute * (shape.other_parameters + adapters)
    slots = model.slots or _SLOTS["cuda" if on_gpu else "cpu"]
    cache = 2 * shape.layers * shape.kv_heads * shape.head_size * compute * model.context_tokens * slots
    wider = 0 if on_gpu else 2 * shape.other_parameters
    return MemoryNeeds(weights + cache + _WORKING, least_bytes(shape, training, on_gpu=on_gpu) + wider)


def catalog_shape(entry: CatalogEntry) -> ModelShape:
    """The shape of a model of the catalog, as the estimates take it."""
    return ModelShape(**dataclasses.asdict(entry.shape))
