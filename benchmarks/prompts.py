"""How long the first word takes by the length of the prompt, alone and eight at once, on a GPU.

    python -m benchmarks.prompts

The shape of a 7B with random weights: right for speed, never for quality. First the passes over prompts are checked
against transformers' modules, for tiny models of each family the fused step knows; then the engine is timed, and
`generate` with PEFT if asked. The last lines are a table.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, LlamaConfig, MistralConfig, Qwen2Config, Qwen3Config

from benchmarks.random_base import random_7b
from model.base.loading import load_base
from model.config import ModelConfig
from model.engine import Engine
from model.protocol import Sampling
from model.serving.decoder import Decoder
from model.serving.generation import Generation
from tests.tiny import tiny_tokenizer

LENGTHS = (128, 512, 1024, 1800)
CONTEXT = 2048
_SHAPE: dict[str, Any] = {
    "hidden_size": 256, "intermediate_size": 512, "num_hidden_layers": 3, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 64, "vocab_size": 512, "max_position_embeddings": CONTEXT,
}  # fmt: skip
FAMILIES = {
    "llama": LlamaConfig(**_SHAPE),
    "mistral": MistralConfig(**_SHAPE, sliding_window=None),
    "mistral, window 100": MistralConfig(**_SHAPE, sliding_window=100),
    "qwen2": Qwen2Config(**_SHAPE),
    "qwen3": Qwen3Config(**_SHAPE),
}


def check(folder: Path) -> None:
    """Compare logits of captured passes with the modules', by relative norm, at several lengths and starts."""
    for name, config in FAMILIES.items():
        torch.manual_seed(0)
        path = folder / name.replace(" ", "-")
        AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16, trust_remote_code=False).save_pretrained(path)
        tiny_tokenizer().save_pretrained(path)
        settings = ModelConfig(base=str(path), context_tokens=CONTEXT, slots=4)
        decoder = Decoder(load_base(settings, folder / "models"), settings)
        with torch.inference_mode():
            decoder.warm_up()
            print(f"{name}: {decoder.path}, off by {max(_errors(decoder)):.4f} at most", flush=True)


def _errors(decoder: Decoder) -> list[float]:
    errors = []
    for length, start in ((1, 0), (20, 0), (100, 0), (500, 0), (900, 0), (1500, 0), (300, 700), (40, 1000), (33, 64)):
        ids = torch.randint(3, 500, (start + length,), generator=torch.Generator().manual_seed(length)).tolist()
        decoder.begin(1, ids, Sampling(temperature=0.0), 0)
        assert decoder._prefill_passes is not None  # noqa: S101, SLF001
        if start:
            decoder.prefill(1, ids[:start], 0, last=False)
        got = decoder._prefill_passes.read(1, ids[start:], start).clone()  # noqa: SLF001
        decoder.cache.begin_prefill(2, 0, len(ids))
        places = torch.arange(len(ids), device=decoder.device)[None]
        wanted = decoder._forward(torch.tensor(ids, device=decoder.device)[None], places)  # noqa: SLF001
        errors.append(float((got.float() - wanted.float()).norm() / wanted.float().norm()))
    return errors


async def time_engine(base: Path, cache: Path, repeats: int) -> None:
    """First tokens of the engine, and how long a reply in progress is held up meanwhile."""
    engine = await Engine.start(ModelConfig(base=str(base), context_tokens=CONTEXT, slots=32), cache)
    decoder = engine._worker.decoder  # noqa: SLF001
    assert decoder is not None  # noqa: S101
    if decoder._prefill_passes is not None:  # noqa: SLF001
        passes = {size: round(1000 * took, 1) for size, took in decoder._prefill_passes._seconds.items()}  # noqa: SLF001
        print(f"passes in ms: {passes}; chunk {decoder.chunk}", flush=True)
    for length in LENGTHS:
        for count in (1, 8):
            first = [await _first_token(engine, length, count, seed) for seed in range(repeats + 1)][1:]
            print(
                f"{length} tokens, {count} at once: first token {1000 * statistics.median(first):.0f} ms "
                f"({1000 * min(first):.0f}, {1000 * max(first):.0f})",
                flush=True,
            )
    await engine.close()


async def _first_token(engine: Engine, length: int, count: int, seed: int) -> float:
    """Seconds to the first token, the median of `count` prompts that share nothing."""
    made = torch.Generator().manual_seed(1000 * length + 10 * seed + count)
    generations = []
    for number in range(count):
        prompt = torch.randint(3, 500, (length,), generator=made).tolist()
        sampling = Sampling(temperature=0.0, max_new_tokens=8)
        generation = Generation(engine._worker, prompt, sampling, str(number))  # noqa: SLF001
        engine._worker.submit(generation)  # noqa: SLF001
        generations.append(generation)
    done = await asyncio.gather(*(generation.wait() for generation in generations))
    return statistics.median(one.first_token_s for one in done)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--base", type=Path, help="a base that was made before")
    parser.add_argument("--only-time", action="store_true", help="without the check")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if not options.only_time:
            check(Path(folder))
        began = time.perf_counter()
        base = options.base or random_7b(Path(folder) / "base")
        print(f"base made in {time.perf_counter() - began:.0f} s", flush=True)
        asyncio.run(time_engine(base, Path(folder) / "models", options.repeats))


if __name__ == "__main__":
    main()
