"""The 4-bit product on a CPU at each level of vectors: its speed alone, and of steps and prompts computed with it.

    python -m benchmarks.cpu_levels

The product is timed on one thread by the processor's time, which other programs hardly change; steps and prompts of the
base model on all cores by the clock. A level that the processor has not is left out.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from bitsandbytes import functional as bnb

from model.base.loading import load_base
from model.config import ModelConfig
from model.fused.cpu import compiled, kernels
from model.fused.cpu.nf4_product import multiplied
from model.protocol import Sampling
from model.serving.decoder import Decoder

LEVELS = {"avx2": ("AVX2", "AVX512"), "avx512": ("AVX512",), "bf16": ("AVX512",)}
_SIDE, _ROWS, _PROMPTS, _BATCHES = 1536, (1, 2, 8, 128), (41, 512), (1, 8)
_GREEDY = Sampling(temperature=0.0)


def products() -> str:
    """Billions of products a second by rows, the best of several runs."""
    weight = torch.randn(_SIDE, _SIDE)
    words, scales = kernels.pack(*bnb.quantize_4bit(weight, blocksize=64, quant_type="nf4", compress_statistics=True))
    found = []
    for rows in _ROWS:
        x = torch.randn(rows, _SIDE)
        seconds = _best(lambda: multiplied(x, words, scales), time.thread_time, max(8, 800 // rows))  # noqa: B023 - run now
        found.append(f"{rows} rows {rows * _SIDE**2 / seconds / 1e9:.1f}")
    return ", ".join(found)


def passes(base: str, folder: Path) -> str:
    """Milliseconds of prompts and of steps, the best of several runs."""
    config = ModelConfig(base=base, device="cpu", dtype="float32", slots=8, context_tokens=1024)
    found, decoder = [], Decoder(load_base(config, folder), config)
    decoder.warm_up()
    for length in _PROMPTS:
        seconds = min(_prompt(decoder, 0, length, seed) for seed in range(5))
        found.append(f"{length} tokens {1000 * seconds:.0f} ms")
    for count in _BATCHES:
        for row in range(count):
            _prompt(decoder, row, 80, 100 + row)
        seconds = _best(lambda: _step(decoder, count), time.perf_counter, 60)  # noqa: B023 - run now
        found.append(f"a step of {count} {1000 * seconds:.1f} ms")
    return ", ".join(found)


def _prompt(decoder: Decoder, row: int, length: int, seed: int) -> float:
    prompt = torch.randint(3, 4000, (length,), generator=torch.Generator().manual_seed(1000 * length + seed)).tolist()
    began = time.perf_counter()
    start = decoder.begin(row, prompt, _GREEDY, 0)
    while start < length:
        part = prompt[start : start + decoder.chunk]
        decoder.prefill(row, part, start, last=start + len(part) == length)
        start += len(part)
    return time.perf_counter() - began


def _step(decoder: Decoder, count: int) -> None:
    decoder.launch([5] * count)
    decoder.collect()


def _best(run: Callable[[], object], clock: Callable[[], float], times: int) -> float:
    seconds = []
    for _ in range(times):
        began = clock()
        run()
        seconds.append(clock() - began)
    return min(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", default="embedded", help="the base model (default %(default)s)")
    parser.add_argument("--models", type=Path, help="where converted bases are kept (default: nowhere)")
    parser.add_argument("--only-products", action="store_true", help="without the base model")
    options = parser.parse_args()
    found, own = torch.backends.cpu.get_cpu_capability(), compiled.level
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        for level, at_least in LEVELS.items():
            if found not in at_least or (level == "bf16" and own() != "bf16"):
                continue
            compiled.level = lambda: level  # noqa: B023 - run now
            compiled.library.cache_clear()
            threads = torch.get_num_threads()
            torch.set_num_threads(1)
            print(f"{level}: {products()} (billions of products a second, one thread)", flush=True)
            torch.set_num_threads(threads)
            if not options.only_products:
                print(f"{level}: {passes(options.base, options.models or Path(folder))}", flush=True)


if __name__ == "__main__":
    main()
