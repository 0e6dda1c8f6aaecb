"""Which engine the settings ask for: the one in this process, or a server's. Nobody else knows which it is."""

from __future__ import annotations

import os
from pathlib import Path

from model.config import EngineConfig, ModelConfig
from model.protocol import AdapterEngine

__all__ = ["start_engine"]

KEY = "OPENAI_API_KEY"


async def start_engine(model: ModelConfig, config: EngineConfig, cache_dir: Path) -> AdapterEngine:
    """Start it, without an adapter. Raises ModelError."""
    if config.url:
        from model.remote.engine import RemoteEngine

        return await RemoteEngine.start(model, config, cache_dir, os.environ.get(KEY, ""))
    from model.engine import Engine  # torch is only for who needs it

    return await Engine.start(model, cache_dir)
