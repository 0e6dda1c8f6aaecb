"""Adapters on model servers: a swap beside replies, what a server refuses, and servers that lost what they had."""

from __future__ import annotations

import asyncio
import json
import shutil

import pytest

from model.errors import AdapterMismatch, AdapterNotLoaded, EngineFailed, ServerUnavailable
from model.protocol import AdapterRef
from tests.model.remote.conftest import ASK, ask, until
from tests.model_server import Cut, Silence, Status, serving


def names(server):
    """Ids of the adapters that a server has."""
    return sorted(name.rpartition("-")[0] for name in server.adapters)


async def test_a_swap_loads_tries_routes_and_unloads_the_old_after_its_last_reply(server, remote, tiny):
    """A reply that began with the old adapter ends with it."""
    engine = await remote(server)
    await engine.swap(tiny.a)
    server.pause_after = 1
    old = engine.submit(ASK)
    await until(lambda: not server.open.is_set())
    report = await engine.swap(tiny.b)
    new = engine.submit(ASK)
    await asyncio.sleep(0.1)
    assert (names(server), report.adapter, engine.adapter) == (["a", "b"], "b", "b")
    assert engine.stats().adapters == {"b": 1}
    server.pause_after = None
    server.open.set()
    first, second = await old.wait(), await new.wait()
    assert (first.adapter, second.adapter) == ("a", "b")
    assert first.text.startswith("a-")
    assert second.text.startswith("b-")
    await until(lambda: names(server) == ["b"])
    assert [what for what, _ in server.calls] == ["load", "load", "unload"]


async def test_an_adapters_name_on_the_server_is_new_for_other_content(server, remote, tiny, tmp_path):
    """Prefix caches go by the name: the same id with other weights must not meet the old one's."""
    engine = await remote(server)
    await engine.swap(tiny.a)
    shutil.copytree(tiny.b.path, tmp_path / "a")
    await engine.swap(AdapterRef("a", tmp_path / "a"))
    loaded = [name for what, name in server.calls if what == "load"]
    assert len(set(loaded)) == 2


async def test_no_reply_fails_or_mixes_while_adapters_are_swapped_under_load(server, remote, tiny):
    """Every reply is of one adapter, the one that its completion names."""
    engine, done = await remote(server), []

    async def chat(number):
        done.extend([await ask(engine, channel=str(number)) for _ in range(12)])

    async def swaps():
        for adapter in (tiny.a, tiny.b, tiny.a, None, tiny.b):
            await engine.swap(adapter)
            await asyncio.sleep(0.02)

    await asyncio.gather(swaps(), *(chat(number) for number in range(6)))
    assert len(done) == 72
    assert all(one.text.startswith(one.adapter or "base") for one in done)
    await until(lambda: names(server) == ["b"])


async def test_back_before_the_old_one_was_unloaded_keeps_it(server, remote, tiny):
    """A rollback while a long reply still runs loads nothing anew and unloads nothing that is in use."""
    engine = await remote(server)
    await engine.swap(tiny.a)
    server.pause_after = 1
    held = engine.submit(ASK)
    await until(lambda: not server.open.is_set())
    await engine.swap(tiny.b)
    await engine.swap(tiny.a)
    server.pause_after = None
    server.open.set()
    await held.wait()
    await until(lambda: names(server) == ["a"])
    assert (await ask(engine)).text.startswith("a-")


async def test_swapping_to_what_is_in_use_loads_nothing(server, remote, tiny):
    """As the follow-up of a restart does."""
    engine = await remote(server)
    await engine.swap(tiny.a)
    await engine.swap(tiny.a)
    assert [what for what, _ in server.calls] == ["load"]


def widened(path, rank):
    """Say of an adapter that it is of another rank."""
    config = json.loads((path / "adapter_config.json").read_text())
    (path / "adapter_config.json").write_text(json.dumps(config | {"r": rank}))


@pytest.mark.parametrize(
    ("prepare", "says"),
    [
        (lambda server, path: setattr(server, "deaf_to_adapters", True), "answers without it"),
        (lambda server, path: server.load_faults.append(Status(500)), "does not load it"),
        (lambda server, path: server.load_faults.append(Status(405)), "does not load it"),
        (lambda server, path: server.load_faults.append(Silence()), "does not load it"),
        (lambda server, path: widened(path, 32), "--max-lora-rank"),
        (lambda server, path: shutil.rmtree(path), "adapter_config.json is missing"),
    ],
)
async def test_a_swap_that_fails_keeps_the_old_adapter(server, remote, tiny, tmp_path, *, prepare, says):
    """And leaves nothing of the new one on the server."""
    engine = await remote(server)
    await engine.swap(tiny.a)
    shutil.copytree(tiny.b.path, tmp_path / "b")
    prepare(server, tmp_path / "b")
    with pytest.raises(AdapterMismatch) as caught:
        await engine.swap(AdapterRef("b", tmp_path / "b"))
    assert says in str(caught.value)
    assert str(caught.value).endswith("The adapter in use stays.")
    assert (engine.adapter, names(server)) == ("a", ["a"])
    server.deaf_to_adapters = False
    assert (await ask(engine)).text.startswith("a-")


async def test_the_path_is_the_one_that_the_server_sees(server, remote, tiny, tmp_path):
    """`[engine] adapters` names the folder on its side."""
    seen = tmp_path / "mounted"
    engine = await remote(server, adapters=str(seen))
    with pytest.raises(AdapterMismatch, match=f"finds no adapter in {seen}/a"):
        await engine.swap(tiny.a)
    shutil.copytree(tiny.a.path, seen / "a")
    await engine.swap(tiny.a)
    assert list(server.adapters.values()) == [str(seen / "a")]


async def test_a_server_that_is_away_is_not_the_adapters_fault(server, remote, tiny):
    """The error is one after which a promotion is tried again."""
    engine = await remote(server, look_seconds=0.2)
    await engine.swap(tiny.a)
    await server.stop()
    with pytest.raises(EngineFailed):
        await engine.swap(tiny.b)
    assert engine.adapter == "a"
    await server.start()
    await until(lambda: not engine.stats().failure)
    await engine.swap(tiny.b)
    assert (await ask(engine)).text.startswith("b-")


async def test_a_restarted_server_is_given_its_adapter_when_a_reply_needs_it(server, remote, tiny):
    """Its 404 costs the first replies a moment, and none fails."""
    engine = await remote(server)
    await engine.swap(tiny.a)
    await server.stop()
    await server.start()
    done = await asyncio.gather(*(ask(engine) for _ in range(5)))
    assert all(one.text.startswith("a-") for one in done)


async def test_questions_that_come_while_a_restarted_server_loads_wait_for_it(server, remote, tiny):
    """The first was refused with a 404; the others need not be."""
    engine = await remote(server)
    await engine.swap(tiny.a)
    await server.stop()
    await server.start()
    server.load_pause = 0.3
    asked = []
    for _ in range(6):
        asked.append(engine.submit(ASK))
        await asyncio.sleep(0.05)
    done = [await one.wait() for one in asked]
    assert all(one.text.startswith("a-") for one in done)


async def test_a_connection_that_breaks_at_a_swap_costs_no_swap(server, remote, tiny):
    """Loading is asked for once more, and twice is as good as once."""
    engine = await remote(server)
    server.load_faults.append(Cut())
    assert (await engine.swap(tiny.a)).adapter == "a"


async def test_a_restarted_server_is_given_its_adapters_before_a_reply_needs_them(server, remote, tiny):
    """Those that the endpoint holds too."""
    engine = await remote(server, look_seconds=0.1)
    await engine.swap(tiny.a)
    await engine.load(tiny.b)
    await asyncio.sleep(0.3)  # a look, which sees them in the list
    await server.stop()
    await server.start()
    await until(lambda: names(server) == ["a", "b"])


async def test_a_restarted_server_that_cannot_have_its_adapter_answers_nothing_else(server, remote, tiny, tmp_path):
    """Rather no answer than one in another voice; the state says why."""
    shutil.copytree(tiny.a.path, tmp_path / "a")
    engine = await remote(server, look_seconds=0.1)
    await engine.swap(AdapterRef("a", tmp_path / "a"))
    shutil.rmtree(tmp_path / "a")
    await server.stop()
    await server.start()
    with pytest.raises(ServerUnavailable):
        await ask(engine)
    assert "finds no adapter" in engine.stats().failure
    shutil.copytree(tiny.a.path, tmp_path / "a")
    await until(lambda: not engine.stats().failure)
    assert (await ask(engine)).text.startswith("a-")


async def test_adapters_beside_the_one_in_use_answer_by_name(server, remote, tiny):
    """As the endpoint asks for them."""
    engine = await remote(server)
    await engine.swap(tiny.a)
    await engine.load(tiny.b)
    named, bare = await ask(engine, adapter="b"), await ask(engine, adapter=None)
    assert (named.adapter, bare.adapter) == ("b", None)
    assert named.text.startswith("b-")
    assert bare.text.startswith("base")
    await engine.unload("b")
    await until(lambda: names(server) == ["a"])
    with pytest.raises(AdapterNotLoaded):
        engine.submit(ASK, adapter="b")
    with pytest.raises(AdapterNotLoaded):
        await engine.unload("b")


async def test_sglang_is_asked_in_its_own_way(remote, tiny):
    """Its paths have no /v1, and its model names are base:adapter."""
    async with serving(owner="sglang") as server:
        engine = await remote(server, look_seconds=0.1)
        await engine.swap(tiny.a)
        assert (await ask(engine)).text.startswith("a-")
        assert server.requests[0]["model"].startswith("tiny:a-")
        await asyncio.sleep(0.3)
        assert [what for what, _ in server.calls] == ["load"]
        await engine.swap(None)
        await until(lambda: not server.adapters)


async def test_an_adapter_of_another_base_never_reaches_the_server(server, remote, tiny, tmp_path):
    """The manifest is compared here, since the server does not know it."""
    shutil.copytree(tiny.a.path, tmp_path / "a")
    (tmp_path / "a" / "manifest.json").write_text(json.dumps({"base_model": "another"}))
    engine = await remote(server)
    with pytest.raises(AdapterMismatch, match="it was trained with base_model another"):
        await engine.swap(AdapterRef("a", tmp_path / "a"))
    assert server.calls == []
