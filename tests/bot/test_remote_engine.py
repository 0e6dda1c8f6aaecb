"""A bot whose replies a model server makes: nothing on Discord looks different. bot/app.py at work."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from bot.app import Nightshift
from bot.i18n.en import texts
from bot.simulation.server import simulate
from model.base.loading import load_base
from model.config import EngineConfig, ModelConfig
from storage.files.adapter_directory import AdapterDirectory
from storage.run_records import Adapter
from storage.store import Store
from tests.bot.conftest import Stage, no_training
from tests.model_server import Status, serving
from tests.tiny import make_tiny_adapter, make_tiny_base


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A tiny base, and the folder of an adapter for it."""
    root = tmp_path_factory.mktemp("tiny")
    config = ModelConfig(base=str(make_tiny_base(root / "base")), device="cpu", context_tokens=256)
    base = load_base(config, root / "cache")
    return config, base, make_tiny_adapter(root / "adapter", base.model)


@pytest.fixture
def remote_stage(home, settings, tiny):
    """Opens a stage on a model server; yields both."""

    @asynccontextmanager
    async def opening(**options):
        async with serving(**options) as server:
            engine = EngineConfig(url=(server.url,), look_seconds=0.2, silence_seconds=2.0)
            drawn = replace(settings.generation, max_new_tokens=60)
            chosen = settings.model_copy(update={"model": tiny[0], "engine": engine, "generation": drawn})
            async with (
                Nightshift.open(home, chosen, train=no_training) as app,
                simulate(app.client, settle_timeout=10.0, check_errors=False) as world,
            ):
                yield Stage(app, app.engine, world), server

    return opening


async def published(stage, tiny, name):
    """Publish an adapter and make it champion, as a run does."""
    _, base, folder = tiny
    identity = {"base_model": base.id, "base_revision": base.revision, "template_hash": base.template_hash}
    await asyncio.to_thread(AdapterDirectory(stage.app.home.adapters).publish, name, folder, identity)
    await stage.app.store.call(Store.add_adapter, Adapter(name, None, base.id, "2026-11-23T04:00:00.000+00:00"))
    await stage.app.store.call(Store.promote, name, kind="use", actor="Mo", reason="chosen")


async def test_a_member_is_answered_by_the_server(remote_stage):
    """The answer is on Discord and in the store with what the server said of it."""
    async with remote_stage() as (stage, _):
        answer = await stage.ask("Good morning")
        assert answer.content == "base: one two three"
        stored = await stage.reply(answer)
        assert (stored.text, stored.adapter, stored.confidence) == (
            answer.content,
            None,
            pytest.approx(0.6065, abs=1e-4),
        )


async def test_a_server_that_fails_is_said_in_the_bots_own_words(remote_stage):
    """And no text of the server reaches a member."""
    async with remote_stage() as (stage, server):
        server.faults.append(Status(500))
        assert (await stage.ask("Good morning")).content == texts.FAILED
        await server.stop()
        assert (await stage.ask("Good evening")).content == texts.RESTARTING
        assert server.url in stage.app.health().failure


async def test_a_promotion_is_announced_when_the_server_answers_with_it(remote_stage, tiny):
    """The review channel reads of it, and the next answer is the new voice's."""
    async with remote_stage() as (stage, _):
        await published(stage, tiny, "v1")
        assert (await stage.app.sync_adapter()).adapter == "v1"
        assert "v1" in stage.card.embeds[0].description
        answer = await stage.ask("Good morning")
        assert answer.content.startswith("v1-")
        assert (await stage.reply(answer)).adapter == "v1"


async def test_a_promotion_that_the_server_refuses_is_told_to_the_moderators_once(remote_stage, tiny):
    """The adapter in use stays, as with an engine of this machine."""
    async with remote_stage() as (stage, server):
        server.load_faults.append(Status(500))
        await published(stage, tiny, "v1")
        assert await stage.app.sync_adapter() is None
        assert "could not be loaded" in stage.card.embeds[0].description
        assert "keeps answering" in stage.card.embeds[0].description
        before = stage.card.id
        assert await stage.app.sync_adapter() is None
        assert stage.card.id == before
        assert (await stage.ask("Good morning")).content == "base: one two three"


async def test_a_promotion_waits_for_a_server_that_is_away(remote_stage, tiny):
    """Nobody reads that the adapter was refused."""
    async with remote_stage() as (stage, server):
        await server.stop()
        await published(stage, tiny, "v1")
        assert await stage.app.sync_adapter() is None
        assert "could not be loaded" not in str(
            [one.embeds[0].description for one in stage.world.review.history() if one.embeds]
        )
        await server.start()
        async with asyncio.timeout(5):
            while stage.engine.stats().failure:  # noqa: ASYNC110 - nothing tells
                await asyncio.sleep(0.05)
        assert (await stage.app.sync_adapter()).adapter == "v1"
