"""What several adapters at once cost: a question after a promotion, swaps under load, and eight adapters in one step.

    python -m benchmarks.adapters
    python -m benchmarks.adapters --tiny --swaps 1000

On a CPU the embedded model, on a GPU the shape of a 7B with random weights, right for speed, never for quality; with
`--tiny` a model of two layers, for many swaps in a short time. Adapters are random, of one rank. Prints a table.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks.engine_models import machine, random_adapter
from benchmarks.engine_swaps import Judge, PromotionTrial, SwapTrial
from benchmarks.random_base import random_7b
from model.base.loading import load_base
from model.chat import Message
from model.config import ModelConfig
from model.engine import Engine
from model.protocol import AdapterRef, Sampling
from tests.tiny import make_tiny_base

__all__ = ["measure"]

ROWS = 8
THINGS = ["lighthouse", "map", "snow", "train", "rivals", "dog", "clock", "bus"]
QUESTIONS = [f"Tell me a long story about the {thing}." for thing in THINGS]
SPREAD = 0.02  # of the adapters' B


async def measure(engine: Engine, adapters: Sequence[AdapterRef], options: argparse.Namespace) -> list[str]:
    """Lines of a table: promotions beside replies of 400 tokens, and rows of eight adapters beside rows of one.

    `engine` has as many slots for adapters as there are `adapters`, eight.
    """
    trial = PromotionTrial(engine, adapters[:2], QUESTIONS)
    lines = await trial.run(options.promotions) if options.promotions else []
    await engine.swap(None)
    for adapter in adapters:
        await engine.load(adapter)
    speeds: dict[str, list[float]] = {"one adapter": [], "eight adapters": [], "no adapter": []}
    chosen: dict[str, list[str | None]] = {
        "one adapter": [adapters[0].id] * ROWS,
        "eight adapters": [adapter.id for adapter in adapters],
        "no adapter": [None] * ROWS,
    }
    for repeat in range(options.repeats + 1):  # the first warms up
        for name, each in chosen.items():
            speed = await _speed(engine, each, options.tokens if repeat else 8)
            if repeat:
                speeds[name].append(speed)
    one = statistics.median(speeds["one adapter"])
    for name, found in speeds.items():
        median = statistics.median(found)
        spread = f"({min(found):.1f}, {max(found):.1f})"
        lines.append(f"{ROWS} rows, {name}: {median:.1f} tokens/s {spread}, {median / one:.2f} of one adapter's")
    return lines


async def _speed(engine: Engine, adapters: Sequence[str | None], tokens: int) -> float:
    """Tokens a second of one reply by each of `adapters`, all at once."""
    sampling, began = Sampling(max_new_tokens=tokens, temperature=0), time.perf_counter()
    asked = [
        engine.submit([Message("user", question)], sampling, adapter=adapter)
        for question, adapter in zip(QUESTIONS, adapters, strict=True)
    ]
    done = await asyncio.gather(*(generation.wait() for generation in asked))
    return sum(one.completion_tokens for one in done) / (time.perf_counter() - began)


async def _run(options: argparse.Namespace, folder: Path) -> None:
    base = options.base
    if options.tiny:
        base = str(make_tiny_base(folder / "base", max_position_embeddings=1024, eos_token_id=511))
    elif not base:
        base = str(random_7b(folder / "base")) if torch.cuda.is_available() else "embedded"
    config = ModelConfig(base=base, context_tokens=512, slots=16, adapter_slots=ROWS, lora_rank=options.rank)
    model = load_base(config, folder / "models").model
    adapters = [
        AdapterRef(str(seed), random_adapter(folder / str(seed), model, options.rank, seed, SPREAD))
        for seed in range(1, ROWS + 1)
    ]
    del model
    engine = await Engine.start(config, folder / "models", adapters[0])
    print(f"{machine()}; {options.base or base}; {engine.stats().details['decoding']}; rank {options.rank}", flush=True)
    for line in await measure(engine, adapters, options):
        print(line, flush=True)
    await engine.close()
    if options.swaps:
        few = replace(config, adapter_slots=4)
        engine = await Engine.start(few, folder / "models", adapters[0])
        trial = SwapTrial(engine, adapters[:2], QUESTIONS, options.between)
        report = await trial.run(options.swaps)
        mixed = Judge(few, folder / "models", adapters[:2]).mixed(trial.strange) if trial.strange else 0
        pause, strange = report["pause_ms"], report["unlike_before"]
        print(
            f"{report['count']} swaps under load: pause {pause['median']:.2f} ms (median), {pause['most']:.1f} (most); "
            f"{report['replies']} replies, {report['failed']} failed, {strange} to be judged, {mixed} mixed"
        )
        await engine.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", default="", help="a base model (default: embedded on a CPU, a random 7B on a GPU)")
    parser.add_argument("--tiny", action="store_true", help="a random model of two layers instead")
    parser.add_argument("--rank", type=int, default=16, help="of the adapters (default %(default)s)")
    parser.add_argument("--tokens", type=int, default=128, help="new tokens for each reply (default %(default)s)")
    parser.add_argument("--repeats", type=int, default=3, help="of each speed, interleaved (default %(default)s)")
    parser.add_argument("--promotions", type=int, default=20, help="promotions beside 8 replies (default %(default)s)")
    parser.add_argument("--swaps", type=int, default=0, help="swaps under load (default %(default)s)")
    parser.add_argument("--between", type=float, default=0.05, help="seconds between two of them (default %(default)s)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="nightshift-bench-") as folder:
        asyncio.run(_run(options, Path(folder)))


if __name__ == "__main__":
    main()
