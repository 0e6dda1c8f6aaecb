"""One arm of benchmarks/engine.py in a process of its own: reads commands as lines of JSON, answers with lines of JSON.

Roles: `prepare` makes the base and the adapters; `engine`, `generate` and `continuous` answer prompts.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any, TextIO

import torch
from peft import PeftModel
from transformers import AutoTokenizer, ContinuousBatchingConfig, GenerationConfig

from benchmarks.engine_models import CONTEXT, Prepare
from benchmarks.engine_swaps import Judge, SwapTrial
from model.adapter.base_shapes import read_skeleton
from model.base.conversion import convert_base
from model.base.loading import load_base
from model.chat import Message, encode_prompt
from model.config import ModelConfig
from model.engine import Engine
from model.protocol import AdapterRef, Completion, Sampling

ROWS = 32


class Transformers:
    """A loaded base with adapter A by PEFT."""

    def start(self, made: dict[str, Any]) -> None:
        loaded = load_base(ModelConfig(base=made["base"], context_tokens=CONTEXT), Path(made["cache"]))
        self.pad = loaded.tokenizer.pad_token_id or 0
        self.device = loaded.device
        self.model: Any = PeftModel.from_pretrained(loaded.model, made["adapters"][0]).eval()
        _forget_peak()

    def peak_bytes(self) -> int:
        """Of the GPU, or of this process on a CPU."""
        return _peak()


class Generate(Transformers):
    """`generate`, with all prompts padded to one batch."""

    def run(self, prompts: list[list[int]], tokens: int) -> dict[str, float]:
        first = self._seconds(prompts, 1)
        return {
            "tokens": tokens * len(prompts),
            "seconds": self._seconds(prompts, tokens),
            "first_token_s": first,
        }

    def _seconds(self, prompts: list[list[int]], tokens: int) -> float:
        longest = max(map(len, prompts))
        ids = torch.tensor([[self.pad] * (longest - len(ids)) + ids for ids in prompts], device=self.device)
        mask = torch.tensor([[0] * (longest - len(ids)) + [1] * len(ids) for ids in prompts], device=self.device)
        began = time.perf_counter()
        with torch.inference_mode():
            self.model.generate(
                input_ids=ids,
                attention_mask=mask,
                min_new_tokens=tokens,
                max_new_tokens=tokens,
                do_sample=False,
                pad_token_id=self.pad,
            )
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - began


class Continuous(Transformers):
    """transformers' continuous batching. Without `num_blocks` it takes most of the memory."""

    def run(self, prompts: list[list[int]], tokens: int) -> dict[str, float]:
        config = GenerationConfig(max_new_tokens=tokens, do_sample=False, eos_token_id=-1, pad_token_id=self.pad)
        batching = ContinuousBatchingConfig(num_blocks=4 * ROWS, max_batch_tokens=CONTEXT, allow_block_sharing=False)
        began = time.perf_counter()
        answers = self.model.get_base_model().generate_batch(
            prompts, generation_config=config, continuous_batching_config=batching, record_timestamps=True
        )
        seconds = time.perf_counter() - began
        if len(answers) < len(prompts):
            raise RuntimeError(f"it answered {len(answers)} of {len(prompts)} prompts")
        produced = sum(len(answer.generated_tokens) for answer in answers.values())
        first = [answer.timestamps[0] - answer.created_time for answer in answers.values()]
        return {"tokens": produced, "seconds": seconds, "first_token_s": statistics.median(first)}


class Ours:
    """This engine. Prompts are handed in as questions rendered before, so that every arm sees the same tokens."""

    def start(self, made: dict[str, Any]) -> None:
        config = ModelConfig(base=made["base"], context_tokens=CONTEXT, slots=ROWS, lora_rank=made["rank"])
        self._adapters = [AdapterRef(name, Path(path)) for name, path in zip("ab", made["adapters"], strict=True)]
        self._config, self._cache, self._rank = config, Path(made["cache"]), made["rank"]
        self._tokenizer = AutoTokenizer.from_pretrained(convert_base(config, self._cache)[1], trust_remote_code=False)
        self._loop = asyncio.new_event_loop()
        self._engine = self._loop.run_until_complete(Engine.start(config, Path(made["cache"]), self._adapters[0]))
        self._asked: dict[tuple[int, ...], str] = {}
        _forget_peak()

    def render(self, questions: list[str]) -> list[list[int]]:
        """Token ids of prompts."""
        prompts = [encode_prompt(self._tokenizer, [Message("user", question)]) for question in questions]
        self._asked |= {tuple(prompt): question for prompt, question in zip(prompts, questions, strict=True)}
        return prompts

    def run(self, prompts: list[list[int]], tokens: int) -> dict[str, float]:
        questions = [self._asked[tuple(prompt)] for prompt in prompts]
        began = time.perf_counter()
        answers = self._loop.run_until_complete(self._answers(questions, tokens))
        seconds = time.perf_counter() - began
        return {
            "tokens": sum(answer.completion_tokens for answer in answers),
            "seconds": seconds,
            "first_token_s": statistics.median(answer.first_token_s for answer in answers),
        }

    async def _answers(self, questions: list[str], tokens: int) -> list[Completion]:
        sampling = Sampling(max_new_tokens=tokens, temperature=0)
        generations = [self._engine.submit([Message("user", question)], sampling) for question in questions]
        return list(await asyncio.gather(*[generation.wait() for generation in generations]))

    def peak_bytes(self) -> int:
        """Of the GPU, or of this process on a CPU."""
        return _peak()

    def limits(self) -> dict[str, float]:
        """What one decode step must read, and how fast this machine reads."""
        skeleton = read_skeleton(self._config, self._cache)
        linear = sum(rows * columns for rows, columns in skeleton.shapes.values())
        adapter = sum(self._rank * (rows + columns) for rows, columns in skeleton.shapes.values())
        output = skeleton.config.vocab_size * skeleton.config.hidden_size
        wide = 2 if torch.cuda.is_available() else 4
        # NF4: half a byte a weight and a byte for each 64 (the scales of scales are next to nothing).
        read = linear * (1 / 2 + 1 / 64) + adapter * wide + output * 2
        return {"bytes_per_step": read, "bytes_per_second": _bandwidth()}

    def swaps(self, count: int, questions: list[str]) -> dict[str, Any]:
        """Swap `count` times while every question is asked again and again."""
        trial = SwapTrial(self._engine, self._adapters, questions)
        report = self._loop.run_until_complete(trial.run(count))
        judge = Judge(self._config, self._cache, self._adapters)
        return report | {"mixed": judge.mixed(trial.strange) if trial.strange else 0}


def _bandwidth() -> float:
    """Bytes a second that a copy reads and writes, the best of some."""
    on_gpu = torch.cuda.is_available()
    source = torch.zeros((2 if on_gpu else 1) << 28, dtype=torch.int32, device="cuda" if on_gpu else "cpu")
    target, best = torch.empty_like(source), float("inf")
    for _ in range(8):
        began = time.perf_counter()
        target.copy_(source)
        if on_gpu:
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - began)
    return 2 * source.nbytes / best


def _forget_peak() -> None:
    """Loading is over: the peak counts from now."""
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    else:
        gc.collect()
        Path("/proc/self/clear_refs").write_text("5")


def _peak() -> int:
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))


ROLES = {"prepare": Prepare, "engine": Ours, "generate": Generate, "continuous": Continuous}


def main(answers: TextIO) -> None:
    role = ROLES[sys.argv[1]]()
    for line in sys.stdin:
        arguments = json.loads(line)
        try:
            result = getattr(role, arguments.pop("command"))(**arguments)
        except Exception as error:  # noqa: BLE001 - the parent decides what a failure means
            answer = {"error": f"{type(error).__name__}: {error}"[:300]}
        else:
            answer = {"result": result}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    # Libraries print to stdout: answers go to what stdout was, and stdout to stderr.
    wire = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    main(wire)
