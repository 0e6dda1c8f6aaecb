"""Adapters in the memory of a real engine: each answer is its own voice's, however many share the places."""

from __future__ import annotations

import asyncio
import random
from collections import Counter

import pytest

from bot.training.held_adapters import HeldAdapters, NoPlace
from model.chat import Message
from model.protocol import Sampling
from storage.files.adapter_directory import AdapterDirectory
from storage.run_records import Adapter
from tests.model.conftest import start, tiny, tiny_of  # noqa: F401  (fixtures)
from tests.tiny import make_tiny_adapter

ASK = [Message("user", "What now?")]
GREEDY = Sampling(max_new_tokens=8, temperature=0)
LONG = Sampling(max_new_tokens=60, temperature=0)
CREATED = "2026-11-23T04:00:00.000+00:00"


@pytest.fixture
def directory(tmp_path):
    return AdapterDirectory(tmp_path / "adapters")


def publish(directory, tmp_path, base, count):
    """So many adapters, each with weights of its own."""
    rows = []
    for number in range(count):
        name = f"v{number}"
        made = make_tiny_adapter(tmp_path / "made" / name, base, seed=100 + number)
        directory.publish(name, made, {})
        rows.append(Adapter(name, None, "tiny", CREATED, directory.manifest(name), guild_id=number))
    return rows


async def said(engine, held, row, sampling=GREEDY):
    async with held.holding(row, wait=True):
        done = await engine.submit(ASK, sampling, adapter=row.id).wait()
    return done.adapter, done.text


async def test_two_servers_are_answered_by_two_adapters_in_one_step(tiny, start, directory, tmp_path):  # noqa: F811
    """Side by side, and a promotion for the one does not touch what the other is answered."""
    engine = await start(tiny, adapter_slots=4)
    a1, a2, b1 = publish(directory, tmp_path, tiny.load().model, 3)
    held = HeldAdapters(engine, directory, 3)
    alone = {row.id: (await said(engine, held, row, LONG))[1] for row in (a1, a2, b1)}
    assert len(set(alone.values())) == 3
    async with held.holding(a1, wait=True), held.holding(b1, wait=True):
        before = [engine.submit(ASK, LONG, adapter=row.id) for row in (a1, b1, a1, b1)]
        for one in before:
            await anext(aiter(one))
        assert engine.stats().adapters == {"v0": 2, "v2": 2, "v1": 0}
        after = await said(engine, held, a2, LONG)  # the next adapter of the first server
        done = [await one.wait() for one in before]
    assert after == ("v1", alone["v1"])
    assert [(one.adapter, one.text) for one in done] == [("v0", alone["v0"]), ("v2", alone["v2"])] * 2


async def test_64_voices_share_a_bank_of_8_and_none_is_mixed_up(tiny, start, directory, tmp_path):  # noqa: F811
    """Several hundred questions at once, the voices in any order: each is answered by its own, and none is refused."""
    engine = await start(tiny, adapter_slots=8, max_queue=1000)
    rows = publish(directory, tmp_path, tiny.load().model, 64)
    held = HeldAdapters(engine, directory, 7)
    alone = {row.id: (await said(engine, held, row))[1] for row in rows}
    assert len(set(alone.values())) > 32
    chance = random.Random(7)
    asked = [chance.choice(rows) for _ in range(300)]
    answers = await asyncio.gather(*(said(engine, held, row) for row in asked))
    mixed = [
        row.id for row, (name, text) in zip(asked, answers, strict=True) if (name, text) != (row.id, alone[row.id])
    ]
    assert mixed == []
    assert len(engine.stats().adapters) <= 7
    assert Counter(held._answering) - Counter() == Counter()


async def test_a_voice_that_is_asked_all_the_time_keeps_no_other_out(tiny, start, directory, tmp_path):  # noqa: F811
    """The waiting voice takes the place of the one that was asked for longest ago, once its replies have ended."""
    engine = await start(tiny, adapter_slots=2, max_queue=1000)
    busy, other = publish(directory, tmp_path, tiny.load().model, 2)
    held = HeldAdapters(engine, directory, 1)
    answered = asyncio.Event()

    async def ask_again_and_again():
        while not answered.is_set():
            await said(engine, held, busy)

    asking = [asyncio.create_task(ask_again_and_again()) for _ in range(3)]
    await asyncio.sleep(0.1)
    async with asyncio.timeout(60):
        assert (await said(engine, held, other))[0] == other.id
    answered.set()
    await asyncio.gather(*asking)


async def test_without_waiting_a_full_memory_is_said_at_once(tiny, start, directory, tmp_path):  # noqa: F811
    """As for clients of the endpoint."""
    engine = await start(tiny, adapter_slots=2)
    first, second = publish(directory, tmp_path, tiny.load().model, 2)
    held = HeldAdapters(engine, directory, 1)
    async with held.holding(first, wait=False):
        with pytest.raises(NoPlace):
            async with held.holding(second, wait=False):
                pass
    async with held.holding(second, wait=False):
        assert set(engine.stats().adapters) == {second.id}
