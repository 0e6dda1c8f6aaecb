"""A home of a study: members' questions answered, approved, learned from by the trainer itself, and measured.

Everything but the people is real: the store, one run of the trainer for each night, the published adapters.
"""

from __future__ import annotations

import gc
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import torch

from benchmarks.learning.conversations import Exchange, as_pair, conversation
from model.config import ModelConfig
from storage.files.home import Home
from storage.origins import ORIGINS
from storage.reply_records import NewReply, Turn
from storage.store import Store
from trainer.evaluation import evaluate
from trainer.result import RunResult
from trainer.run import run_once
from trainer.settings import GateConfig, TrainerSettings, TrainingConfig
from trainer.training.helpers import load_for_training
from trainer.training.qlora import CHALLENGER, attach_adapter
from trainer.training.recipe import resolve
from trainer.training.tokens import encode_pairs

__all__ = ["Measured", "Place", "Plan", "general_scores"]

MEMBERS, MODERATORS = 12, 3


@dataclass(frozen=True)
class Plan:
    """What differs from the trainer's defaults in a study, and where the base is.

    Attributes:
        base: a model's name as in the settings.
        device: as in the settings.
        quick: a few steps only, to see that everything runs; its figures mean nothing.
        part: of the exchanges that a study has, for machines without a GPU; the first night keeps its own.
    """

    base: str = "embedded"
    device: str = "auto"
    quick: bool = False
    part: float = 1.0

    def settings(self) -> TrainerSettings:
        """The defaults, but for fewer and shorter sampled replies: nobody reads them here."""
        gate = GateConfig(samples=4, sample_tokens=48, canary_samples=1)
        training = TrainingConfig(learn_from=ORIGINS)
        if self.quick:
            gate = replace(gate, samples=1, sample_tokens=4, canary_samples=0, max_unstopped=1.0, canary_margin=1.0)
            training = replace(training, epochs=0.5, min_pairs=20, min_holdout=1)
        model = ModelConfig(base=self.base, device=self.device)
        return TrainerSettings(model=model, training=training, gate=gate, consent="operator")


@dataclass(frozen=True)
class Measured:
    """What an adapter is worth: the loss of each exchange in nats a token, and of each general choice in nats."""

    nlls: tuple[float, ...]
    choices: tuple[float, ...]

    @property
    def nll(self) -> float:
        return sum(self.nlls) / len(self.nlls)

    @property
    def general(self) -> dict[str, float]:
        return general_scores(self.choices)


def general_scores(choices: Sequence[float]) -> dict[str, float]:
    """Mean loss, questions right (in %), and the mean probability of the right answer among the two (in %)."""
    count = len(choices)
    return {
        "loss": sum(choices) / count,
        "right": 100 * sum(loss < math.log(2) for loss in choices) / count,
        "probability": 100 * sum(math.exp(-loss) for loss in choices) / count,
    }


class Place:
    """One home."""

    def __init__(self, root: Path, plan: Plan, models: Path) -> None:
        self.home = Home(root).ensure()
        self._settings = plan.settings()
        if not self.home.models.is_symlink():
            self.home.models.rmdir()
            self.home.models.symlink_to(models.resolve())

    @property
    def champion(self) -> str | None:
        with Store.open(self.home.db) as store:
            return store.champion()

    def hear(self, exchanges: Sequence[Exchange]) -> list[int]:
        """Members ask, the bot answers, moderators approve, each in turn; returns the replies' ids.

        What is there already from a study that was stopped is not added again.
        """
        with Store.open(self.home.db) as store:
            known = {(pair.turns[-1].content, pair.completion): pair.reply_id for pair in store.pairs()}
            return [self._approved(store, known, one, number) for number, one in enumerate(exchanges)]

    def _approved(self, store: Store, known: dict[tuple[str, str], int], exchange: Exchange, number: int) -> int:
        key = (exchange.question, exchange.answer)
        if key not in known:
            author = 100 + number % MEMBERS
            moderator = number % MODERATORS
            known[key] = store.add_reply(
                NewReply(
                    source="discord",
                    conversation=conversation(exchange),
                    turns=(Turn("user", exchange.question, author),),
                    text=exchange.answer,
                    adapter=None,
                    base_model="study",
                    guild_id=1,
                    channel_id=1,
                    asker_id=author,
                )
            )
            store.add_review(known[key], "approve", reviewer=f"moderator {moderator}", reviewer_id=moderator)
        return known[key]

    def night(self) -> RunResult:
        """One run of the trainer in this process; one that fails or is told to stop ends the study, which can go on."""
        result = run_once(self.home, self._settings, progress=_Silent())
        _free()
        if result.outcome == "failed":
            sys.exit(result.reason)
        return result

    def details(self, run: str) -> dict[str, Any]:
        with Store.open(self.home.db) as store:
            return store.run(run).details

    def set_aside(self) -> set[int]:
        """Replies in quarantine."""
        with Store.open(self.home.db) as store:
            return {one.reply_id for one in store.quarantined(limit=None)}

    def measure(self, exchanges: Sequence[Exchange]) -> Measured:
        """The champion (or the bare base) on exchanges and on the gate's general questions."""
        champion = self.champion
        try:
            return _measured(self._settings, self.home, champion, exchanges)
        finally:
            _free()


class _Silent:
    """A run's progress, for nobody."""

    def say(self, line: str) -> None:
        pass

    def step(self, done: int, total: int, note: str) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


def _measured(settings: TrainerSettings, home: Home, champion: str | None, exchanges: Sequence[Exchange]) -> Measured:
    base = load_for_training(settings.model, home.models)
    # A fresh adapter changes nothing: with it alone, the model is the bare base.
    model = attach_adapter(base.model, resolve(settings.training, pairs=1, parameters=1))
    who = evaluate.add_champion(model, home.adapters / champion) if champion else CHALLENGER
    tokenizer = base.tokenizer
    pad_id = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    pairs = [as_pair(number, exchange) for number, exchange in enumerate(exchanges)]
    examples = encode_pairs(tokenizer, pairs, max_tokens=settings.training.max_tokens).items
    nlls = evaluate.nlls_of(model, who, examples, pad_id=pad_id)
    return Measured(tuple(nlls), tuple(evaluate.choice_losses(model, who, tokenizer, pad_id=pad_id)))


def _free() -> None:
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
