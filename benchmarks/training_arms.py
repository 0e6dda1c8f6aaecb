"""One arm of benchmarks/training.py in a process of its own: an order as JSON in, figures as JSON on the last line.

Arms: `prepare` makes the base in NF4; `nightshift` and `trl` train on the same pairs of random words.
"""

from __future__ import annotations

import gc
import json
import math
import os
import platform
import random
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

import torch

from model.base.loading import LoadedBase, load_base
from model.config import ModelConfig
from trainer.training.base import choose_attention, forbid_repacking, free_bytes, training_dtype
from trainer.training.batches import cut, plan_steps
from trainer.training.memory import Fit, ModelShape, Workload, choose_fit, training_footprint
from trainer.training.recipe import Recipe
from trainer.training.steps import pass_cost
from trainer.training.tokens import Example

WARM = 3 if torch.cuda.is_available() else 1  # steps before the clock starts
SEED = 1


@dataclass(frozen=True)
class Work:
    """What is trained on: `pairs` of these lengths in tokens, `batch` in a step, half of each labelled."""

    name: str
    lengths: tuple[int, ...]
    batch: int
    checkpointing: Literal["auto", "on", "off"] = "auto"
    ours_only: bool = False


def works(steps: int, *, on_gpu: bool) -> list[Work]:
    """Chat lengths (log-normal, mean about 145 tokens), and full ones."""
    chance = random.Random(SEED)
    batch = 16 if on_gpu else 4
    chat = tuple(
        min(1024, max(16, round(chance.lognormvariate(math.log(145) - 0.18, 0.6)))) for _ in range(200 * batch)
    )
    full = (512,) * (4 * (steps + WARM))
    if not on_gpu:
        return [Work(f"chat lengths, {batch} pairs a step", chat, batch)]
    return [
        Work(f"chat lengths, {batch} pairs a step", chat, batch),
        Work("4 x 512, checkpointing on", full, 4, "on"),
        Work("4 x 512, as memory allows", full, 4, ours_only=True),
    ]


def main() -> None:
    """Do what the arguments say: an arm and its order."""
    arm, order = sys.argv[1], json.loads(sys.argv[2])
    if arm == "prepare":
        found = prepare(Path(order["folder"]), order["base"])
    else:
        on_gpu = torch.cuda.is_available()
        steps = order["steps"] or (20 if on_gpu else 3)
        found = {}
        for work in works(steps, on_gpu=on_gpu):
            if arm == "trl" and work.ours_only:
                continue
            base = _load(order["base"], Path(order["cache"]))
            measured = {"nightshift": ours, "trl": theirs}[arm](base, work, steps, Path(order["scratch"]) / work.name)
            found[work.name] = measured
            del base
            gc.collect()
            if on_gpu:
                torch.cuda.empty_cache()
    print(json.dumps(found), flush=True)


def prepare(folder: Path, base: str) -> dict[str, Any]:
    """The base in NF4, in a cache that both arms load."""
    from benchmarks.random_base import random_7b

    on_gpu = torch.cuda.is_available()
    title = base or ("Mistral 7B's shape, random weights" if on_gpu else "SmolLM2-135M")
    name = base or (str(random_7b(folder / "base")) if on_gpu else "embedded")
    load_base(_config(name), folder / "models")
    machine = torch.cuda.get_device_name() if on_gpu else f"{platform.machine()} CPU, {os.cpu_count()} cores"
    return {
        "base": name,
        "cache": str(folder / "models"),
        "title": title,
        "machine": f"{machine}, torch {torch.__version__}",
    }


def ours(base: LoadedBase, work: Work, steps: int, scratch: Path) -> dict[str, Any]:
    """Train with Nightshift's loop."""
    from trainer.training.qlora import attach_adapter, train

    forbid_repacking(base.model)
    examples = _examples(work)
    total = steps + WARM
    epochs = total / math.ceil(len(examples) / work.batch)
    recipe = Recipe(
        rank=16,
        alpha=32,
        dropout=0.0,
        learning_rate=1e-4,
        epochs=epochs,
        batch=work.batch,
        micro_batch=work.batch,
        warmup=0.0,
        weight_decay=0.0,
        max_grad_norm=0.3,
        evaluations_per_epoch=1,
        patience=9,
        neftune=0.0,
        rslora=False,
        origins=dict.fromkeys((field.name for field in fields(Recipe)), "set"),
    )
    longest = max(work.lengths)
    choose_attention(base.model, base.device, longest)
    shape = ModelShape.from_config(base.model.config.to_dict())
    load = Workload(work.batch, longest, 16, compute=base.dtype.itemsize)
    fit = choose_fit(shape, load, free_bytes(base.device), longest=longest, wish=work.checkpointing)
    plan = plan_steps(work.lengths, batch=work.batch, epochs=epochs, seed=SEED)
    clock = Clock()
    model = attach_adapter(base.model, recipe)
    _reset_peak()
    train(
        model,
        examples,
        examples[:2],
        recipe,
        pad_id=0,
        seed=SEED,
        fit=fit,
        checkpoints=scratch,
        minutes=60,
        report=lambda _step, _total, figures: clock.tick() if "loss" in figures else None,
        say=lambda line: print(line, file=sys.stderr),
    )
    cost = pass_cost(base.device)
    passes = [cut(step, work.lengths, rows=work.batch, tokens=fit.tokens, pass_cost=cost) for step in plan]
    real = [sum(work.lengths[index] for index in step) for step in plan]
    padded = [_padded(one, work) for one in passes]
    largest = max(len(indices) * max(work.lengths[i] for i in indices) for one in passes for indices in one)
    estimate = training_footprint(
        shape, "qlora", Workload(1, largest, 16, checkpointing=fit.checkpointing, compute=base.dtype.itemsize)
    )
    shutil.rmtree(scratch, ignore_errors=True)
    return {
        "tokens_per_s": clock.rate(real),
        "peak_gb": _peak_gb(),
        "estimate_gb": round(estimate.total / 1e9, 2),
        "padding": 1 - sum(real) / sum(padded),
        "how": _how(fit, sum(map(len, passes)) / len(passes)),
    }


def theirs(base: LoadedBase, work: Work, steps: int, scratch: Path) -> dict[str, Any]:
    """Train with TRL's SFTTrainer, the batch and rank the same and the rest as it comes."""
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import TrainerCallback
    from trl import SFTConfig, SFTTrainer

    rows = [
        {"input_ids": list(example.ids), "completion_mask": [int(label != -100) for label in example.labels]}
        for example in _examples(work)
    ]
    clock, counts = Clock(), Counts()

    class Ticking(TrainerCallback):
        def on_step_end(self, *_args: Any, **_options: Any) -> None:
            if base.device.type == "cuda":
                torch.cuda.synchronize()
            clock.tick()

    on_cpu: dict[str, Any] = {} if base.device.type == "cuda" else {"use_cpu": True, "bf16": False}
    arguments = SFTConfig(
        output_dir=str(scratch),
        max_steps=steps + WARM,
        per_device_train_batch_size=work.batch,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        seed=SEED,
        **on_cpu,
    )
    if base.tokenizer.pad_token is None:
        base.tokenizer.pad_token = base.tokenizer.eos_token
    trainer = SFTTrainer(
        model=base.model,
        args=arguments,
        train_dataset=Dataset.from_list(rows),
        processing_class=base.tokenizer,
        peft_config=LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM"),
        callbacks=[Ticking()],
    )
    trainer.data_collator = counts.watch(trainer.data_collator)
    _reset_peak()
    trainer.train()
    shutil.rmtree(scratch, ignore_errors=True)
    return {
        "tokens_per_s": clock.rate(counts.real),
        "peak_gb": _peak_gb(),
        "estimate_gb": None,
        "padding": 1 - sum(counts.real) / sum(counts.padded),
        "how": f"SFTConfig: checkpointing {arguments.gradient_checkpointing}, bf16 {arguments.bf16}, {arguments.optim}",
    }


class Clock:
    """When each step ended."""

    def __init__(self) -> None:
        self._at: list[float] = []

    def tick(self) -> None:
        self._at.append(time.perf_counter())

    def rate(self, tokens: list[int]) -> float:
        """Real tokens a second, from the end of the last warm step."""
        last = len(self._at)
        return round(sum(tokens[WARM:last]) / (self._at[last - 1] - self._at[WARM - 1]), 1)


class Counts:
    """Real and padded tokens of each batch that a collator made, in order."""

    def __init__(self) -> None:
        self.real: list[int] = []
        self.padded: list[int] = []

    def watch(self, collate: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """The same collator, counted."""

        def counting(rows: Any) -> Any:
            batch = collate(rows)
            self.real.append(sum(len(row["input_ids"]) for row in rows))
            self.padded.append(batch["input_ids"].numel())
            return batch

        return counting


def _examples(work: Work) -> list[Example]:
    chance = random.Random(SEED)
    return [
        Example(number, tuple(chance.choices(range(3, 500), k=length)), length // 2)
        for number, length in enumerate(work.lengths)
    ]


def _padded(passes: list[list[int]], work: Work) -> int:
    return sum(len(indices) * max(work.lengths[index] for index in indices) for indices in passes)


def _how(fit: Fit, passes: float) -> str:
    return f"{passes:.1f} passes a step, {fit.line()}"


def _config(base: str) -> ModelConfig:
    on_gpu = torch.cuda.is_available()
    return ModelConfig(base=base, dtype="auto" if on_gpu else training_dtype(torch.device("cpu"), "auto"))


def _load(base: str, cache: Path) -> LoadedBase:
    return load_base(_config(base), cache)


def _reset_peak() -> None:
    if torch.cuda.is_available():
        gc.collect()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def _peak_gb() -> float | None:
    return round(torch.cuda.max_memory_allocated() / 1e9, 2) if torch.cuda.is_available() else None


if __name__ == "__main__":
    main()
