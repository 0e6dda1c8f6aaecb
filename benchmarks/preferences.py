"""Does training on preferences add to supervised training? Edits that take a habit away, on the embedded model.

The bot used to open every answer with "Ahoy!". At first moderators approved that; then they edited it out, and pairs of
both kinds are learned from. Supervised training sees the edited words alone; preference training also sees what was
edited away. Measured on held-out edits: how often the edited answer is the likelier one a token, its loss, and the
chance that an answer opens with the habit. All is made up; minutes on one core:

    OMP_NUM_THREADS=1 python -m benchmarks.preferences
"""

from __future__ import annotations

import argparse
import math
import tempfile
import time
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import torch

from model.config import ModelConfig
from storage.pair_records import Choice, Pair
from storage.reply_records import Turn
from trainer.evaluation import evaluate
from trainer.settings import TrainingConfig
from trainer.training.base import choose_attention
from trainer.training.dpo import PreferenceRecipe, train_on_preferences
from trainer.training.helpers import load_for_training
from trainer.training.memory import Fit
from trainer.training.preferences import Triple, accuracy, triples_of
from trainer.training.qlora import CHALLENGER, attach_adapter, train
from trainer.training.recipe import resolve
from trainer.training.tokens import Example, encode_pairs

HABIT = "Ahoy! "
THINGS = {
    "lantern": "on the hook by the door",
    "spare rope": "in the blue chest",
    "log book": "on the chart table",
    "paint": "under the stairs",
    "kettle": "on the stove",
    "radio": "next to the window",
    "first aid box": "above the bunk",
    "oil can": "behind the lens",
    "flag": "in the top drawer",
    "ladder": "against the north wall",
    "brass polish": "on the second shelf",
    "boat key": "on the nail below the clock",
    "spyglass": "on the gallery",
    "net": "in the shed by the jetty",
    "bread": "in the tin on the table",
    "weather glass": "beside the stairs",
    "broom": "in the corner of the oil room",
    "wool blanket": "at the foot of the bed",
}
ASKED = {
    "Where is the {}?": "The {} is {}.",
    "Has anybody seen the {}?": "I saw the {} {} this morning.",
    "I can't find the {}.": "Look again: the {} should be {}.",
    "Who took the {}?": "Nobody took the {}, it is {}.",
    "Do we have a {}?": "We do have one {}, kept {}.",
    "Please put the {} back.": "The {} is back where it belongs, {}.",
    "Can I borrow the {}?": "Of course; take the {}, it is {}.",
    "Is the {} still broken?": "No, the {} is mended and {}.",
    "When do we need the {}?": "We need the {} at dusk; till then it stays {}.",
    "Should I bring the {}?": "No need, the {} is {} already.",
    "What is the {} for?": "Ask me while I show you the {} {}.",
    "Did you clean the {}?": "The {} is clean and {}.",
}


def main() -> None:
    """Train twice over, once without and once with preferences, and print what changed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--edits", type=int, default=160, help="edits to learn from (default 160)")
    parser.add_argument("--approved", type=int, default=40, help="approved pairs with the habit (default 40)")
    parser.add_argument("--held-out", type=int, default=16, help="edits to judge by (default 16)")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "nightshift-models")
    options = parser.parse_args()

    base = load_for_training(ModelConfig(device="cpu"), options.cache)
    pairs = invented(options.edits + options.approved + options.held_out)
    judged, rest = pairs[: options.held_out], pairs[options.held_out :]
    edited, approved = rest[: options.edits], rest[options.edits : options.edits + options.approved]
    habitual = [habit(pair) for pair in approved]
    teach, judge = (triples_of(base.tokenizer, part, map(edit, part), max_tokens=256) for part in (edited, judged))

    mixed = sorted([*edited, *habitual], key=lambda pair: hash_of(pair.completion))
    learning = encode_pairs(base.tokenizer, mixed, max_tokens=256).items
    fewer = len(learning) // 10  # these only choose the best moment
    choose_attention(base.model, base.device, max(len(example.ids) for example in learning))
    recipe = resolve(TrainingConfig(epochs=1), pairs=len(learning), parameters=base.model.num_parameters())
    torch.manual_seed(1)
    model = attach_adapter(base.model, recipe)
    print(f"{len(edited)} edits, {len(approved)} approved answers with the habit; judged by {len(judged)} edits")
    print(f"{'':22}{'accuracy':>9}{'loss':>8}{'habit':>8}{'seconds':>9}")
    figures(model, base.tokenizer, None, judge, 0.0)

    began = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        learned = train(
            model,
            learning[fewer:],
            learning[:fewer],
            recipe,
            pad_id=base.tokenizer.pad_token_id,
            seed=1,
            fit=Fit(checkpointing=False, tokens=512),
            checkpoints=Path(scratch, "supervised"),
            minutes=60,
            report=lambda *_: None,
            say=print,
        )
        figures(model, base.tokenizer, "supervised", judge, time.monotonic() - began)
        began = time.monotonic()
        train_on_preferences(
            model,
            base.tokenizer,
            teach,
            PreferenceRecipe(beta=0.1, learning_rate=1e-4),
            seed=1,
            pass_tokens=learned.pass_tokens,
            checkpointing=False,
            scratch=Path(scratch, "preferences"),
            report=lambda *_: None,
        )
    figures(model, base.tokenizer, "and preferences", judge, time.monotonic() - began)


def invented(count: int) -> list[Pair]:
    """So many different questions with plain answers, in an order that mixes things and questions."""
    crossed = sorted(product(THINGS.items(), ASKED.items()), key=lambda one: hash_of(one[0][0] + one[1][0]))
    if count > len(crossed):
        raise SystemExit(f"There are {len(crossed)} questions; ask for fewer.")
    return [
        Pair(
            reply_id=number,
            conversation=f"invented:{number}",
            turns=(Turn("user", question.format(thing)),),
            completion=answer.format(thing, place),
            approved_at="2026-11-23T04:00:00.000+00:00",
            edited=True,
            source="discord",
            reviewer="mod",
            adapter=None,
            authors=(),
        )
        for number, ((thing, place), (question, answer)) in enumerate(crossed[:count], start=1)
    ]


def hash_of(text: str) -> int:
    """A number that mixes well and is the same in every process."""
    number = 0
    for character in text:
        number = (number * 1_000_003 + ord(character)) % 2**31
    return number


def habit(pair: Pair) -> Pair:
    """The pair as it was approved at first."""
    return replace(pair, completion=HABIT + pair.completion)


def edit(pair: Pair) -> Choice:
    """What the moderator made of what the bot had said."""
    return Choice(pair.reply_id, pair.completion, HABIT + pair.completion, "edit")


def figures(model: Any, tokenizer: Any, lesson: str | None, judge: tuple[Triple, ...], seconds: float) -> None:
    """Print a row: preference accuracy, loss of the edited answers, chance of the habit, seconds of training."""
    held_out = [triple.chosen for triple in judge]
    adapter, pad_id = (CHALLENGER if lesson else None), tokenizer.pad_token_id
    chosen = evaluate.nlls_of(model, adapter, held_out, pad_id=pad_id)
    rejected = evaluate.nlls_of(model, adapter, [triple.rejected for triple in judge], pad_id=pad_id)
    opening = tokenizer.encode(HABIT.strip(), add_special_tokens=False)
    openings = [
        Example(0, (*triple.chosen.ids[: triple.prompt_length], *opening), triple.prompt_length) for triple in judge
    ]
    nlls = evaluate.nlls_of(model, adapter, openings, pad_id=pad_id)
    chance = sum(math.exp(-nll * len(opening)) for nll in nlls) / len(nlls)
    print(
        f"{lesson or 'base':22}{accuracy(chosen, rejected):>9.0%}{sum(chosen) / len(chosen):>8.3f}"
        f"{chance:>8.1%}{seconds:>9.0f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
