"""One arm of benchmarks/training.py in a process of its own: an order as JSON in, figures as JSON on the last line.

Arms: `prepare` makes the base in NF4; `nightshift` and `trl` train on the same pairs of random words.
"""

from __future__ import annotations

import gc
import json
import math
import os
import platform
import shutil
import sys
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import torch

from benchmarks.training_work import SEED, WARM, Clock, Counts, Work, peak_gb, reset_peak, words, works
from model.base.loading import LoadedBase, load_base
from model.config import ModelConfig
from trainer.training.base import choose_attention, forbid_repacking, free_bytes, training_dtype
from trainer.training.batches import cut, plan_steps
from trainer.training.memory import Fit, ModelShape, Workload, choose_fit, training_footprint
from trainer.training.packed_decoder import has_known_layers
from trainer.training.packed_passes import packs_well
from trainer.training.packing import PASS_TOKENS, pack, size_among, sizes_to_capture
from trainer.training.recipe import Recipe
from trainer.training.steps import pass_cost
from trainer.training.tokens import Example


def main() -> None:
    """Do what the arguments say: an arm and its order."""
    arm, order = sys.argv[1], json.loads(sys.argv[2])
    if arm == "prepare":
        found = prepare(Path(order["folder"]), order["base"], convert=order["convert"])
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


def prepare(folder: Path, base: str, *, convert: bool) -> dict[str, Any]:
    """The base, and in NF4 in a cache that Nightshift and TRL load."""
    from benchmarks.random_base import random_7b

    on_gpu = torch.cuda.is_available()
    title = base or ("Mistral 7B's shape, random weights" if on_gpu else "SmolLM2-135M")
    name = base or (str(random_7b(folder / "base")) if on_gpu else "embedded")
    if convert:
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
    packed = base.device.type == "cuda" and has_known_layers(base.model)
    load = Workload(work.batch, longest, 16, compute=base.dtype.itemsize, packed=packed)
    fit = choose_fit(shape, load, free_bytes(base.device), longest=longest, wish=work.checkpointing)
    plan = plan_steps(work.lengths, batch=work.batch, epochs=epochs, seed=SEED)
    clock = Clock()
    model = attach_adapter(base.model, recipe)
    reset_peak()
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
    passes, sizes, how = _passes(model, recipe, work, fit, plan)
    real = [sum(work.lengths[index] for index in step) for step in plan]
    largest = max(max(step) for step in sizes)
    estimate = training_footprint(
        shape, "qlora", replace(load, rows=1, tokens=largest, checkpointing=fit.checkpointing)
    )
    shutil.rmtree(scratch, ignore_errors=True)
    return {
        "tokens_per_s": clock.rate(real),
        **peak_gb(),
        "estimate_gb": round(estimate.total / 1e9, 2),
        "padding": 1 - sum(real) / sum(map(sum, sizes)),
        "how": f"{passes:.1f} passes a step, {how}, {fit.line()}",
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
    reset_peak()
    trainer.train()
    shutil.rmtree(scratch, ignore_errors=True)
    return {
        "tokens_per_s": clock.rate(counts.real),
        **peak_gb(),
        "estimate_gb": None,
        "padding": 1 - sum(counts.real) / sum(counts.padded),
        "how": f"SFTConfig: checkpointing {arguments.gradient_checkpointing}, bf16 {arguments.bf16}, {arguments.optim}",
    }


def _examples(work: Work) -> list[Example]:
    return [Example(number, tuple(ids), len(ids) // 2) for number, ids in enumerate(words(work))]


def _passes(
    model: Any, recipe: Recipe, work: Work, fit: Fit, plan: Sequence[Sequence[int]]
) -> tuple[float, list[list[int]], str]:
    """Passes in a step, the tokens of each with padding, and what they are called."""
    from trainer.training.qlora import CHALLENGER

    if packs_well(model, CHALLENGER, recipe):
        most = min(fit.tokens, PASS_TOKENS)
        cuts = [pack(step, work.lengths, rows=work.batch, tokens=most) for step in plan]
        tokens = [[sum(work.lengths[index] for index in one) for one in step] for step in cuts]
        captured = sizes_to_capture(count for step in tokens for count in step)
        sizes = [[size_among(count, captured) for count in step] for step in tokens]
        how = f"packed, captured {captured}"
    else:
        cost = pass_cost(next(model.parameters()).device)
        cuts = [cut(step, work.lengths, rows=work.batch, tokens=fit.tokens, pass_cost=cost) for step in plan]
        sizes = [[len(one) * max(work.lengths[index] for index in one) for one in step] for step in cuts]
        how = "padded"
    return sum(map(len, cuts)) / len(cuts), sizes, how


def _config(base: str) -> ModelConfig:
    on_gpu = torch.cuda.is_available()
    return ModelConfig(base=base, dtype="auto" if on_gpu else training_dtype(torch.device("cpu"), "auto"))


def _load(base: str, cache: Path) -> LoadedBase:
    return load_base(_config(base), cache)


if __name__ == "__main__":
    main()
