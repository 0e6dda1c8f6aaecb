"""Adapters by name: the list, and which are in memory."""

from __future__ import annotations

import asyncio

import openai
import pytest

from model.errors import EngineFailed
from model.protocol import AdapterRef
from storage.store import Store
from tests.bot.api.conftest import until


@pytest.fixture
async def four(serving, tmp_path):
    """An endpoint with four adapters, and two places for those that clients ask for."""
    async with serving(slots=4) as served:
        for name in ("a1", "a2", "a3", "a4"):
            await served.publish(name, tmp_path / name)
        yield served


async def test_the_list_has_the_current_the_base_and_each_adapter(four):
    """One that was retired is not in it, and not one of another base."""
    await four.store.call(Store.retire_adapter, "a2")
    listed = [one.id async for one in four.client.models.list()]
    assert sorted(listed) == ["a1", "a3", "a4", "base", "current"]
    assert (await four.client.models.retrieve("a3")).owned_by == "nightshift"
    with pytest.raises(openai.NotFoundError):
        await four.client.models.retrieve("a2")


async def test_a_named_adapter_answers(four):
    """It is loaded for that, and the one in use stays."""
    assert [(await four.ask(model=name)).model for name in ("a1", "a2", "base", "current")] == [
        "a1",
        "a2",
        "base",
        "base",
    ]
    assert four.engine.swaps == []


async def test_the_one_asked_for_longest_ago_makes_room(four):
    """Two places are never taken: for the one in use and the next promotion."""
    for name in ("a1", "a2", "a1", "a3"):
        await four.ask(model=name)
    assert set(four.engine.loaded) == {"a1", "a3"}


async def test_an_adapter_that_answers_is_not_taken_away(four):
    """A third is refused until one has ended."""
    four.engine.open.clear()
    held = [asyncio.create_task(four.ask(model=name)) for name in ("a1", "a2")]
    await until(lambda: four.engine.active == 2)
    with pytest.raises(openai.InternalServerError, match="other adapters are answering"):
        await four.ask(model="a3")
    four.engine.open.set()
    assert [one.model for one in await asyncio.gather(*held)] == ["a1", "a2"]
    assert (await four.ask(model="a3")).model == "a3"


async def test_a_retired_adapter_answers_no_more_and_leaves_the_memory(four):
    """Somebody in its pairs may have been forgotten."""
    await four.ask(model="a1")
    await four.store.call(Store.retire_adapter, "a1")
    await four.endpoint.adapters.drop_retired()
    assert four.engine.loaded == {}
    with pytest.raises(openai.NotFoundError) as error:
        await four.ask(model="a1")
    assert (error.value.code, error.value.param) == ("model_not_found", "model")


async def test_an_adapter_that_the_engine_could_not_let_go_is_let_go_later(four, monkeypatch):
    """It was retired: it must not stay in memory because the engine failed just then."""
    await four.ask(model="a1")
    await four.store.call(Store.retire_adapter, "a1")
    unload = four.engine.unload

    async def failing(_name):
        raise EngineFailed("the worker is gone")

    monkeypatch.setattr(four.engine, "unload", failing)
    with pytest.raises(EngineFailed):
        await four.endpoint.adapters.drop_retired()
    monkeypatch.setattr(four.engine, "unload", unload)
    await four.endpoint.adapters.drop_retired()
    assert four.engine.loaded == {}


@pytest.mark.parametrize("name", ["", "a9", "../a1", "gpt-5", "a1/x", "Current"])
async def test_a_name_of_nothing_is_404(four, name):
    """Whatever it looks like."""
    with pytest.raises(openai.NotFoundError):
        await four.ask(model=name)


async def test_an_adapter_with_damaged_files_is_not_loaded(four):
    """Its files are read again and compared first."""
    (four.directory.path("a1") / "adapter_model.safetensors").write_bytes(b"other")
    with pytest.raises(openai.NotFoundError):
        await four.ask(model="a1")
    assert four.engine.loaded == {}


async def test_an_engine_with_two_places_says_how_to_get_more(serving, tmp_path):
    """Both are spoken for."""
    async with serving(slots=2) as served:
        await served.publish("a1", tmp_path / "a1")
        with pytest.raises(openai.InternalServerError, match="adapter_slots"):
            await served.ask(model="a1")


async def test_an_engine_that_was_restarted_without_it_loads_it_again(four):
    """The first request after that is told to come again."""
    await four.ask(model="a1")
    four.engine.loaded.clear()
    with pytest.raises(openai.InternalServerError):
        await four.ask(model="a1")
    assert (await four.ask(model="a1")).model == "a1"


async def test_a_client_that_leaves_while_its_adapter_is_loaded_takes_no_place_for_good(four):
    """The engine may have loaded it by then; the place is counted, and given to the next."""
    loading, held, load = asyncio.Event(), asyncio.Event(), four.engine.load

    async def slow(adapter):
        loading.set()
        await held.wait()
        await load(adapter)

    four.engine.load = slow
    asked = asyncio.create_task(four.ask(model="a1"))
    await loading.wait()
    asked.cancel()
    await asyncio.gather(asked, return_exceptions=True)
    four.engine.load = load
    await load(AdapterRef("a1", four.directory.path("a1")))  # what was begun is carried out
    assert [(await four.ask(model=name)).model for name in ("a2", "a3", "a1")] == ["a2", "a3", "a1"]
    assert set(four.engine.loaded) == {"a3", "a1"}
