"""The engine says, token for token, what transformers' generate says with PEFT on the same NF4 model."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
import torch
from peft import PeftModel

from model.chat import Message, encode_prompt
from model.protocol import AdapterRef, Sampling
from model.text import TextStream
from tests.model.conftest import Tiny

FAMILIES = ["llama", "mistral", "qwen2", "qwen3", "gemma3"]
QUESTIONS = ["Hello", "What is the best way to print a small boat?", "Hi " * 30, "keeper of the light", "sea"]
LENGTHS = [24, 7, 15, 30, 9]


def reference(tiny: Tiny, adapter: AdapterRef | None) -> list[str]:
    """Greedy answers by transformers' generate, one at a time."""
    base = tiny.load()
    model = PeftModel.from_pretrained(base.model, str(adapter.path)).eval() if adapter else base.model
    answers = []
    for question, length in zip(QUESTIONS, LENGTHS, strict=True):
        prompt = torch.tensor([encode_prompt(base.tokenizer, [Message("user", question)])])
        with torch.inference_mode():
            out = model.generate(
                input_ids=prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=length, do_sample=False
            )
        answers.append(read(base.tokenizer, out[0, prompt.shape[1] :].tolist()))
    return answers


def read(tokenizer, tokens: list[int]) -> str:
    """A random model utters broken bytes: read them as the engine does, or equal tokens would be unequal text."""
    stream = TextStream(tokenizer)
    for token in tokens:
        stream.push(token)
    stream.flush()
    return stream.text.strip()


async def answers(engine, *, at_once: bool) -> list[str]:
    """The engine's greedy answers, in turn or all together (rows join and leave at different steps)."""

    async def one(question: str, length: int) -> str:
        sampling = Sampling(max_new_tokens=length, temperature=0)
        return (await engine.submit([Message("user", question)], sampling).wait()).text

    asked = [one(q, n) for q, n in zip(QUESTIONS, LENGTHS, strict=True)]
    return list(await asyncio.gather(*asked)) if at_once else [await each for each in asked]


@pytest.mark.parametrize("family", FAMILIES)
async def test_greedy_answers_equal_generate_with_peft(tiny_of: Callable[[str], Tiny], start, family):
    """Five conversations over four rows, grouped-query attention, sliding windows and tied embeddings included."""
    tiny = tiny_of(family)
    expected = reference(tiny, tiny.a)
    assert expected != reference(tiny, None), "the adapter must matter for this to prove anything"
    engine = await start(tiny, tiny.a)
    assert await answers(engine, at_once=False) == expected
    assert await answers(engine, at_once=True) == expected


@pytest.mark.parametrize("family", ["llama", "gemma3"])
async def test_swapping_there_and_back_gives_the_same_answers(tiny_of: Callable[[str], Tiny], start, family):
    """A -> B -> base -> A: each adapter's answers are its own, whatever was in the slot before."""
    tiny = tiny_of(family)
    engine = await start(tiny, tiny.a)
    for adapter in (tiny.a, tiny.b, None, tiny.a):
        await engine.swap(adapter)
        assert await answers(engine, at_once=True) == reference(tiny, adapter)


async def test_a_prompt_in_small_chunks_gives_the_same_answers(tiny, start):
    """Chunked prefill is invisible."""
    engine = await start(tiny, tiny.a, prefill_chunk=5)
    assert await answers(engine, at_once=True) == reference(tiny, tiny.a)


async def test_a_prompt_that_begins_like_an_earlier_one_gives_the_same_answer(tiny, start, monkeypatch):
    """Lent keys and values change how much is computed, not what is said."""
    engine = await start(tiny, tiny.a)
    computed = []
    prefill = engine._decoder.prefill

    def counted(row, tokens, at, *, last):
        computed.append(len(tokens))
        return prefill(row, tokens, at, last=last)

    monkeypatch.setattr(engine._decoder, "prefill", counted)
    persona = Message("system", "You keep the light at the end of the harbour, and you are brief. " * 2)
    first, second = [persona, Message("user", "Hello")], [persona, Message("user", "What is the sea?")]
    # One token more is a tie: the two likeliest are 2e-5 apart, with a spread of 0.23, and bf16 rounding decides.
    greedy = Sampling(max_new_tokens=18, temperature=0)
    alone = [(await engine.submit(m, greedy).wait()).text for m in (first, second)]
    assert computed[1] < 0.5 * computed[0]
    later = [*second, Message("assistant", alone[1]), Message("user", "Why?")]
    with_turns = (await engine.submit(later, greedy).wait()).text
    await engine.swap(tiny.a)  # forgets
    computed.clear()
    again = [(await engine.submit(m, greedy).wait()).text for m in (later, second, first)]
    assert computed[0] == engine.count_tokens(later)
    assert again == [with_turns, alone[1], alone[0]]


async def test_nothing_is_lent_across_a_swap(tiny, start):
    """Keys of one adapter never serve another."""
    engine = await start(tiny, tiny.a)
    await answers(engine, at_once=True)
    await engine.swap(tiny.b)
    assert await answers(engine, at_once=True) == reference(tiny, tiny.b)
