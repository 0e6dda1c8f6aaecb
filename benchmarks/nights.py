"""Does every night make the bot better, and does a bad one leave it no worse? Simulated nights with the real trainer.

    .venv/bin/python -m benchmarks.nights twenty|poison|both [--out results.json] [--device cuda] [--workers 11]

`twenty` runs one bot through twenty nights; `poison` runs a good night and four kinds of poisoned ones for each of ten
bots. Every bot is a process of its own. What is done is kept in `--work`, so a study that ran out of `--minutes` goes
on where it was; the results are written as they come. Without `--device cuda` it takes hours.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.learning.summary import summary

GRACE = 20.0
"""Seconds after the end in which a process may still finish what it writes."""


@dataclass
class Job:
    """One bot: what it is called, and the process that works on it."""

    name: str
    arguments: list[str]
    process: subprocess.Popen[bytes] | None = None

    def lines(self, work: Path) -> list[dict[str, Any]]:
        return read_lines(work / f"{self.name}.jsonl")


def main() -> None:
    """Run the studies, or (`--job`, for its own child processes) one bot of them."""
    options = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("Stopped."))  # so that the children are ended too
    options.work.mkdir(parents=True, exist_ok=True)
    if options.job is not None:
        work_on(options)
        return
    until = time.time() + 60 * options.minutes
    jobs = []
    if options.study in {"twenty", "both"}:
        jobs.append(Job("twenty", ["--job", "twenty"]))
    if options.study in {"poison", "both"}:
        jobs += [Job(f"poison-{seed}", ["--job", str(seed)]) for seed in range(options.trials)]
    convert(options)
    print(f"{len(jobs)} bots, {options.workers} at a time, until {time.strftime('%H:%M:%S', time.localtime(until))}")
    run_all(jobs, options, until)
    results = write(jobs, options)
    for line in results["summary"]:
        print(line)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", choices=["twenty", "poison", "both"])
    parser.add_argument("--out", type=Path, default=Path("nights.json"), help="where the results go")
    parser.add_argument("--work", type=Path, default=Path("nights-work"), help="homes and models; kept")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--base", default="embedded", help="a model as in the settings, such as a directory")
    parser.add_argument("--workers", type=int, default=1, help="bots at a time")
    parser.add_argument("--nights", type=int, default=20)
    parser.add_argument("--trials", type=int, default=10, help="bots of the poison study")
    parser.add_argument("--part", type=float, default=1.0, help="of the exchanges that a study has after its first")
    parser.add_argument("--minutes", type=float, default=24 * 60, help="stop cleanly after so long")
    parser.add_argument("--quick", action="store_true", help="only see that it runs; the figures mean nothing")
    parser.add_argument("--job", help=argparse.SUPPRESS)
    parser.add_argument("--until", type=float, help=argparse.SUPPRESS)
    return parser.parse_args()


def convert(options: argparse.Namespace) -> None:
    """Make the 4-bit base once, before many processes want it."""
    from model.base.conversion import convert_base
    from model.config import ModelConfig

    (options.work / "models").mkdir(exist_ok=True)  # a base that is 4-bit already is not converted into it
    convert_base(ModelConfig(base=options.base, device=options.device), options.work / "models")


def run_all(jobs: Sequence[Job], options: argparse.Namespace, until: float) -> None:
    """Keep `workers` processes going until all have ended or time is up; write the results as lines come."""
    waiting, seen = list(jobs), -1
    running: list[Job] = []
    try:
        while waiting or running:
            while waiting and len(running) < options.workers and time.time() < until:
                running.append(start(waiting.pop(0), options, until))
            running = [job for job in running if job.process is not None and job.process.poll() is None]
            if time.time() > until + GRACE or (time.time() > until and not running):
                break
            count = sum(len(job.lines(options.work)) for job in jobs)
            if count != seen:
                seen = count
                write(jobs, options)
            time.sleep(1.0)
    finally:
        for job in running:
            if job.process is not None and job.process.poll() is None:
                job.process.terminate()
                job.process.wait()


def start(job: Job, options: argparse.Namespace, until: float) -> Job:
    """Begin a bot's process, one thread each where there are several: they have the cores between them."""
    command = [
        sys.executable, "-m", "benchmarks.nights", options.study, *job.arguments, "--until", str(until),
        "--work", str(options.work), "--device", options.device, "--base", options.base,
        "--nights", str(options.nights), "--part", str(options.part), *(["--quick"] if options.quick else []),
    ]  # fmt: skip
    threads = {"OMP_NUM_THREADS": "1"} if options.workers > 1 else {}
    environment = os.environ | {"OMP_WAIT_POLICY": "passive", "TOKENIZERS_PARALLELISM": "false"} | threads
    with (options.work / f"{job.name}.log").open("ab") as log:
        job.process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)  # noqa: S603 - ourselves
    return job


def work_on(options: argparse.Namespace) -> None:
    """One bot, in this process: a line for each night, until the next might not be finished in time."""
    from benchmarks.learning.home import Plan
    from benchmarks.learning.studies import poison, twenty

    plan, models = Plan(options.base, options.device, options.quick, options.part), options.work / "models"
    name = "twenty" if options.job == "twenty" else f"poison-{options.job}"
    file = options.work / f"{name}.jsonl"
    done = read_lines(file)
    if options.job == "twenty":
        lines = twenty(options.work, models, plan, options.nights, done)
    else:
        lines = poison(options.work, models, plan, int(options.job), done)
    began = time.time()
    for line in lines:
        with file.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line) + "\n")
        print(json.dumps(line), flush=True)
        took, began = time.time() - began, time.time()
        if time.time() + 1.2 * took > options.until:
            break


def write(jobs: Sequence[Job], options: argparse.Namespace) -> dict[str, Any]:
    """Gather every line and what it comes to in one file, in one step."""
    from benchmarks.learning.home import Plan

    lines = [line for job in jobs for line in job.lines(options.work)]
    settings = Plan(options.base, options.device, options.quick, options.part).settings()
    results = {
        "configuration": {
            "device": options.device,
            "base": options.base,
            "workers": options.workers,
            "quick": options.quick,
            "part": options.part,
            "training": settings.model_dump(mode="json")["training"],
            "gate": settings.model_dump(mode="json")["gate"],
        },
        "lines": lines,
        "summary": summary(lines),
    }
    scratch = options.out.with_suffix(".tmp")
    scratch.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    scratch.replace(options.out)
    return results


def read_lines(file: Path) -> list[dict[str, Any]]:
    if not file.exists():
        return []
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


if __name__ == "__main__":
    main()
