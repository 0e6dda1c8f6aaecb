"""Frees GPU memory for a training run: the engine sleeps meanwhile, but only if both do not fit."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from bot.chat.engine_supervision import wake
from model.base.files import resolve_base
from model.errors import ModelError
from model.protocol import ChatEngine
from storage.files.home import Home
from trainer.gpu_sharing import least_bytes, must_sleep
from trainer.settings import TrainerSettings
from trainer.training.memory import EMBEDDED_SHAPE, ModelShape

__all__ = ["share_gpu_memory"]

_log = logging.getLogger(__name__)


def _free_bytes(device: str) -> float:
    import torch  # loaded already where an engine is on a GPU

    return float(torch.cuda.mem_get_info(device)[0])


@asynccontextmanager
async def share_gpu_memory(
    engine: ChatEngine,
    settings: TrainerSettings,
    home: Home,
    *,
    free_bytes: Callable[[str], float] = _free_bytes,
) -> AsyncIterator[bool]:
    """While inside, training has the memory it needs; yields whether the engine sleeps. It is always woken.

    Args:
        engine: what answers. Requests wait while it sleeps; on a CPU it never does.
        settings: of the base model and the training.
        home: where the base model's config is.
        free_bytes: how much memory of a device is free.
    """
    stats = engine.stats()
    shape = await asyncio.to_thread(_shape, settings.model.base, home.models) if _on_gpu(stats.device) else None
    asleep = False
    if shape is not None:
        need, free = least_bytes(shape, settings.training), free_bytes(stats.device)
        if must_sleep(need=need, free=free, held=stats.memory_bytes):
            _log.info("Training needs %.1f GB, %.1f GB are free: the engine sleeps meanwhile", need / 1e9, free / 1e9)
            asleep = await _put_to_sleep(engine)
    try:
        yield asleep
    finally:
        if asleep:
            await asyncio.shield(wake(engine))


async def _put_to_sleep(engine: ChatEngine) -> bool:
    try:
        await engine.sleep()
    except ModelError as error:
        _log.error("The engine cannot be put to sleep: %s", error)
        return False
    return True


def _on_gpu(device: str) -> bool:
    return device.startswith("cuda")


def _shape(base: str, models: Path) -> ModelShape | None:
    """The sizes of the base model from its config; None when they cannot be read."""
    if base == "embedded":
        return EMBEDDED_SHAPE
    try:
        config = models / f"{resolve_base(base, models).slug}-nf4" / "config.json"
        return ModelShape.from_config(json.loads(config.read_text(encoding="utf-8")))
    except (ModelError, OSError, ValueError, KeyError, TypeError):
        return None
