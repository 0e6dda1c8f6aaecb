"""What a monitor reads of a running bot, over HTTP."""

from __future__ import annotations

import sys
from dataclasses import replace

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from bot.api.key import api_key
from bot.app import Nightshift
from bot.errors import MetricsNotInstalled, PortUnavailable
from model.protocol import AdapterRef
from storage.store import Store
from tests.bot.api.conftest import client_of, free_port
from tests.fake_engine import Fail, FakeEngine


def watched(settings, port=None):
    return settings.model_copy(update={"metrics": replace(settings.metrics, port=port or free_port())})


async def get(settings, path):
    """Status and text of an address."""
    address = f"http://127.0.0.1:{settings.metrics.port}{path}"
    async with aiohttp.ClientSession() as session, session.get(address) as answer:
        return answer.status, await answer.text()


async def samples(settings):
    """(name, labels) -> value."""
    status, text = await get(settings, "/metrics")
    assert status == 200
    return {
        (one.name, *sorted(one.labels.items())): one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }


async def test_replies_reviews_and_the_engine_are_counted(open_stage, settings):
    """From a question on Discord to the verdict."""
    settings = watched(settings)
    async with open_stage(base=settings) as stage:
        stage.engine.say("a quiet harbour", Fail())
        reply = await stage.reply(await stage.ask("where do boats sleep?"))
        await stage.ask("and ships?")
        await stage.app.store.call(Store.add_review, reply.id, "edit", edited_text="a calm harbour", reviewer="mo")
        found = await samples(settings)
        text = (await get(settings, "/metrics"))[1]
    assert found["nightshift_replies_total", ("outcome", "stop"), ("source", "discord")] == 1
    assert found["nightshift_replies_total", ("outcome", "failed"), ("source", "discord")] == 1
    assert found["nightshift_completion_tokens_total", ("source", "discord")] == 3
    assert found["nightshift_first_token_seconds_count", ("source", "discord")] == 1
    assert found["nightshift_replies_reviewed", ("verdict", "edit")] == 1
    assert found["nightshift_edit_distance", ("adapter", "base")] == pytest.approx(5 / 15)
    assert (found["nightshift_engine_up",], found["nightshift_discord_connected",]) == (1, 1)
    assert found["nightshift_discord_servers",] == 1
    assert found["process_resident_memory_bytes",] > 1e6
    assert not any(word in text for word in ("harbour", "boats", "ships", 'mo"', str(reply.guild_id)))


async def test_the_store_is_not_read_at_each_scrape(home, settings, monkeypatch):
    """A monitor asks every few seconds; the figures of the store may be a minute old."""
    settings = watched(settings)
    async with Nightshift.open(home, settings, engine=FakeEngine()) as app:
        asked, read = [], app.store.read

        async def counting(fn, *args, **kwargs):
            asked.append(fn)
            return await read(fn, *args, **kwargs)

        monkeypatch.setattr(app.store, "read", counting)
        for _ in range(3):
            await samples(settings)
    assert asked == [Store.figures]


async def test_swaps_and_replies_of_the_endpoint_are_counted_too(home, settings, tmp_path):
    """With their source."""
    settings = watched(settings).model_copy(update={"api": replace(settings.api, port=free_port())})
    async with Nightshift.open(home, settings, engine=FakeEngine()) as app:
        app.services.swapped(await app.engine.swap(AdapterRef("a1", tmp_path)))
        async with client_of(settings.api.port, api_key(home, settings.api)) as client:
            question = [{"role": "user", "content": "hello"}]
            await client.chat.completions.create(model="current", messages=question)
        found = await samples(settings)
    assert found["nightshift_replies_total", ("outcome", "stop"), ("source", "api")] == 1
    assert found["nightshift_swap_pause_seconds_count",] == 1
    labels = {name: dict(labels) for name, *labels in found if name == "nightshift_info"}
    assert labels["nightshift_info"]["adapter"] == "a1"


async def test_a_bot_is_well_before_it_is_ready(home, settings, monkeypatch):
    """Without Discord it is well; without an engine it is neither."""
    settings, engine = watched(settings), FakeEngine()
    async with Nightshift.open(home, settings, engine=engine):
        assert await get(settings, "/healthz") == (200, '{"well": true, "complaint": null}')
        status, text = await get(settings, "/readyz")
        assert (status, "Discord is not connected" in text) == (503, True)
        failed = replace(engine.stats(), failure="The GPU is gone.")
        monkeypatch.setattr(engine, "stats", lambda: failed)
        for path in ("/healthz", "/readyz"):
            status, text = await get(settings, path)
            assert (status, "The GPU is gone." in text) == (503, True)
        assert (await samples(settings))["nightshift_engine_up",] == 0


async def test_a_connected_bot_is_ready_unless_its_engine_sleeps(open_stage, settings, monkeypatch):
    """During training on a GPU, questions wait."""
    settings = watched(settings)
    async with open_stage(base=settings) as stage:
        assert await get(settings, "/readyz") == (200, '{"ready": true, "complaint": null}')
        asleep = replace(stage.engine.stats(), asleep=True)
        monkeypatch.setattr(stage.engine, "stats", lambda: asleep)
        assert (await get(settings, "/readyz"))[0] == 503
        assert (await get(settings, "/healthz"))[0] == 200


async def test_without_the_library_the_setting_is_refused(home, settings, monkeypatch):
    """In a sentence, before an engine is started; without the setting nobody misses it."""
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    engine = FakeEngine()
    with pytest.raises(MetricsNotInstalled, match=r"nightshift-discord\[metrics\]"):
        async with Nightshift.open(home, watched(settings), engine=engine):
            pass
    async with Nightshift.open(home, settings, engine=engine):
        pass


async def test_two_services_cannot_have_one_port(home, settings):
    """The second says which setting it is."""
    port = free_port()
    both = watched(settings, port).model_copy(update={"api": replace(settings.api, port=port)})
    with pytest.raises(PortUnavailable, match=r"\[metrics\]"):
        async with Nightshift.open(home, both, engine=FakeEngine()):
            pass
