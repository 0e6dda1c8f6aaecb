"""The embedded SmolLM2 as vLLM serves it, two adapters for it, and an engine on that server."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from model.adapter.files import AdapterWeights
from model.adapter.merge import write_merged
from model.base.loading import LoadedBase, load_base
from model.config import EngineConfig, ModelConfig
from model.protocol import AdapterRef
from model.remote.engine import RemoteEngine
from tests.tiny import make_tiny_adapter
from tests.vllm.program import Vllm

CONFIG = ModelConfig(device="cpu", dtype="float32", context_tokens=512, slots=2, lora_rank=8)


def pytest_collection_modifyitems(items: list[Any]) -> None:
    """Skip this folder where there is no vLLM; where there is, a test may take the time of a start."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(580))
            if not os.environ.get("VLLM"):
                item.add_marker(pytest.mark.skip(reason="vLLM is not installed: `make test-vllm` installs and runs it"))


@dataclass(frozen=True)
class Smol:
    """The base as the local engine has it, its 4-bit weights unpacked for vLLM, and two adapters."""

    base: LoadedBase
    cache: Path
    plain: Path
    a: AdapterRef
    b: AdapterRef


@pytest.fixture(scope="session")
def smol(tmp_path_factory: pytest.TempPathFactory) -> Smol:
    """Made once, before anything else runs: a CPU repacks the weights of a base that has run."""
    root = tmp_path_factory.mktemp("smol")
    base = load_base(CONFIG, root / "models")
    write_merged(root / "plain", base, AdapterWeights(1, 1.0, {}))
    a = AdapterRef("a", make_tiny_adapter(root / "a", base.model, seed=1, scale=0.02))
    b = AdapterRef("b", make_tiny_adapter(root / "b", base.model, seed=2, scale=0.04))
    return Smol(base, root / "models", root / "plain", a, b)


@pytest.fixture(scope="session")
def vllm(smol: Smol, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One server for all tests; a test that stops it starts it again."""
    server = Vllm(os.environ["VLLM"], smol.plain, tmp_path_factory.mktemp("vllm") / "log")
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture
async def engine(smol: Smol, vllm: Vllm) -> Any:
    """An engine on the server, with the base in use."""
    config = EngineConfig(url=(vllm.url,), look_seconds=1.0)
    one = await RemoteEngine.start(CONFIG, config, smol.cache)
    yield one
    await one.swap(None)
    await one.close()


def copied(adapter: AdapterRef, folder: Path, name: str) -> AdapterRef:
    """The same adapter under another id and path."""
    shutil.copytree(adapter.path, folder / name)
    return AdapterRef(name, folder / name)
