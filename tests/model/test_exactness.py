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
