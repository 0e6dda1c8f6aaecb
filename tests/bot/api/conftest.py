"""An endpoint on a port of this machine, on the fake engine, with the real client of OpenAI."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import openai
import pytest

from bot.api.endpoint import Endpoint
from storage.async_store import AsyncStore
from storage.files.adapter_directory import AdapterDirectory
from storage.run_records import Adapter
from storage.store import Store
from tests.fake_engine import FakeEngine

KEY = "sk-a-key-of-the-tests-0123456789"


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


async def until(so: Callable[[], object]) -> None:
    """Wait for something that another task does."""
    while not so():  # noqa: ASYNC110 - the fake engine has no event for it
        await asyncio.sleep(0.01)


def client_of(port: int, key: str = KEY) -> openai.AsyncOpenAI:
    """The client that programs use; it tries nothing twice, so that errors are seen."""
    return openai.AsyncOpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key=key, max_retries=0, timeout=20)


@dataclass
class Served:
    """An endpoint and what is behind it."""

    endpoint: Endpoint
    engine: Any
    store: AsyncStore
    directory: AdapterDirectory
    client: openai.AsyncOpenAI
    port: int

    async def ask(self, text: str = "hello there", model: str = "current", **options: Any) -> Any:
        messages = [{"role": "user", "content": text}]
        return await self.client.chat.completions.create(model=model, messages=messages, **options)

    async def publish(self, name: str, folder: Any) -> None:
        """Publish an adapter whose files nobody but storage reads, for this engine's base."""
        folder.mkdir()
        (folder / "adapter_config.json").write_text("{}")
        (folder / "adapter_model.safetensors").write_bytes(name.encode())
        self.directory.publish(name, folder, {})
        made = Adapter(name, None, self.engine.base_id, "2026-11-23T04:00:00.000+00:00", {})
        await self.store.call(Store.add_adapter, made)


@pytest.fixture
def serving(home, settings):
    """Serves an endpoint; settings of [api] and [model] can be changed."""

    @asynccontextmanager
    async def opening(engine=None, *, slots=4, **api):
        chosen = settings.model_copy(
            update={"api": replace(settings.api, **api), "model": replace(settings.model, adapter_slots=slots)}
        )
        engine, directory, port = engine or FakeEngine(), AdapterDirectory(home.adapters), free_port()
        store = await AsyncStore.open(home.db)
        endpoint = Endpoint(engine, store, directory, chosen, KEY)
        try:
            async with endpoint.serving(port), client_of(port) as client:
                yield Served(endpoint, engine, store, directory, client, port)
        finally:
            await store.close()

    return opening


@pytest.fixture
async def served(serving):
    async with serving() as opened:
        yield opened
