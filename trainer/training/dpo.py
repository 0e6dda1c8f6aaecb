"""Direct preference optimisation of a trained adapter, with TRL's DPOTrainer. Needs the extra `dpo`.

Loss: -log sigmoid(beta ((log p - log p_ref)(chosen) - (log p - log p_ref)(rejected))) (Rafailov et al. 2023), with the
supervised adapter, frozen, as the reference on the same base, plus the plain negative log-likelihood of the chosen
answers (Pang et al. 2024): without it both answers may become less likely, and the held-out pairs with them.
"""

from __future__ import annotations

import copy
import importlib.util
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset

from trainer.training.adapter_weights import copy_adapter
from trainer.training.preferences import Triple
from trainer.training.qlora import CHALLENGER

__all__ = ["PreferenceRecipe", "is_available", "train_on_preferences"]

_POLICY, _REFERENCE = "default", "ref"  # the names that DPOTrainer (trl 1.16) looks for


@dataclass(frozen=True)
class PreferenceRecipe:
    """How preferences are learned.

    Attributes:
        beta: how much a step away from the reference counts.
        batch: choices in an optimizer step.
        supervised: weight of the plain loss on the chosen answers.
        noise: share of the choices that may be the wrong way round; above 0, their loss is corrected for it (robust
            DPO, Chowdhury et al. 2024, arXiv:2403.00409).
    """

    beta: float
    learning_rate: float
    batch: int = 8
    epochs: float = 1.0
    supervised: float = 1.0
    noise: float = 0.0
    warmup: float = 0.1
    max_grad_norm: float = 0.3


def is_available() -> bool:
    """Whether TRL is installed."""
    return importlib.util.find_spec("trl") is not None


def train_on_preferences(
    model: Any,
    tokenizer: Any,
    triples: Sequence[Triple],
    recipe: PreferenceRecipe,
    *,
    seed: int,
    pass_tokens: int,
    checkpointing: bool,
    scratch: Path,
    report: Callable[[int, int, dict[str, float]], None],
) -> int:
    """Train the challenger further in place; returns the number of steps.

    Args:
        model: a PEFT model with the challenger on it.
        tokenizer: the base's; it is not changed.
        triples: to learn from, at least one.
        recipe: how.
        seed: of their order.
        pass_tokens: most tokens in a forward pass, padding included.
        checkpointing: compute activations twice instead of keeping them.
        scratch: a folder for whatever the Trainer wants to write.
        report: called at each step.
    """
    model.add_adapter(_POLICY, copy.deepcopy(model.peft_config[CHALLENGER]))
    try:
        model.set_adapter(_POLICY)
        copy_adapter(model, CHALLENGER, _POLICY)
        longest = max(triple.longest for triple in triples)
        rows = max(1, min(recipe.batch, pass_tokens // (2 * longest)))
        args = _arguments(model, recipe, len(triples), rows, seed=seed, checkpointing=checkpointing, scratch=scratch)
        trainer = _trainer(model, tokenizer, triples, args)
        # DPOTrainer turns the adapters of a quantised base to bf16, where small updates are lost.
        for weight in model.parameters():
            if weight.requires_grad:
                weight.data = weight.data.float()
        copy_adapter(model, CHALLENGER, _POLICY)
        _report_to(trainer, report)
        trainer.train()
        steps = int(trainer.state.global_step)
        copy_adapter(model, _POLICY, CHALLENGER)
    finally:
        model.set_adapter(CHALLENGER)
        for name in (_POLICY, _REFERENCE):
            if name in model.peft_config:
                model.delete_adapter(name)
    return steps


def _trainer(model: Any, tokenizer: Any, triples: Sequence[Triple], args: Any) -> Any:
    from trl.trainer.dpo_trainer import DPOTrainer

    class TokenisedTrainer(DPOTrainer):
        """Takes rows that are tokens already: rendering belongs to model.chat."""

        def _prepare_dataset(self, dataset: Dataset, *_: Any) -> Dataset:
            return dataset

    return TokenisedTrainer(
        model=model,
        args=args,
        train_dataset=Dataset.from_list([_row(triple) for triple in triples]),
        processing_class=copy.deepcopy(tokenizer),  # it sets a pad token where none is
    )


def _arguments(
    model: Any, recipe: PreferenceRecipe, triples: int, rows: int, *, seed: int, checkpointing: bool, scratch: Path
) -> Any:
    from trl.trainer.dpo_config import DPOConfig

    device = next(model.parameters()).device
    steps = math.ceil(triples / recipe.batch * recipe.epochs)
    kind = "robust" if recipe.noise else "sigmoid"
    return DPOConfig(
        output_dir=str(scratch),
        beta=recipe.beta,
        loss_type=[kind, "sft"] if recipe.supervised else [kind],
        label_smoothing=recipe.noise,
        loss_weights=[1.0, recipe.supervised] if recipe.supervised else [1.0],
        max_length=None,
        num_train_epochs=recipe.epochs,
        per_device_train_batch_size=rows,
        gradient_accumulation_steps=math.ceil(recipe.batch / rows),
        learning_rate=recipe.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=math.ceil(recipe.warmup * steps),
        max_grad_norm=recipe.max_grad_norm,
        optim="paged_adamw_8bit",
        bf16=model.dtype == torch.bfloat16,
        fp16=model.dtype == torch.float16,
        activation_checkpointing=checkpointing,
        save_strategy="no",
        logging_strategy="steps",
        logging_steps=1,
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=device.type == "cuda",
        use_cpu=device.type == "cpu",
        seed=seed,
        data_seed=seed,
    )


def _row(triple: Triple) -> dict[str, list[int]]:
    cut = triple.prompt_length
    return {
        "prompt_ids": list(triple.chosen.ids[:cut]),
        "chosen_ids": list(triple.chosen.ids[cut:]),
        "rejected_ids": list(triple.rejected.ids[cut:]),
    }


def _report_to(trainer: Any, report: Callable[[int, int, dict[str, float]], None]) -> None:
    from transformers import TrainerCallback
    from transformers.trainer_callback import PrinterCallback

    class Reporter(TrainerCallback):
        """Hands the figures on under names of their own, so that they stand beside the supervised curve."""

        def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002 - the library's
            logs = kwargs["logs"]
            found = {"preference_loss": "loss", "preference_margin": "rewards/margins"}
            values = {ours: float(logs[theirs]) for ours, theirs in found.items() if theirs in logs}
            if values:
                report(state.global_step, state.max_steps, values)

    trainer.pop_callback(PrinterCallback)
    trainer.add_callback(Reporter())
