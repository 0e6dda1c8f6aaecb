"""Several adapters answer at once: each reply is its own adapter's, whoever is answered beside it, and none waits."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from model.adapter.bank import BARE
from model.adapter.files import read_adapter
from model.chat import Message, encode_prompt
from model.errors import AdapterNotLoaded, BankFull
from model.protocol import AdapterRef, Sampling
from model.serving.decoder import Decoder
from tests.families import IN_OWN_CACHE
from tests.model.conftest import Tiny
from tests.model.serving.test_exactness import LENGTHS, QUESTIONS, reference
from tests.model.serving.test_families import PROMPTS, decoder_of
from tests.tiny import FUSED, make_tiny_adapter, random_adapter

ASK = [Message("user", "What now?")]
GREEDY = Sampling(max_new_tokens=20, temperature=0)
LONG = replace(GREEDY, max_new_tokens=200)


@pytest.fixture
def third(tiny_of: Callable[[str], Tiny], tmp_path) -> Callable[[str], AdapterRef]:
    """An adapter of rank 16; `a` has 8 and `b` has 4."""

    def make(family: str) -> AdapterRef:
        return AdapterRef("c", make_tiny_adapter(tmp_path / "c", tiny_of(family).load().model, seed=3, rank=16))

    return make


async def said(engine, adapter) -> str:
    return (await engine.submit(ASK, GREEDY, adapter=adapter).wait()).text


@pytest.mark.parametrize("family", FUSED)
async def test_replies_of_several_adapters_at_once_equal_generate_with_peft(
    tiny_of: Callable[[str], Tiny], start, third, family
):
    """Ranks 4, 8 and 16 and the bare base in one step, rows joining and leaving, prompts between steps."""
    tiny, c = tiny_of(family), third(family)
    adapters = {"a": tiny.a, "b": tiny.b, "c": c, None: None}
    expected = {name: reference(tiny, ref) for name, ref in adapters.items()}
    engine = await start(tiny, lora_rank=16)
    for ref in (tiny.a, tiny.b, c):
        await engine.load(ref)
    asked = []
    for number, (question, length) in enumerate(zip(QUESTIONS, LENGTHS, strict=True)):
        for name in adapters:
            sampling = replace(GREEDY, max_new_tokens=length)
            generation = engine.submit([Message("user", question)], sampling, adapter=name)
            asked.append((name, number, generation))
    for name, number, generation in asked:
        completion = await generation.wait()
        assert (completion.adapter, completion.text) == (name, expected[name][number])


async def test_a_question_after_a_swap_is_answered_beside_the_replies_before_it(tiny, start):
    """Nothing is drained: it begins and ends while they go on, and they end with the adapter they began with."""
    engine = await start(tiny, tiny.a)
    alone = (await engine.submit(ASK, LONG).wait()).text
    await engine.swap(tiny.b)
    other = await said(engine, "b")
    await engine.swap(tiny.a)
    before = [engine.submit(ASK, LONG) for _ in range(3)]
    for generation in before:
        await anext(aiter(generation))
    report = await engine.swap(tiny.b)
    after = await engine.submit(ASK, GREEDY).wait()
    assert not any(generation._result.done() for generation in before)
    assert engine.stats().adapters == {"a": 3, "b": 0}
    assert (report.adapter, engine.adapter, after.adapter, after.text) == ("b", "b", "b", other)
    for generation in before:
        completion = await generation.wait()
        assert (completion.adapter, completion.text) == ("a", alone)
    assert engine.stats().adapters == {"b": 0}


async def test_a_request_that_waited_gets_the_adapter_in_use_when_it_begins(tiny, start):
    """A promotion reaches those in the queue, too."""
    engine = await start(tiny, tiny.a, slots=1)
    running = engine.submit(ASK, LONG)
    await anext(aiter(running))
    waiting = engine.submit(ASK, GREEDY)
    await engine.swap(tiny.b)
    running.cancel()
    assert ((await running.wait()).adapter, (await waiting.wait()).adapter) == ("a", "b")


async def test_swaps_faster_than_replies_end_wait_for_a_slot_and_lose_nothing(tiny, start):
    """Two slots, three adapters, replies in flight all the time."""
    engine = await start(tiny, tiny.a, adapter_slots=2)
    expected = {}
    for ref in (tiny.a, tiny.b):
        await engine.swap(ref)
        expected[ref.id] = await said(engine, ref.id)
    copy = AdapterRef("copy", tiny.a.path)
    expected["copy"] = expected["a"]
    asked = []
    for number in range(12):
        asked += [engine.submit(ASK, GREEDY) for _ in range(2)]
        await anext(aiter(asked[-2]), "")
        await engine.swap((tiny.a, tiny.b, copy)[number % 3])
    for generation in asked:
        completion = await generation.wait()
        assert completion.text == expected[completion.adapter]
    assert engine.stats().adapters == {"copy": 0}


async def test_a_larger_rank_waits_for_the_replies_and_keeps_what_the_slots_hold(tiny, start, third):
    """The buffers are allocated anew: not beside a step, and not without the other adapters."""
    engine = await start(tiny, tiny.a, lora_rank=4)
    await engine.load(tiny.b)
    expected = {name: await said(engine, name) for name in ("a", "b")}
    running = engine.submit(ASK, LONG)
    await anext(aiter(running))
    await engine.load(third("llama"))
    assert running._result.done()
    assert {name: await said(engine, name) for name in ("a", "b")} == expected
    assert await said(engine, "c") not in expected.values()


async def test_an_adapter_that_went_while_it_was_looked_for_is_read_after_the_replies(tiny, start, monkeypatch):
    """Reading it on the engine's thread would hold them up, and it may want larger slots."""
    engine = await start(tiny, tiny.a)
    await engine.load(tiny.b)
    expected = await said(engine, "b")
    bank, stage = engine._worker.bank, engine._loading._stage

    def stage_and_lose(worker, adapter):
        staged = stage(worker, adapter)
        bank.let_go("b")
        return staged

    monkeypatch.setattr(engine._loading, "_stage", stage_and_lose)
    running = engine.submit(ASK, LONG)
    await anext(aiter(running))
    await engine.load(tiny.b)
    assert running._result.done()
    assert await said(engine, "b") == expected


async def test_an_adapter_is_asked_for_by_its_name_until_it_is_unloaded(tiny, start):
    """Replies in the making end; requests in the queue are told, and new ones are refused at once."""
    engine = await start(tiny, tiny.a, slots=1)
    with pytest.raises(AdapterNotLoaded, match="b is not in memory: load it first"):
        engine.submit(ASK, GREEDY, adapter="b")
    await engine.load(tiny.b)
    running, waiting = engine.submit(ASK, LONG, adapter="b"), engine.submit(ASK, GREEDY, adapter="b")
    await anext(aiter(running))
    await engine.unload("b")
    with pytest.raises(AdapterNotLoaded):
        engine.submit(ASK, GREEDY, adapter="b")
    assert engine.stats().adapters == {"a": 0, "b": 1}
    running.cancel()
    assert (await running.wait()).adapter == "b"
    with pytest.raises(AdapterNotLoaded):
        await waiting.wait()
    assert (await engine.submit(ASK, GREEDY).wait()).adapter == "a"
    assert engine.stats().adapters == {"a": 0}


async def test_a_bank_full_of_loaded_adapters_refuses_one_more(tiny, start):
    """In a sentence, and everything stays as it was."""
    engine = await start(tiny, tiny.a, adapter_slots=2)
    await engine.load(tiny.b)
    with pytest.raises(BankFull, match="All 2 places for adapters are taken"):
        await engine.load(AdapterRef("copy", tiny.a.path))
    assert engine.stats().adapters == {"a": 0, "b": 0}
    assert (await engine.submit(ASK, GREEDY).wait()).adapter == "a"


async def test_loaded_adapters_are_there_after_sleep_and_after_a_restart(tiny, start, tmp_path):
    """One that cannot be read any more is left out; a sleeping engine takes new ones, too."""
    gone = AdapterRef("gone", shutil.copytree(tiny.a.path, tmp_path / "gone"))
    engine = await start(tiny, tiny.a)
    await engine.load(tiny.b)
    expected = {name: await said(engine, name) for name in ("a", "b", None)}
    assert len(set(expected.values())) == 3
    await engine.sleep()
    await engine.load(gone)
    await engine.wake()
    assert await said(engine, "gone") == expected["a"]
    assert {name: await said(engine, name) for name in expected} == expected
    shutil.rmtree(gone.path)
    await engine.sleep()
    await engine.wake()
    assert engine.stats().adapters == {"a": 0, "b": 0}
    await engine.load(AdapterRef("gone", shutil.copytree(tiny.a.path, gone.path)))
    shutil.rmtree(gone.path)
    engine.mark_failed("a trial")
    await engine.restart()
    assert engine.stats().adapters == {"a": 0, "b": 0}
    assert {name: await said(engine, name) for name in expected} == expected


async def test_swaps_and_named_adapters_at_once_mix_nothing(tiny, start):
    """Adapters by name and by swap at once, with cancelled replies among them."""
    engine = await start(tiny, tiny.a, adapter_slots=3)
    await engine.load(tiny.b)
    expected = {name: await said(engine, name) for name in ("a", "b", None)}
    asked = []
    for number in range(40):
        asked.append(engine.submit(ASK, GREEDY, adapter=("b", None)[number % 2]))
        asked.append(engine.submit(ASK, GREEDY))
        if number % 5 == 0:
            asked.pop().cancel()
        await engine.swap((tiny.b, None, tiny.a)[number % 3])
        if number % 4 == 3:
            await asked[-1].wait()
    for generation in asked:
        completion = await generation.wait()
        assert completion.text == expected[completion.adapter]


def test_a_slot_that_is_written_again_lends_no_keys(tiny):
    """They are those of the adapter before."""
    decoder = Decoder(tiny.load(), tiny.config)
    decoder.warm_up()
    prompt = encode_prompt(decoder.base.tokenizer, [Message("user", QUESTIONS[1])])
    with torch.inference_mode():
        for ref, cached in ((tiny.a, 0), (tiny.a, len(prompt) - 1), (tiny.b, 0)):
            if not cached:
                weights = read_adapter(ref.path, decoder.identity, decoder.slots.shapes)
                decoder.write_adapter(1, decoder.slots.stage(weights))
            assert decoder.begin(0, prompt, GREEDY, 0, slot=1) == cached
            decoder.prefill(0, prompt[cached:], cached, last=True)


@pytest.mark.parametrize("family", ["gemma2", IN_OWN_CACHE[0]])
def test_modules_compute_rows_of_several_adapters_one_adapter_after_the_other(family):
    """In slots, and in the model's own caches: each row has what it has when all read its adapter."""
    decoder, slots = decoder_of(family), [0, 1, BARE]
    with torch.inference_mode():
        decoder.warm_up()
        for slot, rank in enumerate((8, 4)):
            decoder.write_adapter(slot, decoder.slots.stage(random_adapter(decoder.slots.shapes, rank, slot)))

        def scores(read: list[int]) -> torch.Tensor:
            seen: list[torch.Tensor] = []
            decoder._prefixes.forget()
            for row, slot in enumerate(read):
                decoder.begin(row, PROMPTS[row][:9], GREEDY, 0, slot)
                decoder.prefill(row, PROMPTS[row][:9], 0, last=True)
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(
                    decoder.sampler, "greedy", lambda logits: seen.append(logits.clone()) or logits.argmax(-1)
                )
                for token in PROMPTS[0][9:14]:
                    decoder._tokens[:3] = token
                    decoder.launch([token] * 3)
                    decoder.collect()
            return torch.stack(seen)

        mixed, of_one = scores(slots), {slot: scores([slot] * 3) for slot in slots}
    for row, slot in enumerate(slots):
        apart = {other: float((mixed[:, row] - own[:, row]).norm() / own.norm()) for other, own in of_one.items()}
        assert apart.pop(slot) < 1e-4
        assert min(apart.values()) > 1e-3, "the adapters have to matter"
