"""The task of the article behind this project: 50 YouTube comments with signed answers to learn from, 9 to judge by.

Trains once with the present recipe on the embedded model and prints, before and after: how many of the answers to the 9
held-out comments are signed, how long they are beside the owner's, how many end by themselves, and the loss of the
owner's own answers. Minutes on a CPU; the file is the comments' CSV (ShawhinT/YouTube-Blog, MIT):

    python -m benchmarks.article shawgpt-youtube-comments.csv
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from model.config import ModelConfig
from storage.files.pair_files import read_pairs
from storage.fingerprints import import_conversation
from storage.pair_records import NewPair, Pair
from trainer.evaluation import evaluate
from trainer.settings import TrainingConfig
from trainer.snapshot.holdout import validation_split
from trainer.training.base import choose_attention
from trainer.training.helpers import load_for_training
from trainer.training.memory import Fit
from trainer.training.qlora import CHALLENGER, attach_adapter, train
from trainer.training.recipe import resolve, validation_size
from trainer.training.tokens import Example, encode_pairs

HELD_OUT = 9
LONGEST_ANSWER = 160  # tokens


@dataclass(frozen=True)
class Answers:
    """What one voice makes of the held-out comments."""

    signed: int
    stopped: int
    words: float
    nll: float
    first: str


def main() -> None:
    """Measure, train, measure again."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("comments", type=Path, help="the CSV file")
    parser.add_argument("--signature", default=" -ShawGPT")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "nightshift-models")
    options = parser.parse_args()

    pairs = [
        as_pair(number, row)
        for number, row in enumerate(read_pairs(options.comments, append_signature=options.signature))
        if isinstance(row, NewPair)
    ]
    held_out = evaluate.spread(pairs, HELD_OUT)
    rest = [pair for pair in pairs if pair not in held_out]
    learn, validate = validation_split(rest, validation_size(len(rest)))

    base = load_for_training(ModelConfig(device="cpu"), options.cache)
    tokenizer = base.tokenizer
    learning, validating, judging = (
        encode_pairs(tokenizer, part, max_tokens=1024).items for part in (learn, validate, held_out)
    )
    choose_attention(base.model, base.device, max(len(example.ids) for example in (*learning, *judging)))
    config = TrainingConfig()
    recipe = resolve(config, pairs=len(learning), parameters=base.model.num_parameters())
    print(f"{len(learning)} to learn from, {len(validating)} to validate on, {len(judging)} held out", flush=True)
    torch.manual_seed(config.seed)
    model = attach_adapter(base.model, recipe)
    before = heard(model, None, tokenizer, judging, options.signature)

    began = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        learned = train(
            model,
            learning,
            validating,
            recipe,
            pad_id=tokenizer.pad_token_id,
            seed=config.seed,
            fit=Fit(checkpointing=False, tokens=2048),
            checkpoints=Path(scratch),
            minutes=60,
            report=lambda *_: None,
            say=print,
        )
    print(f"{learned.steps} steps in {time.monotonic() - began:.0f} s, the best after {learned.best_step}", flush=True)
    after = heard(model, CHALLENGER, tokenizer, judging, options.signature)
    owner = sum(len(pair.completion.removesuffix(options.signature).split()) for pair in held_out) / len(held_out)
    rows = {
        f"signed, of {HELD_OUT}": (before.signed, after.signed),
        f"ended by themselves, of {HELD_OUT}": (before.stopped, after.stopped),
        f"words an answer (the owner: {owner:.0f})": (f"{before.words:.0f}", f"{after.words:.0f}"),
        "loss of the owner's answers, nats a token": (f"{before.nll:.3f}", f"{after.nll:.3f}"),
    }
    print(f"{'':44}{'before':>8}{'after':>8}")
    for name, (old, new) in rows.items():
        print(f"{name:44}{old:>8}{new:>8}")
    print(f"First held-out comment: {held_out[0].turns[-1].content[:120]!r}")
    print(f"before: {before.first!r}\nafter:  {after.first!r}\nowner:  {held_out[0].completion!r}")


def as_pair(number: int, row: NewPair) -> Pair:
    """A row of the file as an approved pair."""
    return Pair(
        reply_id=number,
        conversation=import_conversation(row.turns),
        turns=row.turns,
        completion=row.completion,
        approved_at="2026-11-23T04:00:00.000+00:00",
        edited=False,
        source="import",
        reviewer="operator",
        adapter=None,
        authors=(),
    )


def heard(model: Any, adapter: str | None, tokenizer: Any, judging: tuple[Example, ...], signature: str) -> Answers:
    """Greedy answers to the held-out comments, and the loss of the owner's."""
    nlls = evaluate.nlls_of(model, adapter, judging, pad_id=tokenizer.pad_token_id)
    prompts = [example.ids[: example.prompt_length] for example in judging]
    answers = evaluate.generate_answers(model, adapter, tokenizer, prompts, max_new_tokens=LONGEST_ANSWER)
    sign = signature.strip()
    return Answers(
        signed=sum(answer.text.endswith(sign) for answer in answers),
        stopped=sum(answer.stopped for answer in answers),
        words=sum(len(answer.text.removesuffix(sign).split()) for answer in answers) / len(answers),
        nll=sum(nlls) / len(nlls),
        first=answers[0].text[:300],
    )


if __name__ == "__main__":
    main()
