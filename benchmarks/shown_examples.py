"""Do examples in the prompt help more, or less, when the adapter has seen such prompts while it was trained?

    python -m benchmarks.shown_examples --vectors questions.json [--comments shawgpt-youtube-comments.csv]
    python -m benchmarks.shown_examples --device cuda --workers 8 [--minutes 20] [--out shown-examples.json]

Each line is one training on the embedded base: a source, a number of pairs, a seed, and the share of its prompts that
show examples. Held-out answers are then scored without and with the examples that the memory would show for their
questions, by the adapter and by the bare base. The first command writes the questions' vectors, where the embedder is;
the second needs it no more. What is done is kept in `--work`.
"""

from __future__ import annotations

import argparse
import base64
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.gate_nights import one_thread, read_lines
from benchmarks.learning.conversations import Exchange, as_pair, corpus
from storage.files.pair_files import read_pairs
from storage.pair_records import NewPair, Pair

HELD_OUT = 150
SIZES = (50, 150, 500)
ARMS = ((0.0, 0.6), (0.25, 0.6), (0.5, 0.3), (1.0, 0.3))
"""Share of the training prompts that show examples, and how similar those must be."""
MOST = 4
SHOWN = {"near": 0.6, "any": 0.3}
"""How similar the examples of a held-out question must be: as the settings have it, and far less."""
SEEDS = (0, 1, 2)
FOLDS = 6
"""Of a source with few pairs, each of which is held out once."""


@dataclass(frozen=True)
class Job:
    """One training: what it learns from, how many of its prompts show examples, and how similar those must be."""

    source: str
    pairs: int
    seed: int
    share: float
    least: float

    @property
    def name(self) -> str:
        """Its line's key."""
        return f"{self.source}-{self.pairs}-{self.seed}-{self.share}-{self.least}"


def main() -> None:
    """Write the vectors, or run what is left and print the table."""
    options = arguments()
    options.work.mkdir(parents=True, exist_ok=True)
    if options.vectors:
        write_vectors(options.vectors, options.comments)
    elif options.part is not None:
        work_on(options)
    else:
        run_all(options)
        lines = all_lines(options.work)
        options.out.write_text(json.dumps(lines, indent=1) + "\n", encoding="utf-8")
        print(table(lines))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vectors", type=Path, help="write the questions and their vectors here, and do no more")
    parser.add_argument("--comments", type=Path, help="the comments' CSV (ShawhinT/YouTube-Blog, MIT)")
    parser.add_argument("--questions", type=Path, default=Path("nights-work/questions.json"), help="from --vectors")
    parser.add_argument("--work", type=Path, default=Path("nights-work/shown"))
    parser.add_argument("--out", type=Path, default=Path("shown-examples.json"))
    parser.add_argument("--device", default="auto")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=24 * 60)
    parser.add_argument("--part", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--until", type=float, help=argparse.SUPPRESS)
    return parser.parse_args()


# --- the sources


def write_vectors(out: Path, comments: Path | None) -> None:
    """All exchanges of all sources with the embedder's vectors of their questions (float16, unit length)."""
    from model.config import MemoryConfig
    from model.embedder import load_embedder
    from model.vector_index import packed

    embedder = load_embedder(MemoryConfig())
    if embedder is None:
        raise SystemExit("The embedder is switched off in the settings.")
    sources = {"robot": corpus(), "robot, German": corpus("german")}
    if comments is not None:
        rows = (row for row in read_pairs(comments, append_signature=" -ShawGPT") if isinstance(row, NewPair))
        sources["comments"] = [Exchange(row.turns[-1].content, row.completion) for row in rows]
    written = {}
    for name, exchanges in sources.items():
        vectors = packed(embedder.embed_queries([one.question for one in exchanges]))
        written[name] = [
            {"question": one.question, "answer": one.answer, "vector": base64.b64encode(vector).decode()}
            for one, vector in zip(exchanges, vectors, strict=True)
        ]
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(written), encoding="utf-8")


def jobs(sources: Mapping[str, Sequence[Any]]) -> list[Job]:
    """Every training, small ones first, so that a run that is cut short has something of each source."""
    found = []
    for source, rows in sources.items():
        few = len(rows) < HELD_OUT + SIZES[0]
        sizes = [len(rows) - len(rows) // FOLDS] if few else [size for size in SIZES if size + HELD_OUT <= len(rows)]
        seeds = range(FOLDS) if few else SEEDS
        found += [Job(source, size, seed, *arm) for size in sizes for seed in seeds for arm in ARMS]
    return sorted(found, key=lambda job: (job.seed, job.pairs, job.source, job.share))


def parted(rows: Sequence[Mapping[str, str]], job: Job) -> tuple[list[Pair], list[Pair], dict[int, bytes]]:
    """What is learned from, what judges, and the questions' vectors by reply number. No question is on both sides."""
    pairs = [as_pair(number, Exchange(row["question"], row["answer"])) for number, row in enumerate(rows)]
    vectors = {number: base64.b64decode(row["vector"]) for number, row in enumerate(rows)}
    if len(rows) < HELD_OUT + SIZES[0]:
        judge = [pair for number, pair in enumerate(pairs) if number % FOLDS == job.seed]
        return [pair for pair in pairs if pair not in judge], judge, vectors
    order = list(pairs)
    random.Random(f"{job.source} {job.seed}").shuffle(order)
    judge = order[:HELD_OUT]
    asked = {pair.conversation for pair in judge}
    rest = [pair for pair in order[HELD_OUT:] if pair.conversation not in asked]
    return rest[: job.pairs], judge, vectors


# --- one training


def work_on(options: argparse.Namespace) -> None:
    """This process's share of the jobs, one line each, until time is up."""
    sources = json.loads(options.questions.read_text(encoding="utf-8"))
    done = {line["job"] for line in all_lines(options.work)}
    mine = [job for number, job in enumerate(jobs(sources)) if number % options.workers == options.part]
    trainings = Trainings(options.device, options.work)
    for job in mine:
        if job.name in done or time.time() > options.until:
            continue
        line = trainings.line(job, sources[job.source])
        with (options.work / f"part-{options.part}.jsonl").open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line) + "\n")


class Trainings:
    """The base, loaded once, with an adapter on it that each job draws afresh."""

    def __init__(self, device: str, work: Path) -> None:
        from model.config import ModelConfig
        from trainer.settings import TrainingConfig
        from trainer.training.base import choose_attention
        from trainer.training.helpers import load_for_training
        from trainer.training.qlora import attach_adapter
        from trainer.training.recipe import resolve

        base = load_for_training(ModelConfig(device=device), work / "models")
        choose_attention(base.model, base.device, 400)
        self.parameters = base.model.num_parameters()
        self.tokenizer = base.tokenizer
        pad = base.tokenizer.pad_token_id
        self.pad_id = pad if pad is not None else base.tokenizer.eos_token_id
        self.config = TrainingConfig()
        self.model = attach_adapter(base.model, resolve(self.config, pairs=200, parameters=self.parameters))

    def line(self, job: Job, rows: Sequence[Mapping[str, str]]) -> dict[str, Any]:
        """Train, and score the held-out answers in four ways."""
        from trainer.evaluation.evaluate import nlls_of
        from trainer.training.qlora import CHALLENGER
        from trainer.training.shown_examples import examples_for, with_examples

        learn, judge, vectors = parted(rows, job)
        began = time.monotonic()
        steps = self._train(learn, examples_for(learn, vectors, {}, job.share, least=job.least), job.seed)
        line = {
            "job": job.name, "source": job.source, "pairs": len(learn), "seed": job.seed, "share": job.share,
            "least": job.least, "steps": steps, "seconds": round(time.monotonic() - began, 1),
        }  # fmt: skip
        for shown, least in {"": 2.0, **SHOWN}.items():
            examples = {
                one.reply_id: examples_for([*learn, one], vectors, {}, 1.0, most=MOST, least=least).get(
                    one.reply_id, ()
                )
                for one in judge
            }
            encoded = self._encoded(with_examples(judge, examples))
            for voice, adapter in (("base", None), ("adapter", CHALLENGER)):
                nlls = nlls_of(self.model, adapter, encoded, pad_id=self.pad_id)
                line[f"{voice} {shown}".strip()] = nlls
            line[f"shown {shown}".strip()] = [bool(examples[one.reply_id]) for one in judge]
        return line

    def _train(self, learn: Sequence[Pair], examples: Mapping[int, Sequence[Pair]], seed: int) -> int:
        import torch

        from trainer.snapshot.holdout import validation_split
        from trainer.training.adapter_weights import draw_afresh
        from trainer.training.memory import Fit
        from trainer.training.qlora import CHALLENGER, train
        from trainer.training.recipe import resolve, validation_size
        from trainer.training.shown_examples import with_examples

        learning, validating = validation_split(tuple(learn), validation_size(len(learn)))
        recipe = resolve(self.config, pairs=len(learning), parameters=self.parameters)
        torch.manual_seed(seed)
        draw_afresh(self.model, CHALLENGER)
        with tempfile.TemporaryDirectory() as scratch:
            learned = train(
                self.model,
                self._encoded(with_examples(learning, examples)),
                self._encoded(validating),
                recipe,
                pad_id=self.pad_id,
                seed=seed,
                fit=Fit(checkpointing=False, tokens=4096),
                checkpoints=Path(scratch),
                minutes=60,
                report=lambda *_: None,
                say=lambda _: None,
            )
        return learned.steps

    def _encoded(self, pairs: Sequence[Pair]) -> list[Any]:
        from trainer.training.tokens import encode_pairs

        return list(encode_pairs(self.tokenizer, pairs, max_tokens=self.config.max_tokens).items)


# --- the processes and the table


def run_all(options: argparse.Namespace) -> None:
    """The processes, until time is up."""
    from model.base.conversion import convert_base
    from model.config import ModelConfig

    (options.work / "models").mkdir(exist_ok=True)
    convert_base(ModelConfig(device=options.device), options.work / "models")
    until = time.time() + 60 * options.minutes
    running = []
    for part in range(options.workers):
        command = [
            sys.executable, "-m", "benchmarks.shown_examples", "--part", str(part), "--workers", str(options.workers),
            "--until", str(until), "--work", str(options.work), "--device", options.device,
            "--questions", str(options.questions),
        ]  # fmt: skip
        with (options.work / f"part-{part}.log").open("ab") as log:
            running.append(subprocess.Popen(command, stdout=log, stderr=log, env=one_thread()))  # noqa: S603 - ourselves
    for process in running:
        process.wait()


def all_lines(work: Path) -> list[dict[str, Any]]:
    """What every process has written so far."""
    return [line for file in sorted(work.glob("part-*.jsonl")) for line in read_lines(file)]


WAYS = ("base", "base near", "base any", "adapter", "adapter near", "adapter any")


def table(lines: Sequence[Mapping[str, Any]]) -> str:
    """The mean loss of a held-out answer (nats a token) over all seeds, and the adapter's where "near" shows any."""
    rows = [
        f"{'source':14} pairs share least runs " + "".join(f"{way:>13}" for way in WAYS) + "   of near: adapter, near"
    ]
    for (source, pairs, share, least), found in grouped(lines):
        means = "".join(f"{mean_of(found, way):13.3f}" for way in WAYS)
        near = [mean_of(found, way, where="shown near") for way in ("adapter", "adapter near")]
        part = statistics.mean(statistics.mean(line["shown near"]) for line in found)
        arm = f"{source:14} {pairs:5} {share:5.2f} {least:5.2f} {len(found):4}"
        rows.append(f"{arm} {means}   {part:4.0%} {near[0]:.3f} {near[1]:.3f}")
    return "\n".join(rows)


def grouped(lines: Sequence[Mapping[str, Any]]) -> list[tuple[tuple[str, int, float, float], list[Mapping[str, Any]]]]:
    """The lines by source, size (to the nearest 50) and arm."""
    groups: dict[tuple[str, int, float, float], list[Mapping[str, Any]]] = {}
    for line in lines:
        key = line["source"], 50 * round(line["pairs"] / 50), line["share"], line["least"]
        groups.setdefault(key, []).append(line)
    return sorted(groups.items())


def mean_of(lines: Sequence[Mapping[str, Any]], way: str, *, where: str = "") -> float:
    """Over the lines' answers, those alone that `where` marks; NaN where there is none."""
    found = [loss for line in lines for number, loss in enumerate(line[way]) if not where or line[where][number]]
    return statistics.mean(found) if found else float("nan")


if __name__ == "__main__":
    main()
