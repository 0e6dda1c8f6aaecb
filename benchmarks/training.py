"""How fast training is, and how much memory it takes, beside TRL's SFTTrainer with its defaults in the same run.

Unsloth is measured too, padded and packed, where `--unsloth` (or UNSLOTH_PYTHON) names a Python that has it.

On a GPU the base is Mistral 7B's shape with random weights, on a CPU the embedded model. Both arms get the same pairs,
each in a process of its own, in turns. Real tokens are counted, never padding. The last line is JSON.

    make bench-train            or:  python -m benchmarks.training [--steps 20] [--repeats 2]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

_ARMS = ("nightshift", "trl")
_UNSLOTH_ARMS = ("unsloth", "unsloth-packed")
_CHILD_S = 900


def main() -> None:
    """Print the table, then its figures as one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", default="", help="a model directory or id (default: by device)")
    parser.add_argument("--steps", type=int, default=0, help="optimizer steps measured (default: 20, on a CPU 3)")
    parser.add_argument("--repeats", type=int, default=2, help="processes of each arm")
    parser.add_argument("--unsloth", default=os.environ.get("UNSLOTH_PYTHON", ""), help="a Python that has Unsloth")
    parser.add_argument("--arms", default="", help="only these, with commas between them")
    options = parser.parse_args()
    arms = options.arms.split(",") if options.arms else [*_ARMS, *(_UNSLOTH_ARMS if options.unsloth else ())]
    with tempfile.TemporaryDirectory(prefix="bench-training-") as folder:
        ours = any(arm in _ARMS for arm in arms)
        made = child("prepare", {"folder": folder, "base": options.base, "convert": ours})
        if made is None:
            sys.exit("The base could not be made; see above.")
        order = {"base": made["base"], "cache": made["cache"], "steps": options.steps}
        results: dict[str, list[dict[str, Any]]] = {arm: [] for arm in arms}
        for repeat in range(options.repeats):
            for arm in arms:
                python = options.unsloth or sys.executable if arm in _UNSLOTH_ARMS else sys.executable
                found = child(arm, {**order, "scratch": str(Path(folder) / f"{arm}-{repeat}")}, python)
                if found is not None:
                    results[arm].append(found)
                    print(f"{arm} {repeat + 1}: {json.dumps(found)}", file=sys.stderr, flush=True)
    report(made, results)


def child(arm: str, order: dict[str, Any], python: str = sys.executable) -> dict[str, Any] | None:
    """Run one arm in a process of its own; None when it could not run."""
    environment = {**os.environ, "OMP_WAIT_POLICY": "passive", "TRANSFORMERS_VERBOSITY": "error"}
    program = "benchmarks.training_unsloth" if arm in _UNSLOTH_ARMS else "benchmarks.training_arms"
    command = [python, "-m", program, arm, json.dumps(order)]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, timeout=_CHILD_S, check=False)  # noqa: S603
    try:
        found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    except (IndexError, ValueError):
        print(f"{arm} ended with exit code {done.returncode} and no figures", file=sys.stderr, flush=True)
        return None
    return found


def report(made: dict[str, Any], results: dict[str, list[dict[str, Any]]]) -> None:
    """The table, the ratios, and the last line."""
    print(f"\n{made['title']}, NF4, LoRA rank 16 on all linear layers; {made['machine']}\n")
    print(f"{'work':34}{'arm':16}{'real tokens/s':>14}{'peak GB':>9}{'estimate':>10}{'padding':>9}  how")
    figures: dict[str, Any] = {"machine": made["machine"], "base": made["title"], "work": {}}
    names = list(results["nightshift"][0]) if results["nightshift"] else []
    for name in names:
        entry = {arm: summary([run[name] for run in runs if name in run]) for arm, runs in results.items()}
        for arm, one in entry.items():
            if one is not None:
                print(line(name, arm, one))
        ours, theirs = entry.get("nightshift"), entry.get("trl")
        ratio = round(ours["tokens_per_s"] / theirs["tokens_per_s"], 2) if ours and theirs else None
        figures["work"][name] = {**entry, "ratio": ratio}
        if ratio is not None:
            print(f"{'':34}{'ratio':16}{ratio:14.2f}")
    print(json.dumps(figures))


def summary(runs: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The middle of an arm's repeats; the largest peak."""
    if not runs:
        return None
    rates, peaks = [run["tokens_per_s"] for run in runs], [run["peak_gb"] for run in runs]
    peak = None if None in peaks else max(peaks)
    return {**runs[0], "tokens_per_s": round(statistics.median(rates), 1), "spread": sorted(rates), "peak_gb": peak}


def line(name: str, arm: str, one: dict[str, Any]) -> str:
    """One row of the table."""
    peak = "" if one["peak_gb"] is None else f"{one['peak_gb']:.2f}"
    estimate = "" if one.get("estimate_gb") is None else f"{one['estimate_gb']:.2f}"
    padding = f"{one['padding']:.0%}"
    return f"{name:34}{arm:16}{one['tokens_per_s']:14.0f}{peak:>9}{estimate:>10}{padding:>9}  {one['how']}"


if __name__ == "__main__":
    main()
