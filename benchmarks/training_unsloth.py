"""The Unsloth arms of benchmarks/training.py, run by a Python that has Unsloth: it wants versions of its own.

The same pairs, rank and batch as the others; with packing, the pairs of a step lie one behind the other. Imports
nothing of Nightshift but the works.

    python -m benchmarks.training_unsloth ARM '{"base": DIRECTORY, "steps": 20, "scratch": DIRECTORY}'
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["UNSLOTH_DISABLE_STATISTICS"] = "1"
_RANK, _ALPHA = 16, 32
_TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def main() -> None:
    """Figures as JSON on the last line."""
    import unsloth  # type: ignore[import-not-found]  # noqa: F401 - patches what is imported after it

    from benchmarks.training_work import works

    arm, order = sys.argv[1], json.loads(sys.argv[2])
    found = {}
    for work in works(order["steps"] or 20, on_gpu=True):
        found[work.name] = measure(
            work, order["base"], Path(order["scratch"]), order["steps"] or 20, packed=arm == "unsloth-packed"
        )
    print(json.dumps(found), flush=True)


def measure(work: Any, base: str, scratch: Path, steps: int, *, packed: bool) -> dict[str, Any]:
    """Train on one work, without checkpointing unless the work asks for it."""
    import torch
    from datasets import Dataset
    from transformers import TrainerCallback
    from trl import SFTConfig, SFTTrainer
    from unsloth import FastLanguageModel

    from benchmarks.training_work import SEED, WARM, Clock, Counts, peak_gb, reset_peak, words

    model, tokenizer = FastLanguageModel.from_pretrained(
        base, max_seq_length=2048, load_in_4bit=True, dtype=torch.bfloat16, local_files_only=True
    )
    checkpointing = "unsloth" if work.checkpointing == "on" else False
    model = FastLanguageModel.get_peft_model(
        model, r=_RANK, lora_alpha=_ALPHA, target_modules=_TARGETS, use_gradient_checkpointing=checkpointing
    )
    clock, counts = Clock(), Counts()

    class Ticking(TrainerCallback):
        def on_step_end(self, *_args: Any, **_options: Any) -> None:
            torch.cuda.synchronize()
            clock.tick()

    arguments = SFTConfig(
        output_dir=str(scratch),
        max_steps=min(steps + WARM, len(work.lengths) // work.batch),
        per_device_train_batch_size=work.batch,
        bf16=True,
        optim="adamw_8bit",
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
        seed=SEED,
        dataset_kwargs={"skip_prepare_dataset": True},
    )
    collate = _one_behind_the_other if packed else _padded
    trainer = SFTTrainer(
        model=model,
        args=arguments,
        train_dataset=Dataset.from_list([{"input_ids": ids} for ids in words(work)]),
        processing_class=tokenizer,
        data_collator=counts.watch(collate),
        callbacks=[Ticking()],
    )
    if packed:
        _allow_packing(model)
    reset_peak()
    trainer.train()
    result = {
        "tokens_per_s": clock.rate(counts.real),
        **peak_gb(),
        "estimate_gb": None,
        "padding": 1 - sum(counts.real) / sum(counts.padded),
        "how": f"checkpointing {checkpointing}, {'packed' if packed else 'padded'}",
    }
    del trainer, model
    reset_peak()
    return result


def _labels(ids: list[int]) -> list[int]:
    return [-100] * (len(ids) // 2) + ids[len(ids) // 2 :]


def _padded(rows: list[dict[str, list[int]]]) -> dict[str, Any]:
    import torch

    longest = max(len(row["input_ids"]) for row in rows)

    def filled(of: Callable[[list[int]], list[int]], filling: int) -> Any:
        return torch.tensor([of(row["input_ids"]) + [filling] * (longest - len(row["input_ids"])) for row in rows])

    return {
        "input_ids": filled(list, 0),
        "labels": filled(_labels, -100),
        "attention_mask": filled(lambda ids: [1] * len(ids), 0),
    }


def _one_behind_the_other(rows: list[dict[str, list[int]]]) -> dict[str, Any]:
    """A batch of one row, as Unsloth's own packing collator leaves it."""
    import torch

    pairs = [row["input_ids"] for row in rows]
    return {
        "input_ids": torch.tensor([[token for ids in pairs for token in ids]]),
        "labels": torch.tensor([[label for ids in pairs for label in _labels(ids)]]),
        "position_ids": torch.tensor([[place for ids in pairs for place in range(len(ids))]]),
        "packed_seq_lengths": torch.tensor([len(ids) for ids in pairs], dtype=torch.int32),
    }


def _allow_packing(model: Any) -> None:
    from unsloth.utils.packing import mark_allow_overlength  # type: ignore[import-not-found]

    mark_allow_overlength(model)


if __name__ == "__main__":
    main()
