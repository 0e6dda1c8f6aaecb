"""How often does the gate promote nights of known worth? Real trainings with the embedded base, and the power curve.

    .venv/bin/python -m benchmarks.gate_nights [--minutes 60] [--workers 2] [--device cuda] [--out gate-nights.json]

Each worker is a process with a bot of its own, which runs good and bad nights in turns until time is up. What is done
is kept in `--work`, so a study that ran out of `--minutes` goes on where it was. `--summarise` runs nothing and reads
what is there. `--exchanges` writes the conversations to a file, from which a machine without chatterbot-corpus reads
them.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.learning.conversations import Exchange, corpus
from benchmarks.learning.gate_summary import summary

GRACE = 15.0
"""Seconds after the end in which a process may still finish what it writes."""


def main() -> None:
    """Run the study, or (`--job`, for its own child processes) one bot of it."""
    options = arguments()
    options.work.mkdir(parents=True, exist_ok=True)
    if options.job is not None:
        work_on(options)
    elif options.summarise:
        write(options)
    else:
        run_all(options)
        write(options)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("gate-nights.json"), help="where the results go")
    parser.add_argument("--work", type=Path, default=Path("nights-work/gate"), help="models and results; kept")
    parser.add_argument("--exchanges", type=Path, default=Path("nights-work/exchanges.json"))
    parser.add_argument("--device", default="auto")
    parser.add_argument("--base", default="embedded", help="a model as in the settings, such as a directory")
    parser.add_argument("--workers", type=int, default=1, help="bots at a time")
    parser.add_argument("--first-seed", type=int, default=0, help="of the first bot")
    parser.add_argument("--swapped", type=float, default=1.0, help="share of a bad night's answers that are swapped")
    parser.add_argument("--fold-start", choices=["champion", "base"], default="champion")
    parser.add_argument("--minutes", type=float, default=24 * 60, help="stop cleanly after so long")
    parser.add_argument("--summarise", action="store_true")
    parser.add_argument("--job", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--until", type=float, help=argparse.SUPPRESS)
    return parser.parse_args()


def run_all(options: argparse.Namespace) -> None:
    """One process a bot until time is up."""
    from model.base.conversion import convert_base
    from model.config import ModelConfig

    until = time.time() + 60 * options.minutes
    exchanges(options.exchanges)
    (options.work / "models").mkdir(exist_ok=True)
    convert_base(ModelConfig(base=options.base, device=options.device), options.work / "models")
    running = [start(options, options.first_seed + number, until) for number in range(options.workers)]
    try:
        while any(process.poll() is None for process in running) and time.time() < until + GRACE:
            time.sleep(1.0)
    finally:
        for process in running:
            if process.poll() is None:
                process.kill()
                process.wait()


def start(options: argparse.Namespace, seed: int, until: float) -> subprocess.Popen[bytes]:
    """Begin a bot's process, with one thread: they have the cores between them."""
    command = [
        sys.executable, "-m", "benchmarks.gate_nights", "--job", str(seed), "--until", str(until),
        "--work", str(options.work), "--device", options.device, "--base", options.base,
        "--exchanges", str(options.exchanges), "--fold-start", options.fold_start, "--swapped", str(options.swapped),
    ]  # fmt: skip
    with (options.work / f"bot-{seed}.log").open("ab") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, env=one_thread())  # noqa: S603 - ourselves


def one_thread() -> dict[str, str]:
    """The environment of a process beside others: one thread, which does not spin."""
    return os.environ | {"OMP_WAIT_POLICY": "passive", "TOKENIZERS_PARALLELISM": "false", "OMP_NUM_THREADS": "1"}


def work_on(options: argparse.Namespace) -> None:
    """One bot, in this process: a line for each night, until the next might not be finished in time."""
    from benchmarks.learning.gate_study import Sizes, nights
    from model.config import ModelConfig
    from trainer.settings import GateConfig

    file = options.work / f"bot-{options.job}.jsonl"
    lines = nights(
        exchanges(options.exchanges),
        options.work / "models",
        ModelConfig(base=options.base, device=options.device),
        Sizes(swapped=options.swapped),
        seed=options.job,
        scratch=options.work / f"scratch-{options.job}",
        done=read_lines(file),
        gate=GateConfig(fold_start=options.fold_start),
    )
    began = time.time()
    for line in lines:
        with file.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line) + "\n")
        took, began = time.time() - began, time.time()
        if time.time() + 0.7 * took > options.until:
            break


def exchanges(file: Path) -> list[Exchange]:
    """The conversations, from the file or, where it is not there yet, from the package, and then into it."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps([asdict(one) for one in corpus()]), encoding="utf-8")
    return [Exchange(**one) for one in json.loads(file.read_text(encoding="utf-8"))]


def write(options: argparse.Namespace) -> None:
    """Gather every line and what it comes to in one file, and print the latter."""
    lines = [line for file in sorted(options.work.glob("bot-*.jsonl")) for line in read_lines(file)]
    said = summary(lines)
    options.out.write_text(json.dumps({"lines": lines, "summary": said}, indent=1) + "\n", encoding="utf-8")
    for sentence in said:
        print(sentence)


def read_lines(file: Path) -> list[dict[str, Any]]:
    if not file.exists():
        return []
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]


if __name__ == "__main__":
    main()
