"""Tiny real models, made once, and engines on them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from model.base.loading import LoadedBase, load_base
from model.config import ModelConfig
from model.engine import Engine
from model.protocol import AdapterRef
from tests.tiny import make_tiny_adapter, make_tiny_base

TINY = ModelConfig(device="cpu", dtype="float32", context_tokens=256, slots=4, lora_rank=8)


@dataclass(frozen=True)
class Tiny:
    """A tiny base on disk and two adapters for it."""

    config: ModelConfig
    cache: Path
    a: AdapterRef
    b: AdapterRef

    def load(self) -> LoadedBase:
        return load_base(self.config, self.cache)


@pytest.fixture(scope="session")
def tiny_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Tiny]:
    """Make (once) the tiny base of a family."""
    made: dict[str, Tiny] = {}

    def make(family: str) -> Tiny:
        if family not in made:
            root = tmp_path_factory.mktemp(family)
            config = replace(TINY, base=str(make_tiny_base(root / "base", family)))
            base = load_base(config, root / "cache").model
            a = AdapterRef("a", make_tiny_adapter(root / "a", base, seed=1))
            b = AdapterRef("b", make_tiny_adapter(root / "b", base, seed=2, rank=4, alpha=4))
            made[family] = Tiny(config, root / "cache", a, b)
        return made[family]

    return make


@pytest.fixture
def tiny(tiny_of: Callable[[str], Tiny]) -> Tiny:
    return tiny_of("llama")


@pytest.fixture
async def start() -> AsyncIterator[Callable[..., Awaitable[Engine]]]:
    """Start engines that are closed after the test."""
    engines: list[Engine] = []

    async def start_one(tiny: Tiny, adapter: AdapterRef | None = None, **changes: object) -> Engine:
        engines.append(await Engine.start(replace(tiny.config, **changes), tiny.cache, adapter))
        return engines[-1]

    yield start_one
    for engine in engines:
        await engine.close()
