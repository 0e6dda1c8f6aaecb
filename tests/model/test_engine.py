"""The engine as the bot uses it: streaming, stopping, queueing, swapping, failing."""

from __future__ import annotations

import asyncio
import json
import shutil
from dataclasses import replace

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file

from model.adapter.slots import AdapterSlots
from model.chat import Message, encode_prompt
from model.engine import Engine
from model.errors import AdapterMismatch, ContextTooLong, EngineClosed, GenerationFailed, QueueFull
from model.protocol import AdapterRef, Sampling

ASK = [Message("user", "Tell me about the sea")]
GREEDY = Sampling(max_new_tokens=20, temperature=0)
LONG = Sampling(max_new_tokens=150, temperature=0, stop=())


async def test_a_reply_streams_and_says_which_adapter_made_it(tiny, start):
    """The pieces add up to the text."""
    engine = await start(tiny, tiny.a)
    generation = engine.submit(ASK, GREEDY)
    pieces = [piece async for piece in generation]
    completion = await generation.wait()
    assert "".join(pieces).strip() == completion.text != ""
    assert len(pieces) > 3
    assert (completion.adapter, completion.finish_reason) == ("a", "length")
    assert (completion.completion_tokens, completion.prompt_tokens) == (20, engine.count_tokens(ASK))
    assert 0 < completion.first_token_s <= completion.seconds


async def test_the_same_seed_draws_the_same_reply_whoever_else_is_answered(tiny, start):
    """A row's randomness is its own."""
    engine = await start(tiny, tiny.a)
    sampling = Sampling(max_new_tokens=30, temperature=1.0, top_p=0.95, repetition_penalty=1.1, seed=7)
    alone = await engine.submit(ASK, sampling).wait()
    crowd = [engine.submit([Message("user", f"noise {i}")], replace(sampling, seed=i)) for i in range(3)]
    among = await engine.submit(ASK, sampling).wait()
    await asyncio.gather(*(generation.wait() for generation in crowd))
    assert among.text == alone.text
    other = await engine.submit(ASK, replace(sampling, seed=8)).wait()
    assert other.text != alone.text


async def test_a_stop_string_ends_the_reply_and_is_not_shown(tiny, start):
    """Not even the beginning of it."""
    engine = await start(tiny)
    whole = (await engine.submit(ASK, GREEDY).wait()).text
    stop = whole[6:9]
    generation = engine.submit(ASK, replace(GREEDY, stop=(stop,)))
    pieces = [piece async for piece in generation]
    completion = await generation.wait()
    assert completion.finish_reason == "stop"
    assert "".join(pieces).strip() == completion.text == whole[: whole.find(stop)].strip()


async def test_cancelling_keeps_what_was_said(tiny, start):
    """Running or still in the queue, a cancelled reply ends at once."""
    engine = await start(tiny, slots=1)
    running, waiting = engine.submit(ASK, LONG), engine.submit(ASK, LONG)
    first = await anext(aiter(running))
    assert (running.queue_position, waiting.queue_position) == (0, 1)
    waiting.cancel()
    running.cancel()
    left, said = await waiting.wait(), await running.wait()
    assert (left.finish_reason, left.text) == ("cancelled", "")
    assert said.finish_reason == "cancelled"
    assert said.text.startswith(first.strip())
    assert said.completion_tokens < 150


async def test_a_full_queue_answers_at_once_and_places_are_told(tiny, start):
    """The bounded queue refuses; the others know their turn."""
    engine = await start(tiny, slots=1, max_queue=2)
    running = engine.submit(ASK, LONG)
    await anext(aiter(running))
    waiting = [engine.submit(ASK, GREEDY) for _ in range(2)]
    assert [generation.queue_position for generation in waiting] == [1, 2]
    with pytest.raises(QueueFull, match="2 requests are already waiting"):
        engine.submit(ASK, GREEDY)
    running.cancel()
    assert [(await generation.wait()).completion_tokens for generation in waiting] == [20, 20]


async def test_a_busy_channel_takes_turns_with_a_quiet_one(tiny, start):
    """Ten questions in one channel do not make another channel wait for all of them."""
    engine = await start(tiny, slots=1)
    order: list[str] = []

    async def ask(channel: str) -> None:
        await engine.submit(ASK, GREEDY, channel=channel).wait()
        order.append(channel)

    await asyncio.gather(*[ask("loud") for _ in range(6)], ask("quiet"))
    assert order.index("quiet") <= 1


async def test_a_prompt_without_room_for_an_answer_is_refused(tiny, start):
    """Before anything is computed."""
    engine = await start(tiny)
    with pytest.raises(ContextTooLong, match="the context only 256"):
        engine.submit([Message("user", "long " * 300)], GREEDY)


async def test_a_failing_reply_tells_its_asker_and_leaves_the_others(tiny, start, monkeypatch):
    """One bad prefill, three good replies."""
    engine = await start(tiny)
    prefill = engine._worker.decoder.prefill
    bad = engine.count_tokens([Message("user", "explode please now")])

    def explode(row, tokens, at, *, last):
        if len(tokens) == bad:
            raise torch.OutOfMemoryError
        return prefill(row, tokens, at, last=last)

    monkeypatch.setattr(engine._worker.decoder, "prefill", explode)
    good = [engine.submit(ASK, GREEDY) for _ in range(2)]
    failing = engine.submit([Message("user", "explode please now")], GREEDY)
    good.append(engine.submit(ASK, GREEDY))
    with pytest.raises(GenerationFailed, match="OutOfMemoryError"):
        await failing.wait()
    assert len({(await generation.wait()).text for generation in good}) == 1


async def test_with_one_slot_a_swap_waits_for_replies_in_flight_and_new_ones_wait_for_it(tiny, start):
    """No reply is made by two adapters."""
    engine = await start(tiny, tiny.a, adapter_slots=1)
    before = engine.submit(ASK, replace(GREEDY, max_new_tokens=60))
    await anext(aiter(before))
    swap = asyncio.create_task(engine.swap(tiny.b))
    await asyncio.sleep(0.05)
    after = engine.submit(ASK, GREEDY)
    old, report, new = await before.wait(), await swap, await after.wait()
    assert (old.adapter, new.adapter, report.adapter, engine.adapter) == ("a", "b", "b", "b")
    assert report.waited_s > 0
    assert 0 < report.pause_s < 1
    assert engine.stats().last_swap == report


async def test_many_swaps_under_load_fail_and_mix_nothing(tiny, start):
    """Every reply equals its own adapter's greedy reply, over many swaps with traffic."""
    engine = await start(tiny, tiny.a)
    expected = {}
    for adapter in (tiny.a, tiny.b, None):
        await engine.swap(adapter)
        expected[engine.adapter] = (await engine.submit(ASK, GREEDY).wait()).text
    assert len(set(expected.values())) == 3
    done = asyncio.Event()
    replies = []

    async def chat() -> None:
        while not done.is_set():
            replies.append(await engine.submit(ASK, GREEDY).wait())

    async with asyncio.TaskGroup() as tasks:
        for _ in range(5):
            tasks.create_task(chat())
        for turn in range(30):
            await engine.swap((tiny.a, tiny.b, None)[turn % 3])
            answered = len(replies)
            while len(replies) == answered:  # noqa: ASYNC110 - any of five chatters may be the one
                await asyncio.sleep(0.001)
        done.set()
    assert len(replies) >= 30
    assert {reply.adapter for reply in replies} == {"a", "b", None}
    assert all(reply.text == expected[reply.adapter] for reply in replies)


async def test_a_larger_rank_grows_the_slot(tiny, start, tmp_path):
    """An adapter above the configured rank still fits, and goes again."""
    from tests.tiny import make_tiny_adapter

    big = AdapterRef("big", make_tiny_adapter(tmp_path / "big", tiny.load().model, seed=3, rank=24, alpha=24))
    engine = await start(tiny, tiny.a)
    small = (await engine.submit(ASK, GREEDY).wait()).text
    await engine.swap(big)
    assert (await engine.submit(ASK, GREEDY).wait()).text != small
    await engine.swap(tiny.a)
    assert (await engine.submit(ASK, GREEDY).wait()).text == small


def _edit_json(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def _wrong_shape(path):
    tensors = load_file(path / "adapter_model.safetensors")
    name = next(iter(tensors))
    save_file(tensors | {name: tensors[name][:, :-1].contiguous()}, path / "adapter_model.safetensors")


def _not_finite(path):
    tensors = load_file(path / "adapter_model.safetensors")
    name = next(iter(tensors))
    save_file(tensors | {name: tensors[name] * float("nan")}, path / "adapter_model.safetensors")


DAMAGE = {
    "another base": (lambda p: (p / "manifest.json").write_text('{"base_model": "other"}'), "base_model other"),
    "another revision": (lambda p: (p / "manifest.json").write_text('{"base_revision": "x"}'), "base_revision x"),
    "another template": (lambda p: (p / "manifest.json").write_text('{"template_hash": "x"}'), "template_hash x"),
    "a wrong hash": (
        lambda p: (p / "manifest.json").write_text('{"files": {"adapter_model.safetensors": "00"}}'),
        "damaged",
    ),
    "cut off": (lambda p: (p / "adapter_model.safetensors").write_bytes(b"\x08"), "cannot be read"),
    "a missing file": (lambda p: (p / "adapter_model.safetensors").unlink(), "is missing"),
    "no config": (lambda p: (p / "adapter_config.json").unlink(), "missing"),
    "not LoRA": (lambda p: _edit_json(p / "adapter_config.json", peft_type="IA3"), "not LoRA"),
    "trained biases": (lambda p: _edit_json(p / "adapter_config.json", bias="all"), "biases"),
    "a wrong rank": (lambda p: _edit_json(p / "adapter_config.json", r=3), "shapes"),
    "wrong shapes": (_wrong_shape, "shapes"),
    "broken numbers": (_not_finite, "not finite"),
}


@pytest.mark.parametrize("damage", DAMAGE)
async def test_a_bad_adapter_is_refused_and_the_old_one_stays(tiny, start, tmp_path, damage):
    """Validated in full before a weight moves; the sentence says what is wrong."""
    spoil, says = DAMAGE[damage]
    path = shutil.copytree(tiny.b.path, tmp_path / "bad")
    spoil(path)
    engine = await start(tiny, tiny.a)
    before = (await engine.submit(ASK, GREEDY).wait()).text
    with pytest.raises(AdapterMismatch, match=says) as caught:
        await engine.swap(AdapterRef("bad", path))
    assert "The adapter in use stays" in str(caught.value)
    assert engine.adapter == "a"
    assert (await engine.submit(ASK, GREEDY).wait()).text == before


async def test_an_engine_asleep_holds_no_weights_and_answers_after_waking(tiny, start):
    """Training can have the card; requests queue meanwhile."""
    engine = await start(tiny, tiny.a)
    before = (await engine.submit(ASK, GREEDY).wait()).text
    awake = engine.stats().memory_bytes
    await engine.sleep()
    assert (engine.stats().asleep, engine.stats().memory_bytes, awake > 0) == (True, 0, True)
    queued = engine.submit(ASK, GREEDY)
    await asyncio.sleep(0.05)
    assert queued.queue_position == 1
    await engine.wake()
    reply = await queued.wait()
    assert (reply.text, reply.adapter) == (before, "a")


async def test_a_closed_engine_ends_what_runs_and_refuses_more(tiny, start):
    """Nobody waits for ever on a bot that is stopped."""
    engine: Engine = await start(tiny, slots=1)
    running, waiting = engine.submit(ASK, LONG), engine.submit(ASK, LONG)
    await anext(aiter(running))
    await engine.close()
    assert (await running.wait()).finish_reason == "cancelled"
    with pytest.raises(EngineClosed):
        await waiting.wait()
    with pytest.raises(EngineClosed):
        engine.submit(ASK, GREEDY)
    await engine.close()


async def test_a_reply_says_how_sure_the_model_was_of_it(tiny, start):
    """The mean probability of its tokens, as transformers' modules give it for the same text."""
    engine = await start(tiny, tiny.a)
    others = [engine.submit([Message("user", text)], GREEDY) for text in ("sea", "boat")]
    completion = await engine.submit(ASK, replace(GREEDY, max_new_tokens=20)).wait()
    for other in others:
        assert 0 < (await other.wait()).confidence < 1
    base = tiny.load()
    model = PeftModel.from_pretrained(base.model, str(tiny.a.path)).eval()
    prompt = encode_prompt(base.tokenizer, ASK)
    with torch.inference_mode():
        out = model.generate(
            input_ids=torch.tensor([prompt]),
            attention_mask=torch.ones(1, len(prompt), dtype=torch.int64),
            max_new_tokens=20,
            do_sample=False,
            return_dict_in_generate=True,
            output_logits=True,
        )
    probabilities = torch.cat(out.logits).softmax(-1).max(-1).values
    assert completion.confidence == pytest.approx(float(probabilities.mean()), rel=0.01)


@pytest.mark.parametrize(("wanted", "held"), [(1, 1), (8, 8), (24, 32), (100, 128)])
def test_the_slot_takes_a_rank_that_the_kernels_can_be_compiled_for(tiny, wanted, held):
    """A power of two, whatever is set: Triton takes no other on a GPU."""
    slots = AdapterSlots(tiny.load().model, 1, wanted, torch.float32, torch.device("cpu"))
    assert slots.rank == held
    assert {linear.a.shape[1] for linear in slots.linears.values()} == {held}


@pytest.mark.parametrize(
    "ends",
    [
        {"context_tokens": 64, "slots": 1, "max_queue": 1, "prefill_chunk": 1, "lora_rank": 1},
        {"context_tokens": 64, "slots": 64, "max_queue": 100_000, "prefill_chunk": 1 << 20, "lora_rank": 256},
    ],
    ids=["least", "most"],
)
async def test_the_engine_answers_at_the_ends_of_its_settings(tiny, start, ends):
    """One slot and one token at a time, or more than there is to do."""
    engine = await start(tiny, tiny.a, **ends)
    completion = await engine.submit(ASK, Sampling(max_new_tokens=8, temperature=0)).wait()
    assert completion.text
    assert completion.completion_tokens == 8
