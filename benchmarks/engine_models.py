"""What the arms of benchmarks/engine.py share: the base in NF4, two adapters, and their files for other engines."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model

from benchmarks.random_base import random_7b
from model.adapter.base_shapes import read_skeleton
from model.adapter.files import read_adapter
from model.adapter.gguf import write_gguf_adapter
from model.base.conversion import unpack_gguf
from model.base.files import resolve_base
from model.base.loading import load_base
from model.config import ModelConfig

__all__ = ["CONTEXT", "Prepare", "machine", "random_adapter"]

CONTEXT = 512


class Prepare:
    """Makes what all arms share."""

    def make(self, base: str, rank: int, folder: str, plain: bool) -> dict[str, Any]:
        """A base in NF4, two adapters, and where llama.cpp or vLLM may run, their files."""
        root, on_gpu = Path(folder), torch.cuda.is_available()
        rank = rank or (16 if on_gpu else 8)
        title = base or ("Mistral 7B's shape, random weights" if on_gpu else "SmolLM2-135M")
        if not base:
            base = str(random_7b(root / "base")) if on_gpu else "embedded"
        config = ModelConfig(base=base, context_tokens=CONTEXT)
        loaded = load_base(config, root / "models")
        adapters = [
            str(random_adapter(root / name, loaded.model, rank, seed)) for seed, name in enumerate("ab", start=1)
        ]
        made = {"base": base, "title": title, "rank": rank, "cache": str(root / "models"), "adapters": adapters}
        made |= {"machine": machine(), "gguf": None, "adapter_gguf": None, "plain": None}
        ref = resolve_base(base)
        if ref.gguf_file:
            skeleton = read_skeleton(config, root / "models")
            weights = read_adapter(Path(adapters[0]), skeleton.identity, skeleton.shapes)
            write_gguf_adapter(root / "a.gguf", weights, skeleton.config, name="a")
            made |= {"gguf": str(Path(ref.source) / ref.gguf_file), "adapter_gguf": str(root / "a.gguf")}
            if plain:
                made["plain"] = unpack_gguf(ref, root)
        return made


def random_adapter(path: Path, base: Any, rank: int, seed: int, spread: float = 0.02) -> Path:
    """Write a random adapter in PEFT's format to `path`; `spread` is that of its B."""
    torch.manual_seed(seed)
    model = get_peft_model(
        base, LoraConfig(r=rank, lora_alpha=rank, target_modules="all-linear", task_type="CAUSAL_LM")
    )
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=spread)
    model.save_pretrained(str(path))
    model.unload()
    return path


def machine() -> str:
    """What this runs on."""
    if torch.cuda.is_available():
        return f"{torch.cuda.get_device_name()}, torch {torch.__version__}"
    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    name = models[0].split(":", 1)[1].strip() if models else platform.processor()
    return f"{name}, {len(os.sched_getaffinity(0))} cores, torch {torch.__version__}"
