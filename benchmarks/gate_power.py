"""How often the gate is sure of what more exchanges are worth, by the number of held-out pairs it has to judge on.

    .venv/bin/python -m benchmarks.gate_power [--less 60] [--more 250]

Two adapters learn from the first exchanges of the studies' conversations, one from `--less` and one from `--more`. Both
are measured on 360 exchanges that neither has seen; from those, held-out sets are drawn and judged by the gate's bound.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import mean, pstdev
from typing import Any

import torch

from benchmarks.learning.conversations import Exchange, as_pair, corpus, shuffled
from benchmarks.learning.home import Plan
from model.config import ModelConfig
from storage.files.home import find_home
from trainer.evaluation.evaluate import nlls_of
from trainer.evaluation.gate import lower_bound
from trainer.settings import GateConfig
from trainer.training.base import choose_attention
from trainer.training.helpers import load_for_training
from trainer.training.memory import Fit
from trainer.training.qlora import CHALLENGER, attach_adapter, train
from trainer.training.recipe import resolve, validation_size
from trainer.training.tokens import Example, encode_pairs

UNSEEN = 360
SIZES = (15, 30, 60, 120)
DRAWS = 200


def main() -> None:
    """Print the gain, its spread, and how often the gate is sure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--less", type=int, default=60)
    parser.add_argument("--more", type=int, default=250)
    parser.add_argument("--home", type=Path, help="where the converted base is kept")
    options = parser.parse_args()
    models = find_home(options.home).ensure().models
    order = shuffled(corpus(), seed=1)
    before, after = (losses(order[:count], order[-UNSEEN:], models) for count in (options.less, options.more))
    gains = [one - other for one, other in zip(before, after, strict=True)]
    print(f"loss {mean(before):.3f} to {mean(after):.3f} over {UNSEEN}: gain {mean(gains):.3f}, sd {pstdev(gains):.3f}")
    gate, draw = GateConfig(), random.Random(1)
    for size in SIZES:
        bounds = (lower_bound(draw.sample(gains, size), gate.confidence, 500, gate.seed) for _ in range(DRAWS))
        print(f"{size} held-out pairs: sure in {sum(bound > 0 for bound in bounds) / DRAWS:.0%} of {DRAWS} draws")


def losses(taught: Sequence[Exchange], unseen: Sequence[Exchange], models: Path) -> list[float]:
    """Of each unseen exchange, in nats a token, after learning from others as a night does."""
    training = Plan().settings().training
    base = load_for_training(ModelConfig(), models)
    encoded = [encoded_of(base.tokenizer, exchanges, training.max_tokens) for exchanges in (taught, unseen)]
    choose_attention(base.model, base.device, max(len(one.ids) for one in encoded[0]))
    held = validation_size(len(taught))
    torch.manual_seed(training.seed)
    recipe = resolve(training, pairs=len(taught) - held, parameters=base.model.num_parameters())
    model = attach_adapter(base.model, recipe)
    with tempfile.TemporaryDirectory() as checkpoints:
        train(
            model,
            encoded[0][held:],
            encoded[0][:held],
            recipe,
            pad_id=base.tokenizer.pad_token_id,
            seed=training.seed,
            fit=Fit(checkpointing=False, tokens=2048),
            checkpoints=Path(checkpoints),
            minutes=60,
            report=lambda *_: None,
            say=print,
        )
    return nlls_of(model, CHALLENGER, encoded[1], pad_id=base.tokenizer.pad_token_id)


def encoded_of(tokenizer: Any, exchanges: Sequence[Exchange], most: int) -> list[Example]:
    """The exchanges as the trainer reads them."""
    return list(encode_pairs(tokenizer, [as_pair(n, one) for n, one in enumerate(exchanges)], max_tokens=most).items)


if __name__ == "__main__":
    main()
