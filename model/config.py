"""The model's settings, parsed elsewhere and handed in as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

__all__ = ["MemoryConfig", "ModelConfig"]


@dataclass(frozen=True)
class MemoryConfig:
    """What texts are compared with each other by."""

    embedder: Annotated[str, Field(min_length=1, max_length=1000)] = "embedded"
    """`embedded`, a Hugging Face id or a directory of a sentence-transformers model, or `none`."""


@dataclass(frozen=True)
class ModelConfig:
    """How to load and serve the base model.

    Attributes:
        base: `embedded`, a local model directory, or a Hugging Face id (`owner/name` or `owner/name@revision`).
        device: `auto` (the first GPU, else the CPU), `cpu`, `cuda` or `cuda:N`.
        dtype: compute type; `auto` is bf16 on a GPU that has it, else fp32.
        context_tokens: longest prompt plus answer of one conversation, in tokens.
        slots: conversations answered at once; 0 chooses from the free memory.
        max_queue: requests that may wait; one more is refused at once.
        prefill_chunk: prompt tokens computed between two decode steps; 0 chooses by device.
        chat_template: a file with the chat template to use, in Jinja; empty is the base's own. Relative to the home.
        lora_rank: largest adapter rank that swaps without a new allocation; the slot takes the next power of two.
    """

    base: str = "embedded"
    device: Annotated[str, Field(pattern=r"^(auto|cpu|mps|cuda(:\d{1,2})?)$")] = "auto"
    dtype: Literal["auto", "bfloat16", "float32"] = "auto"
    context_tokens: Annotated[int, Field(ge=64, le=1 << 20)] = 2048
    slots: Annotated[int, Field(ge=0, le=4096)] = 0
    max_queue: Annotated[int, Field(ge=1, le=100_000)] = 64
    prefill_chunk: Annotated[int, Field(ge=0, le=1 << 20)] = 0
    lora_rank: Annotated[int, Field(ge=1, le=256)] = 16
    chat_template: str = ""
