"""The engine says, token for token, what transformers' generate says with PEFT on the same NF4 model."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
import torch
from peft import PeftModel

from model.adapter.bank import BARE
from model.chat import Message, encode_prompt
from model.fused.cpu import kernels
from model.protocol import AdapterRef, Sampling
from model.serving.decoder import Decoder
from model.serving.detokenize import TextStream
from tests.model.conftest import Tiny
from tests.tiny import FUSED

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


@pytest.mark.parametrize("family", FUSED)
async def test_greedy_answers_equal_generate_with_peft(tiny_of: Callable[[str], Tiny], start, family):
    """Five conversations over four rows, grouped-query attention, sliding windows and tied embeddings included."""
    tiny = tiny_of(family)
    expected = reference(tiny, tiny.a)
    assert expected != reference(tiny, None), "the adapter must matter for this to prove anything"
    engine = await start(tiny, tiny.a)
    assert ("fused" in engine._worker.decoder.path) is kernels.usable()
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


def scores(
    decoder: Decoder, row: int, prompt: list[int], forced: list[int], slot: int = BARE
) -> tuple[torch.Tensor, int]:
    """Logits [1 + steps, vocabulary] that greedy decoding of a row sees while `forced` is said, and tokens cached."""
    seen: list[torch.Tensor] = []

    def say(logits: torch.Tensor) -> torch.Tensor:
        seen.append(logits[row if len(logits) > 1 else 0].clone())
        return torch.tensor([forced[len(seen) - 1]] * len(logits))

    with pytest.MonkeyPatch.context() as patch, torch.inference_mode():
        patch.setattr(decoder.sampler, "greedy", say)
        cached = decoder.begin(row, prompt, Sampling(temperature=0), 0, slot)
        decoder.prefill(row, prompt[cached:], cached, last=True)
        for token in forced[:-1]:
            decoder.launch([token] * (row + 1))
            decoder.collect()
    return torch.stack(seen), cached


@pytest.mark.parametrize("family", FUSED)
def test_a_prompt_that_begins_like_an_earlier_one_gets_the_same_scores(tiny_of: Callable[[str], Tiny], family):
    """Cached keys and values change how much is computed, not what is said.

    Forced along the same 60 tokens, the logits stay within 1 % of their norm (the 4-bit product rounds its inputs to
    bf16, 0.4 %, and a shorter product sums in another order); so the likeliest token is the same wherever it leads by
    more than that.
    """
    tiny = tiny_of(family)
    decoder = Decoder(tiny.load(), tiny.config)
    decoder.warm_up()
    persona = Message("system", "You keep the light at the end of the harbour, and you are brief. " * 2)
    first, second = (
        encode_prompt(decoder.base.tokenizer, [persona, Message("user", text)])
        for text in ("Hello", "What is the sea?")
    )
    forced = torch.randint(3, 500, (60,), generator=torch.Generator().manual_seed(5)).tolist()
    alone, cached = scores(decoder, 0, second, forced)
    assert cached == 0
    decoder._prefixes.forget()
    _, cached = scores(decoder, 0, first, forced)
    assert cached == 0
    with_prefix, cached = scores(decoder, 1, second, forced)
    assert cached > len(second) // 2
    error = (with_prefix - alone).norm(dim=1) / alone.norm(dim=1)
    assert float(error.max()) < 0.01
    top = alone.topk(2).values
    clear = top[:, 0] - top[:, 1] > 2 * (with_prefix - alone).abs().max()
    assert int(clear.sum()) > 40
    assert torch.equal(alone.argmax(1)[clear], with_prefix.argmax(1)[clear])


async def test_nothing_is_lent_across_a_swap(tiny, start):
    """Keys of one adapter never serve another."""
    engine = await start(tiny, tiny.a)
    await answers(engine, at_once=True)
    await engine.swap(tiny.b)
    assert await answers(engine, at_once=True) == reference(tiny, tiny.b)
