"""The engine beside its peers: the same prompts, the same machine, one run, repeats interleaved.

    make bench
    python -m benchmarks.engine --llama-server PATH --vllm PATH --out results.json

On a CPU the embedded model; on a GPU the shape of a 7B with random weights, right for speed and memory, never for
quality. Both in NF4 with a LoRA adapter on all linear layers. Every arm is a process of its own, kept alive and asked
in turn (benchmarks/engine_arms.py). A peer that is not installed is left out, and its ratios are null. Prints a table;
the last line is the JSON of the ratios of medians.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.engine_arms import Arm, ArmFailed, ChildArm, Measurement, llama_server, vllm_server

THINGS = [
    *("a lighthouse", "an old map", "the first snow", "a night train", "two rivals", "a lost dog", "the harbour"),
    *("a broken clock", "a long walk", "an honest thief", "the last bus", "a small garden", "a wrong letter"),
    *("the storm", "a good teacher", "the empty house"),
]
QUESTIONS = [f"Tell me a long story about {thing}, {end}." for end in ("please", "in detail") for thing in THINGS]
PEERS = {
    "generate": "transformers generate + PEFT",
    "continuous": "transformers continuous batching + PEFT",
    "llamacpp": "llama.cpp server, its Q4 file, no LoRA",
    "llamacpp_lora": "llama.cpp server, its Q4 file + LoRA",
    "vllm": "vLLM, bf16 + LoRA",
}
Results = dict[tuple[str, int], list[Measurement]]


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory(prefix="nightshift-bench-") as scratch, ExitStack() as stack:
        with ChildArm("prepare", {}) as maker:
            made = maker.ask("make", base=options.base, rank=options.rank, folder=scratch, plain=bool(options.vllm))
        engine = stack.enter_context(ChildArm("engine", made))
        peers, absent = _start_peers(options, made, stack)
        results = _measure(engine, peers, options)
        about = {
            **{name: made[name] for name in ("title", "rank", "machine")},
            "tokens": options.tokens,
            "repeats": options.repeats,
            "absent": absent,
            "memory": {name: arm.peak_bytes() for name, arm in {"engine": engine, **peers}.items()},
            "limits": engine.ask("limits"),
            "swaps": engine.ask("swaps", count=options.swaps, questions=QUESTIONS[:8]) if options.swaps else None,
        }
    ratios = _ratios(results, options.batches, about["swaps"])
    _print(results, about)
    if options.out:
        rows = [
            {"arm": arm, "batch": batch, "runs": [asdict(run) for run in runs]}
            for (arm, batch), runs in results.items()
        ]
        document = {"about": about, "results": rows, "ratios": ratios}
        options.out.write_text(json.dumps(document, indent=1) + "\n", "utf-8")
    print(json.dumps(ratios))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", default=",".join(PEERS), help="which of: %(default)s")
    parser.add_argument("--batches", default="1,8,32", help="conversations at once (default %(default)s)")
    parser.add_argument("--tokens", type=int, default=128, help="new tokens for each reply (default %(default)s)")
    parser.add_argument("--repeats", type=int, default=3, help="of each measurement, interleaved (default %(default)s)")
    parser.add_argument("--rank", type=int, default=0, help="of the adapter (default: 8 on a CPU, 16 on a GPU)")
    parser.add_argument("--swaps", type=int, default=20, help="swaps under load (default %(default)s)")
    parser.add_argument("--base", default="", help="a base model (default: embedded on a CPU, a random 7B on a GPU)")
    parser.add_argument("--llama-server", default=shutil.which("llama-server"), help="llama.cpp's server, if installed")
    parser.add_argument("--vllm", default=shutil.which("vllm"), help="vLLM's command, if installed")
    parser.add_argument("--out", type=Path, help="write everything to this JSON file")
    options = parser.parse_args()
    options.peers = [name for name in options.peers.split(",") if name]
    options.batches = [int(part) for part in options.batches.split(",")]
    if unknown := sorted(set(options.peers) - set(PEERS)):
        parser.error(f"unknown peers: {', '.join(unknown)}")
    return options


def _start_peers(
    options: argparse.Namespace, made: dict[str, Any], stack: ExitStack
) -> tuple[dict[str, Arm], dict[str, str]]:
    """The peers that run here, and why the others do not."""
    most = max(options.batches)
    makers: dict[str, Callable[[], AbstractContextManager[Arm]]] = {
        "generate": lambda: ChildArm("generate", made),
        "continuous": lambda: ChildArm("continuous", made),
        "llamacpp": lambda: llama_server(options.llama_server, made["gguf"], None, most),
        "llamacpp_lora": lambda: llama_server(options.llama_server, made["gguf"], made["adapter_gguf"], most),
        "vllm": lambda: vllm_server(options.vllm, made["plain"], made["adapters"][0], made["rank"], most),
    }
    peers: dict[str, Arm] = {}
    absent: dict[str, str] = {}
    for name in options.peers:
        try:
            arm = stack.enter_context(makers[name]())
            arm.run([[5, 6, 7, 8]], 4)
        except ArmFailed as failure:
            absent[name] = str(failure)
            _say(f"{PEERS[name]}: left out: {failure}")
        else:
            peers[name] = arm
    return peers, absent


def _measure(engine: ChildArm, peers: dict[str, Arm], options: argparse.Namespace) -> Results:
    arms: dict[str, Arm] = {"engine": engine, **peers}
    results: Results = {}
    for repeat in range(options.repeats + 1):  # the first round warms up: caches, graphs, allocators
        for batch in options.batches:
            questions = [QUESTIONS[(5 * repeat + number) % len(QUESTIONS)] for number in range(batch)]
            prompts = engine.ask("render", questions=questions)
            for name in _turns(list(arms), repeat):
                try:
                    run = arms[name].run(prompts, options.tokens if repeat else 8)
                except ArmFailed as failure:
                    _say(f"{name} at batch {batch}: {failure}")
                    continue
                if repeat:
                    results.setdefault((name, batch), []).append(run)
                    _say(f"{name} at batch {batch}: {run.tokens_per_second:.1f} tokens/s")
    return results


def _turns(names: list[str], repeat: int) -> Iterator[str]:
    """Each repeat begins with another arm, so that no arm always follows the same one."""
    start = repeat % len(names)
    yield from names[start:] + names[:start]


def _ratios(results: Results, batches: list[int], swaps: dict[str, Any] | None) -> dict[str, float | None]:
    def speed(arm: str, batch: int) -> float | None:
        runs = results.get((arm, batch))
        return statistics.median(run.tokens_per_second for run in runs) if runs else None

    ratios: dict[str, float | None] = {}
    for batch in batches:
        ours = speed("engine", batch)
        for peer in PEERS:
            theirs = speed(peer, batch)
            ratios[f"batch{batch}_vs_{peer}"] = round(ours / theirs, 2) if ours and theirs else None
    ratios["swap_pause_ms"] = round(swaps["pause_ms"]["median"], 2) if swaps else None
    return ratios


def _print(results: Results, about: dict[str, Any]) -> None:
    titles = {"engine": "this engine", **PEERS}
    limits, memory = about["limits"], about["memory"]
    print(f"{about['machine']}; {about['title']}, NF4, LoRA rank {about['rank']}; {about['tokens']} new tokens a reply")
    print(f"{'':44}{'batch':>6}{'tokens/s':>10}{'(least, most)':>20}{'first token':>13}{'peak memory':>13}")
    for (arm, batch), runs in sorted(results.items(), key=lambda item: (item[0][1], list(titles).index(item[0][0]))):
        speeds = [run.tokens_per_second for run in runs]
        first = statistics.median(run.first_token_s for run in runs)
        spread = f"({min(speeds):.1f}, {max(speeds):.1f})"
        held = f"{memory[arm] / 1e9:.2f} GB"
        print(f"{titles[arm]:44}{batch:6}{statistics.median(speeds):10.1f}{spread:>20}{1e3 * first:10.0f} ms{held:>13}")
    for arm, why in about["absent"].items():
        print(f"{titles[arm]:44}left out: {why}")
    limit = limits["bytes_per_second"] / limits["bytes_per_step"]
    print(
        f"A step reads {limits['bytes_per_step'] / 1e9:.2f} GB; at {limits['bytes_per_second'] / 1e9:.0f} GB/s, "
        f"measured by copying, at most {limit:.0f} steps/s."
    )
    if ("engine", 1) in results:
        speed = statistics.median(run.tokens_per_second for run in results["engine", 1])
        print(f"This engine reaches {100 * speed / limit:.0f} % of that at batch 1.")
    if swaps := about["swaps"]:
        pause = swaps["pause_ms"]
        print(
            f"{swaps['count']} swaps under load: pause {pause['median']:.1f} ms (median), {pause['most']:.1f} ms "
            f"(most); {swaps['replies']} replies, {swaps['failed']} failed, {swaps['mixed']} mixed"
        )


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
