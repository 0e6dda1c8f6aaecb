"""The machine: Python, torch and the card's driver, the card, the 4-bit kernels, and memory for the model."""

from __future__ import annotations

import os
import platform
import sys
from typing import TYPE_CHECKING

from bot.diagnosis.finding import Finding
from bot.machine import Memory, find_card, memory_here, torch_build, torch_problem

if TYPE_CHECKING:
    from bot.settings import Settings
    from storage.files.home import Home
    from trainer.memory_needs import MemoryNeeds
    from trainer.training.memory import ModelShape

__all__ = ["device", "kernels", "memory", "memory_finding", "python", "torch"]

_OLDEST, _NEWEST = (3, 11), (3, 13)


def python(version: tuple[int, int] = sys.version_info[:2]) -> Finding:
    """The version that runs this."""
    said = platform.python_version() if version == sys.version_info[:2] else ".".join(map(str, version))
    if version < _OLDEST:
        return Finding("broken", "python", f"{said}: Nightshift needs Python 3.11 or later; make the .venv with one.")
    if version > _NEWEST:
        return Finding("note", "python", f"{said}: tested up to 3.13; where a library fails, use that.")
    return Finding("good", "python", said)


def torch(wanted: str = "auto") -> Finding:
    """Torch's build against the driver of the card that is here; `wanted` is `[model] device`."""
    build, card = torch_build(), find_card()
    problem = torch_problem(card, build)
    if problem is not None:
        problem = problem[:1].upper() + problem[1:]
        if wanted == "cpu":
            return Finding("note", "torch", f'{problem}. device = "cpu" is set, so it is not asked for.')
        return Finding("broken", "torch", f'{problem}. To use the CPU all the same, set device = "cpu" under [model].')
    if build.cuda is None:
        return Finding("good", "torch", f"{build.version}, for the CPU; no NVIDIA card was found")
    if card is None and not build.usable:
        return Finding("good", "torch", f"{build.version}, for CUDA {build.cuda}; no NVIDIA card was found")
    return Finding("good", "torch", f"{build.version}, for CUDA {build.cuda}, driver {card.driver if card else '?'}")


def device(wanted: str) -> Finding:
    """Where the model runs."""
    import torch

    from model.base.device import pick_device

    place = pick_device(wanted)
    if place.type == "cpu":
        return Finding(
            "note", "device", f"the CPU, {os.cpu_count()} cores: fine for small models, slow for large ones."
        )
    free, total = torch.cuda.mem_get_info(place)
    name = torch.cuda.get_device_name(place)
    return Finding("good", "device", f"{name}, {free / 1e9:.0f} of {total / 1e9:.0f} GB free")


def kernels(wanted: str) -> Finding:
    """Pack a small matrix into 4 bits and unpack it, as loading and answering do."""
    import torch
    from bitsandbytes import functional

    from model.base.device import pick_device

    matrix = torch.linspace(-1, 1, 128 * 64, device=pick_device(wanted)).reshape(128, 64)
    packed, state = functional.quantize_4bit(matrix, quant_type="nf4", compress_statistics=True)
    error = float((functional.dequantize_4bit(packed, state) - matrix).abs().mean())
    if not error < 0.1:
        return Finding("broken", "kernels", f"4-bit packing is off by {error:.2f}: reinstall bitsandbytes.")
    return Finding("good", "kernels", f"4-bit packing works (mean error {error:.3f})")


def memory(home: Home, settings: Settings) -> Finding:
    """Memory for the model that is set: to answer, to train, and for both."""
    from trainer.memory_needs import memory_needs

    shape = _shape(home, settings.model.base)
    if shape is None:
        return Finding("note", "memory", "The size of this model is known after the first start: see `estimate` then.")
    here = memory_here(settings.model.device)
    needs = memory_needs(shape, settings.model, settings.training, on_gpu=here.on_gpu)
    return memory_finding(needs, here)


def memory_finding(needs: MemoryNeeds, here: Memory) -> Finding:
    """What the estimate means here. Pure."""
    said = (
        f"about {needs.serve / 1e9:.1f} GB to answer, {needs.train / 1e9:.1f} to train, {needs.both / 1e9:.1f} for "
        f"both; {here.place} has {here.total / 1e9:.1f}, {here.free / 1e9:.1f} free"
    )
    if needs.serve > here.total:
        return Finding(
            "broken", "memory", f"{said}: choose a smaller model, or lower context_tokens or slots ([model])."
        )
    if needs.train > here.total:
        return Finding("broken", "memory", f"{said}: choose a smaller model, or lower max_tokens ([training]).")
    if needs.serve > here.free:
        return Finding("note", "memory", f"{said}: other programs use it; end them, or this bot if it runs already.")
    if needs.both > here.total:
        meanwhile = "the bot sleeps while it trains" if here.on_gpu else "it will be slow while it trains"
        return Finding("note", "memory", f"{said}: not enough for both, so {meanwhile}.")
    return Finding("good", "memory", said)


def _shape(home: Home, base: str) -> ModelShape | None:
    """The sizes of a model: from the catalog, or from its config where that is on this machine already."""
    from model.catalog import catalog_entry
    from trainer.memory_needs import catalog_shape
    from trainer.training.local_shape import local_shape

    entry = catalog_entry(base)
    return catalog_shape(entry) if entry else local_shape(base, home.models)
