"""Nights of known worth, judged by the gate: each line is one real training, what the gate saw, and what it was worth.

A bot learns from some exchanges. Then come nights that it could have next: `good` ones with new exchanges, and `bad`
ones in which most of the new answers were swapped, which no check of the pairs keeps out here. The worth of a night is
measured on exchanges that no training sees: the champion's loss minus the challenger's. Replies are not generated;
the gate judges the losses alone. The base is loaded once for all of a bot's nights.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import mean, pstdev
from typing import Any

import torch

from benchmarks.learning.conversations import Exchange, as_pair, conversation, shuffled
from model.config import ModelConfig
from trainer.cross_fitting import CrossFitting, cross_fit
from trainer.evaluation.evaluate import CHAMPION, nlls_of
from trainer.evaluation.evidence import Evidence, Score
from trainer.evaluation.gate import decide
from trainer.settings import GateConfig, TrainingConfig
from trainer.snapshot.holdout import is_held_out
from trainer.training.adapter_weights import draw_afresh, restore, weights_of
from trainer.training.base import choose_attention
from trainer.training.helpers import load_for_training
from trainer.training.memory import Fit
from trainer.training.qlora import CHALLENGER, Learned, attach_adapter, train
from trainer.training.recipe import Recipe, resolve, validation_size
from trainer.training.tokens import Example, encode_pairs

__all__ = ["KINDS", "Line", "Sizes", "nights"]

Line = dict[str, Any]
KINDS = ("good", "bad")

FAST = TrainingConfig(batch=8, epochs=3.0, learning_rate=1e-3, evaluations_per_epoch=1)
"""Fewer and larger steps than the default, which a GPU takes as fast as small ones; the losses are the same."""


@dataclass(frozen=True)
class Sizes:
    """How many exchanges the bot knows, its nights have in turns, no night has; what share of a bad one is swapped."""

    taught: int = 120
    good: tuple[int, ...] = (45, 70, 100, 140)
    bad: tuple[int, ...] = (30, 60, 90, 120)
    unseen: int = 300
    swapped: float = 1.0


@dataclass(frozen=True)
class _Workshop:
    """The base with the places of champion and challenger on it."""

    model: Any
    tokenizer: Any
    pad_id: int
    training: TrainingConfig
    parameters: int


def nights(
    corpus: list[Exchange],
    models: Path,
    base: ModelConfig,
    sizes: Sizes,
    *,
    seed: int,
    scratch: Path,
    done: Sequence[Line],
    gate: GateConfig,
) -> Iterator[Line]:
    """One line for each night of a bot that is not in `done`: good and bad in turns, without end."""
    order = shuffled(corpus, 1000 + seed)
    unseen_questions = set(list(dict.fromkeys(one.question for one in order))[-sizes.unseen :])
    unseen = [one for one in order if one.question in unseen_questions][: sizes.unseen]
    rest = [one for one in order if one.question not in unseen_questions]
    taught, fresh = rest[: sizes.taught], rest[sizes.taught :]
    shop = _open(base, models)
    taught_weights: dict[str, torch.Tensor] | None = None
    number = len(done)
    while True:
        if taught_weights is None:
            _train(shop, _known(taught), seed=1, scratch=scratch / "taught")
            taught_weights = weights_of(shop.model, CHALLENGER)
            taught_weights = {name.replace(CHALLENGER, CHAMPION): one for name, one in taught_weights.items()}
            restore(shop.model, CHAMPION, taught_weights)
        kind, draw = KINDS[number % 2], number // 2
        counts = sizes.good if kind == "good" else sizes.bad
        tonight = shuffled(fresh, 31 * seed + draw)[: counts[(seed + draw) % len(counts)]]
        if kind == "bad":
            tonight = _swapped(tonight, sizes.swapped)
        line = _night(shop, taught, tonight, unseen, gate=gate, scratch=scratch)
        yield {"seed": seed, "night": number, "kind": kind, "draw": draw, **line}
        number += 1


def _night(
    shop: _Workshop,
    taught: Sequence[Exchange],
    tonight: Sequence[Exchange],
    unseen: Sequence[Exchange],
    *,
    gate: GateConfig,
    scratch: Path,
) -> Line:
    began = time.monotonic()
    pairs = [*taught, *tonight]
    examples = _encode(shop, pairs)
    numbers = {example.reply_id: example for example in examples}
    judged = [number for number, one in enumerate(pairs) if number in numbers and _held_out(one)]
    learn = [number for number, one in enumerate(pairs) if number in numbers and not _held_out(one)]
    checkpoints = scratch / "night"
    learned, recipe, learning, validating = _train(shop, [pairs[n] for n in learn], seed=1, scratch=checkpoints)
    trained_s = time.monotonic() - began
    conversations = {number: conversation(pairs[number]) for number in learn}
    # Examples of the training are numbered by their place in `learn`.
    place = dict(enumerate(learn))
    holdout = [
        replace(score, older=number < len(taught))
        for number, score in zip(
            judged,
            _scores(shop, [numbers[number] for number in judged], [conversation(pairs[n]) for n in judged]),
            strict=True,
        )
    ]
    worth = _scores(shop, _encode(shop, unseen), [conversation(one) for one in unseen])
    evidence = Evidence(holdout=tuple(holdout))
    began_folds = time.monotonic()
    folds = cross_fit(
        CrossFitting(
            shop.model,
            CHAMPION,
            learning=learning,
            validating=validating,
            new=frozenset(number for number, of in place.items() if of >= len(taught)),
            conversations={number: conversations[of] for number, of in place.items()},
            recipe=recipe,
            learned=learned,
            pad_id=shop.pad_id,
            seed=1,
            checkpoints=checkpoints,
            minutes=60,
            say=lambda _: None,
            on_stage=lambda _: None,
        ),
        evidence,
        gate,
    )
    shutil.rmtree(checkpoints, ignore_errors=True)
    decision = decide(replace(evidence, folds=folds.scores), gate)
    gains = [one.before - one.after for one in worth]
    return {
        "pairs": len(pairs),
        "worth": mean(gains),
        "worth_spread": pstdev(gains),
        "champion_loss": mean(one.before for one in worth),
        "promoted": decision.promote,
        "reason": decision.reason,
        "holdout": [asdict(one) for one in holdout],
        "folds": [asdict(one) for one in folds.scores],
        "folding": folds.record,
        "seconds": {"train": round(trained_s, 1), "folds": round(time.monotonic() - began_folds, 1)},
    }


def _open(config: ModelConfig, models: Path) -> _Workshop:
    base = load_for_training(config, models)
    choose_attention(base.model, base.device, 200)
    parameters = base.model.num_parameters()
    recipe = resolve(FAST, pairs=200, parameters=parameters)
    model = attach_adapter(base.model, recipe)
    model.add_adapter(CHAMPION, model.peft_config[CHALLENGER])
    model.set_adapter(CHALLENGER)
    tokenizer = base.tokenizer
    pad_id = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    return _Workshop(model, tokenizer, pad_id, FAST, parameters)


def _train(
    shop: _Workshop, exchanges: Sequence[Exchange], *, seed: int, scratch: Path
) -> tuple[Learned, Recipe, list[Example], list[Example]]:
    """Train the challenger from a fresh adapter; returns how it went, and what it learned from and validated on."""
    examples = _encode(shop, exchanges)
    held = validation_size(len(examples))
    order = sorted(range(len(examples)), key=lambda n: conversation(exchanges[examples[n].reply_id]))
    validating = [examples[n] for n in order[:held]]
    learning = [examples[n] for n in sorted(order[held:])]
    recipe = resolve(shop.training, pairs=len(learning), parameters=shop.parameters)
    torch.manual_seed(seed)
    draw_afresh(shop.model, CHALLENGER)
    learned = train(
        shop.model,
        learning,
        validating,
        recipe,
        pad_id=shop.pad_id,
        seed=seed,
        fit=Fit(checkpointing=False, tokens=2048),
        checkpoints=scratch,
        minutes=60,
        report=lambda *_: None,
        say=lambda _: None,
    )
    return learned, recipe, learning, validating


def _encode(shop: _Workshop, exchanges: Sequence[Exchange]) -> list[Example]:
    """The exchanges as the trainer reads them, numbered by their place."""
    pairs = [as_pair(number, one) for number, one in enumerate(exchanges)]
    return list(encode_pairs(shop.tokenizer, pairs, max_tokens=shop.training.max_tokens).items)


def _scores(shop: _Workshop, examples: Sequence[Example], conversations: Sequence[str]) -> list[Score]:
    theirs, ours = (nlls_of(shop.model, who, examples, pad_id=shop.pad_id) for who in (CHAMPION, CHALLENGER))
    return [
        Score(before, after, conversation=name) for before, after, name in zip(theirs, ours, conversations, strict=True)
    ]


def _known(exchanges: Sequence[Exchange]) -> list[Exchange]:
    return [one for one in exchanges if not _held_out(one)]


def _held_out(exchange: Exchange) -> bool:
    return is_held_out(conversation(exchange), TrainingConfig().holdout_share)


def _swapped(exchanges: Sequence[Exchange], share: float) -> list[Exchange]:
    """The first so many of them with the answer of the next one."""
    count = round(share * len(exchanges))
    return [
        Exchange(one.question, exchanges[(number + 1) % count].answer) if number < count else one
        for number, one in enumerate(exchanges)
    ]
