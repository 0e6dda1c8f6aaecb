"""What a training step of the embedded base costs on a CPU, and what each choice in it saves.

One thread and its processor time, so that other work on the machine disturbs the figures little. Takes some minutes.

    .venv/bin/python -m benchmarks.training_step [--home HOME]
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch

from model.base.loading import load_base
from model.chat import Message, encode_pair
from model.config import ModelConfig
from storage.files.home import find_home
from trainer.settings import TrainingConfig
from trainer.training.base import choose_attention, forbid_repacking
from trainer.training.likelihood import completion_losses
from trainer.training.qlora import attach_adapter
from trainer.training.recipe import resolve
from trainer.training.tokens import Collator, Example


@dataclass(frozen=True)
class Choice:
    """One way to make a step."""

    name: str
    bf16: bool = True
    plain_attention: bool = True
    dropout: float = 0.0
    prompt_scores: bool = False
    rows: int = 8


CHOICES = (
    Choice("as trained"),
    Choice("fp32 instead of bf16", bf16=False),
    Choice("fused attention", plain_attention=False),
    Choice("dropout 0.05", dropout=0.05),
    Choice("scores for the prompt too", prompt_scores=True),
    Choice("4 rows", rows=4),
    Choice("16 rows", rows=16),
)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, help="where the converted base is kept")
    home = find_home(parser.parse_args().home).ensure()
    torch.set_num_threads(1)
    print(f"{'':28}{'s/step':>8}{'tokens/s':>10}")
    for choice in CHOICES:
        seconds, tokens = measure(choice, home.models)
        print(f"{choice.name:28}{seconds:8.2f}{tokens / seconds:10.0f}", flush=True)


def measure(choice: Choice, cache: Path) -> tuple[float, int]:
    """Processor seconds of one forward and backward pass (the best of three), and the tokens in it."""
    base = load_base(ModelConfig(device="cpu", dtype="bfloat16" if choice.bf16 else "float32"), cache)
    forbid_repacking(base.model)
    if choice.plain_attention:
        choose_attention(base.model, base.device, longest=100)
    model = attach_adapter(base.model, resolve(TrainingConfig(dropout=choice.dropout), pairs=60, parameters=1))
    model.train()
    batch = some_batch(base.tokenizer, choice.rows)

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=choice.bf16):
            loss = model(**batch).loss if choice.prompt_scores else completion_losses(model, batch)[0].mean()
        loss.backward()

    step()
    return min(processor_seconds(step) for _ in range(3)), batch["input_ids"].numel()


def some_batch(tokenizer: Any, rows: int) -> dict[str, torch.Tensor]:
    """Rows of middling length from the example voice."""
    examples: list[Example] = []
    for line in files("bot").joinpath("examples/voice.jsonl").read_text(encoding="utf-8").splitlines():
        question, answer = json.loads(line)["messages"]
        ids, prompt_length = encode_pair(tokenizer, [Message("user", question["content"])], answer["content"])
        examples.append(Example(len(examples), tuple(ids), prompt_length))
    examples.sort(key=lambda example: len(example.ids))
    return Collator(0)([{"input_ids": list(e.ids), "labels": e.labels} for e in examples[40 : 40 + rows]])


def processor_seconds(work: Callable[[], None]) -> float:
    """Time that this process spent computing, whatever else ran."""
    began = time.process_time()
    work()
    return time.process_time() - began


if __name__ == "__main__":
    main()
