"""The gate's power curve, simulated: how often nights of a true worth are promoted, by the pairs that judge them.

    .venv/bin/python -m benchmarks.gate_simulation [--nights 400] [--spread 0.32] [--per-conversation 1]

A pair's gain is drawn around the worth with the spread that was measured on the studies' conversations. Nothing is
trained; it takes a minute.
"""

from __future__ import annotations

import argparse
import random

from trainer.evaluation.evidence import Evidence, Score
from trainer.evaluation.gate import decide, lower_bound
from trainer.settings import GateConfig

WORTHS = (-0.1, -0.05, 0.0, 0.05, 0.1)
SIZES = (20, 60, 100, 130, 200)


def main() -> None:
    """Print a row for each number of pairs and each rule."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nights", type=int, default=400)
    parser.add_argument("--spread", type=float, default=0.32, help="standard deviation of a pair's gain, in nats")
    parser.add_argument("--per-conversation", type=int, default=1, help="pairs that share half of their deviation")
    options = parser.parse_args()
    print("pairs | rule | " + " | ".join(f"{worth:+.2f}" for worth in WORTHS))
    for pairs in SIZES:
        shares = [rates(worth, pairs, options) for worth in WORTHS]
        for name, number in (("95 % test", 0), ("expected loss", 1)):
            print(f"{pairs} | {name} | " + " | ".join(f"{share[number]:.2f}" for share in shares))


def rates(worth: float, pairs: int, options: argparse.Namespace) -> tuple[float, float]:
    """Share of nights that a 95 % test and that the gate promotes."""
    draw = random.Random(f"{worth} {pairs}")
    config = GateConfig(resamples=300)
    tested = judged = 0
    for _ in range(options.nights):
        scores = night(worth, pairs, options.spread, options.per_conversation, draw)
        gains = [score.before - score.after for score in scores]
        tested += lower_bound(gains, 0.95, 300, 0) > 0.0
        judged += decide(Evidence(holdout=scores), config).promote
    return tested / options.nights, judged / options.nights


def night(worth: float, pairs: int, spread: float, together: int, draw: random.Random) -> tuple[Score, ...]:
    """The pairs of a night; those of one conversation have half of their variance in common."""
    shared = 0.5**0.5 if together > 1 else 0.0
    own = (1.0 - shared * shared) ** 0.5
    scores: list[Score] = []
    for number in range(pairs):
        if number % together == 0:
            common = draw.gauss(0.0, spread)
        gain = worth + shared * common + own * draw.gauss(0.0, spread)
        scores.append(Score(3.0, 3.0 - gain, conversation=f"c{number // together}"))
    return tuple(scores)


if __name__ == "__main__":
    main()
