"""Adapters on a real vLLM: a swap under load, a folder that is missing, and a server that is started again."""

from __future__ import annotations

import asyncio
import shutil

import pytest

from model.chat import Message
from model.errors import AdapterMismatch, ServerUnavailable
from model.protocol import Sampling
from tests.vllm.conftest import copied

ASK = [Message("user", "Name three colours.")]
GREEDY = Sampling(max_new_tokens=16, temperature=0.0, top_p=1.0)


async def ask(engine, **options):
    return await engine.submit(ASK, GREEDY, **options).wait()


async def listed(engine):
    """Ids of the adapters in the server's list."""
    (replica,) = engine._replicas._replicas
    return sorted(one.id.rpartition("-")[0] for one in await replica.server.models() if one.parent)


async def until_listed(engine, expected):
    async with asyncio.timeout(60):
        while await listed(engine) != expected:  # noqa: ASYNC110 - the server tells nobody
            await asyncio.sleep(0.2)


async def test_swaps_under_load_fail_no_reply_and_mix_none(engine, smol):
    """Each text is the one that its adapter says when it is alone.

    Not to the bare base and back: vLLM's operations for CPUs (`lora_ops.py`, 0.32) index the adapters with -1 for a
    reply without one, so it gets the last adapter where it shares a batch with others. Its GPU kernels leave it out.
    """
    alone = {}
    for adapter in (None, smol.a, smol.b):
        await engine.swap(adapter)
        alone[engine.adapter] = (await ask(engine)).text
    assert len(set(alone.values())) == 3
    await engine.swap(smol.a)
    done, running = [], True

    async def chat(number):
        while running:
            done.append(await ask(engine, channel=str(number)))

    chats = [asyncio.create_task(chat(number)) for number in range(4)]
    for adapter in (smol.b, smol.a, smol.b, smol.a):
        report = await engine.swap(adapter)
        print(f"swap to {report.adapter}: {report.load_s * 1000:.0f} ms")
        await asyncio.sleep(2)
    running = False
    await asyncio.gather(*chats)
    print(f"{len(done)} replies, 0 failed")
    assert {one.adapter for one in done} == {"a", "b"}
    mixed = [one for one in done if one.text != alone[one.adapter]]
    assert [(one.adapter, one.text) for one in mixed] == []
    await until_listed(engine, ["a"])


async def test_adapters_beside_each_other_answer_by_name(engine, smol):
    """In one batch."""
    await engine.swap(smol.a)
    await engine.load(smol.b)
    one, other = await asyncio.gather(ask(engine), ask(engine, adapter="b"))
    bare = await ask(engine, adapter=None)
    assert len({one.text, other.text, bare.text}) == 3
    await engine.unload("b")
    await until_listed(engine, ["a"])


async def test_an_adapter_whose_folder_is_missing_is_refused(engine, smol, tmp_path, monkeypatch):
    """On the server's side, where the bot cannot look; the one in use stays."""
    await engine.swap(smol.a)
    missing = copied(smol.b, tmp_path, "gone")
    monkeypatch.setattr(engine._adapters, "_config", engine._config.__class__(adapters=str(tmp_path / "elsewhere")))
    with pytest.raises(AdapterMismatch, match="finds no adapter in"):
        await engine.swap(missing)
    assert engine.adapter == "a"
    assert (await ask(engine)).adapter == "a"
    assert await listed(engine) == ["a"]


async def test_a_server_that_is_started_again_is_given_its_adapter(engine, smol, vllm):
    """Replies fail in a sentence while it is away; after it is back they are of the same voice."""
    await engine.swap(smol.a)
    before = (await ask(engine)).text
    await asyncio.to_thread(vllm.stop)
    with pytest.raises(ServerUnavailable, match="cannot be used"):
        await ask(engine)
    assert vllm.url in engine.stats().failure
    await asyncio.to_thread(vllm.start)
    async with asyncio.timeout(60):
        while engine.stats().failure:  # noqa: ASYNC110 - the look finds it
            await asyncio.sleep(0.2)
    after = await ask(engine)
    assert (after.adapter, after.text) == ("a", before)


async def test_a_rank_above_the_servers_is_said(engine, smol, tmp_path):
    """With the option that raises it."""
    from tests.tiny import make_tiny_adapter

    wide = tmp_path / "wide"
    await asyncio.to_thread(make_tiny_adapter, wide, smol.base.model, rank=32)
    with pytest.raises(AdapterMismatch, match="--max-lora-rank"):
        await engine.swap(smol.a.__class__("wide", wide))
    shutil.rmtree(wide)
