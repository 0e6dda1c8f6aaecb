"""The endpoint as a part of the bot, by itself, and on a real model."""

from __future__ import annotations

import asyncio
import gc
import stat
from dataclasses import replace

import openai
import pytest

from bot.api.key import api_key
from bot.app import Nightshift
from bot.errors import EndpointOccupied, KeyUnusable, PortUnavailable
from bot.standalone import serve_api
from model.base.loading import load_base
from model.chat import Message
from model.config import ModelConfig
from model.engine import Engine
from model.errors import EngineFailed
from model.protocol import AdapterRef, Sampling
from storage.files.adapter_directory import AdapterDirectory
from storage.files.home_lock import occupy
from storage.run_records import Adapter
from storage.store import Store
from tests.bot.api.conftest import KEY, client_of, free_port, until
from tests.fake_engine import FakeEngine
from tests.tiny import make_tiny_adapter, make_tiny_base


def at(settings, port):
    return settings.model_copy(update={"api": replace(settings.api, port=port)})


async def test_a_bot_serves_it_on_its_own_engine(home, settings):
    """With the key that was made, until the bot ends."""
    engine, port = FakeEngine(), free_port()
    async with Nightshift.open(home, at(settings, port), engine=engine):
        async with client_of(port, (home.root / "api-key").read_text().strip()) as client:
            said = [{"role": "user", "content": "hello"}]
            answer = await client.chat.completions.create(model="current", messages=said)
        assert answer.choices[0].message.content == "You said: hello"
        assert len(engine.seen) == 1
    async with client_of(port, KEY) as client:
        with pytest.raises(openai.APIConnectionError):
            await client.models.list()


async def test_without_the_setting_there_is_neither_port_nor_key(home, settings):
    """Off by default."""
    async with Nightshift.open(home, settings, engine=FakeEngine()) as app:
        assert app.services.endpoint is None
    assert not (home.root / "api-key").exists()


async def test_a_port_that_is_taken_is_a_sentence_and_leaves_nothing_open(home, settings):
    """It names the section."""
    port, engine = free_port(), FakeEngine()
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", port)
    async with server:
        with pytest.raises(PortUnavailable, match=r"\[api\]"):
            async with Nightshift.open(home, at(settings, port), engine=engine):
                pass
    assert engine.closed


def test_the_key_is_made_once_and_is_its_owners_alone(home, settings):
    """A second start reads it."""
    key = api_key(home, settings.api)
    assert len(key) > 40
    assert api_key(home, settings.api) == key
    assert stat.S_IMODE((home.root / "api-key").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "text", ["", "short", "two words that are long enough", "sk-\x00aaaaaaaaaaaaaaaaaaaa", "ä" * 30]
)
def test_a_file_without_a_key_is_refused(home, settings, text):
    """An endpoint that anybody can use must not come of it."""
    (home.root / "api-key").write_text(text)
    with pytest.raises(KeyUnusable, match="a new key is made"):
        api_key(home, settings.api)


async def test_alone_it_answers_with_the_champion_and_follows_it(home, settings, tmp_path, monkeypatch):
    """`nightshift api`; beside a bot it is refused."""
    failed = []

    async def failing(_adapters):
        failed.append(1)
        raise EngineFailed("the worker is gone")

    engine, port, said = FakeEngine(), free_port(), asyncio.Queue()
    quick = settings.model_copy(update={"discord": replace(settings.discord, poll_seconds=0.05)})
    task = asyncio.create_task(serve_api(home, quick, KEY, port, engine=engine, say=said.put_nowait))
    try:
        assert f"127.0.0.1:{port}" in await asyncio.wait_for(said.get(), 10)
        assert gc.get_freeze_count()  # Python looks no more for garbage among what is loaded
        with pytest.raises(EndpointOccupied):
            await serve_api(home, quick, KEY, port, engine=FakeEngine())
        with Store.open(home.db) as store:
            folder = tmp_path / "made"
            folder.mkdir()
            (folder / "adapter_config.json").write_text("{}")
            (folder / "adapter_model.safetensors").write_bytes(b"x")
            AdapterDirectory(home.adapters).publish("a1", folder, {})
            store.add_adapter(Adapter("a1", None, engine.base_id, "2026-11-23T04:00:00.000+00:00", {}))
            store.promote("a1", kind="use", actor="test", reason="test")
        await until(lambda: engine.adapter == "a1")
        async with client_of(port) as client:
            question = [{"role": "user", "content": "hello"}]
            answer = await client.chat.completions.create(model="current", messages=question)
        assert answer.model == "a1"
        monkeypatch.setattr("bot.api.adapters.NamedAdapters.drop_retired", failing)
        await until(lambda: len(failed) > 1 or task.done())  # a look that fails is not the last one
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        gc.unfreeze()
    assert engine.closed
    with occupy(home):  # it was let go
        pass


@pytest.mark.slow
async def test_a_real_model_answers_by_name_as_its_engine_does(serving, tmp_path):
    """Greedy: the current adapter, another one, and the base, whole and streamed, at once."""
    base = make_tiny_base(tmp_path / "base")
    config = ModelConfig(base=str(base), device="cpu", dtype="float32", context_tokens=256, slots=4, lora_rank=8)
    engine = await Engine.start(config, tmp_path / "cache")
    try:
        async with serving(engine, slots=4) as served:
            model = load_base(config, tmp_path / "cache").model
            for number, name in enumerate(("a1", "a2"), 1):
                folder = make_tiny_adapter(tmp_path / name, model, seed=number)
                served.directory.publish(name, folder, {})
                made = Adapter(name, None, engine.base_id, "2026-11-23T04:00:00.000+00:00", {})
                await served.store.call(Store.add_adapter, made)
            await engine.swap(AdapterRef("a1", served.directory.path("a1")))
            asked = {"temperature": 0, "max_tokens": 12}

            async def streamed(name):
                stream = await served.ask("hello there", model=name, stream=True, **asked)
                return "".join([one.choices[0].delta.content or "" async for one in stream])

            names = ["current", "a1", "a2", "base"]
            wholes = await asyncio.gather(*(served.ask("hello there", model=name, **asked) for name in names))
            streams = await asyncio.gather(*map(streamed, names))
            texts = [one.choices[0].message.content for one in wholes]
            assert [one.model for one in wholes] == ["a1", "a1", "a2", "base"]
            assert [one.rstrip() for one in streams] == texts
            assert texts[0] == texts[1]
            assert len(set(texts)) == 3
            greedy = Sampling(12, 0.0, 0.9, 1.05)
            direct = [
                engine.submit([Message("user", "hello there")], greedy, adapter=one) for one in ("a1", "a2", None)
            ]
            assert texts[1:] == [(await one.wait()).text for one in direct]
    finally:
        await engine.close()
