"""Guessed tokens on a CPU: tokens per second of one conversation with `[model] draft_tokens` and without, by turns.

    python -m benchmarks.look_ahead

Each question is asked of two engines that hold the same model, one after the other, three times; the order changes. Of
each kind of text: tokens per second without and with guesses (the median of the rounds), and the ratio. Texts that
repeat the prompt (a document is quoted) gain, others show what guessing costs.
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

from model.chat import Message
from model.config import ModelConfig
from model.engine import Engine
from model.protocol import Sampling

_RULES = (
    "Rule 1: be kind to new members. Rule 2: no links to other servers without asking a moderator first. Rule 3: post "
    "pictures of your boat in the harbour channel, never in the main channel. Rule 4: the weekly race begins on Sunday."
)
_TEXTS = {
    "quotes a document": [f"{_RULES}\n\nRepeat the rules above, word for word.", f"{_RULES}\n\nList all the rules."],
    "answers freely": ["Why is the sea salt?", "Tell me about a day in the harbour.", "How do I learn to sail?"],
}
_ROUNDS = 3


async def _speed(engine: Engine, question: str, sampling: Sampling) -> float:
    """Tokens per second, the prompt included."""
    handle = engine.submit([Message("user", question)], sampling)
    began = time.perf_counter()
    done = await handle.wait()
    return done.completion_tokens / (time.perf_counter() - began)


async def measured(engines: Sequence[Engine], questions: Sequence[str], sampling: Sampling) -> tuple[float, float]:
    """Medians of both engines."""
    found: tuple[list[float], list[float]] = ([], [])
    for turn in range(_ROUNDS):
        for question in questions:
            for which in ((0, 1), (1, 0))[turn % 2]:
                found[which].append(await _speed(engines[which], question, sampling))
    return statistics.median(found[0]), statistics.median(found[1])


async def main(base: str, draft_tokens: int) -> None:
    config = ModelConfig(base=base, device="cpu", slots=2, context_tokens=1024)
    with tempfile.TemporaryDirectory() as folder:
        engines = [
            await Engine.start(replace(config, draft_tokens=draft), Path(folder), None) for draft in (0, draft_tokens)
        ]
        for name, questions in _TEXTS.items():
            for how, temperature in (("greedy", 0.0), ("drawn at 0.7", 0.7)):
                sampling = Sampling(temperature=temperature, top_p=0.9, seed=1, max_new_tokens=150)
                without, guessed = await measured(engines, questions, sampling)
                print(
                    f"{name}, {how}: {without:.0f} without, {guessed:.0f} with, {guessed / without:.2f} x", flush=True
                )
        for engine in engines:
            await engine.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--base", default="embedded", help="the base model (default %(default)s)")
    parser.add_argument("--draft-tokens", type=int, default=3, help="guesses in a pass (default %(default)s)")
    options = parser.parse_args()
    asyncio.run(main(options.base, options.draft_tokens))
