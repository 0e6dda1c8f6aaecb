"""What was computed for one prompt serves the next, and nobody can tell from the answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import pytest

from model.cache import prefix_cache
from model.chat import Message
from model.engine import Engine
from model.fused.cpu import compiled, kernels
from model.protocol import Completion, Sampling
from model.serving import decoder as decoding
from tests.model.conftest import Tiny

PERSONA = Message("system", "You keep the light at the end of the harbour, and you are brief.")
SAID = ["Hello there", "What is the best way?", "a small boat", "fine, thank you", "keeper of the light", "sea and sun"]
CHANNELS, ROUNDS = 3, 4


@pytest.fixture
def without_reuse(monkeypatch) -> Callable[[], None]:
    """From here on every prompt is computed whole."""
    return lambda: monkeypatch.setattr(prefix_cache, "_LEAST", 1 << 30)


@pytest.fixture(params=["compiled", "torch", "modules"])
def path(request, monkeypatch) -> Iterator[str]:
    """How passes are computed: in C, with torch's operations, or by transformers' modules."""
    if request.param == "modules":
        monkeypatch.setattr(decoding, "kernels_for", lambda *_: None)
    if request.param == "torch":
        monkeypatch.setattr(compiled, "_COMMAND", "no-such-compiler")
        compiled.library.cache_clear()
    yield request.param
    monkeypatch.undo()
    compiled.library.cache_clear()


async def replayed(engine: Engine) -> list[Completion]:
    """Some channels at once, each a conversation that grows; answers end at different steps, and rows change places."""

    async def channel(number: int) -> list[Completion]:
        shown, done = [PERSONA], []
        for turn in range(ROUNDS):
            asked = " and ".join(SAID[(number + turn + step) % len(SAID)] for step in range(2 + number))
            shown.append(Message("user", asked))
            sampling = Sampling(temperature=0, max_new_tokens=5 + 4 * ((number + turn) % 3))
            done.append(await engine.submit(shown, sampling, channel=str(number)).wait())
            shown.append(Message("assistant", done[-1].text or "-"))
        return done

    return [one for done in await asyncio.gather(*map(channel, range(CHANNELS))) for one in done]


@pytest.mark.parametrize("family", ["llama", "mistral", "qwen2", "qwen3", "gemma3"])
async def test_the_same_tokens_with_and_without_reuse(
    tiny_of: Callable[[str], Tiny], start, without_reuse, family, path
):
    """With as many rows as channels, and with fewer: then rows are given up and channels wait for each other."""
    tiny = tiny_of(family)
    engines = [await start(tiny, tiny.a, context_tokens=512, slots=slots) for slots in (4, 2)]
    fused = path != "modules" and kernels.usable()
    assert all(("fused" in engine._worker.decoder.path) is fused for engine in engines)
    found = [await replayed(engine) for engine in engines]
    without_reuse()
    expected = await replayed(await start(tiny, tiny.a, context_tokens=512))
    assert all(one.cached_tokens == 0 for one in expected)
    for done in found:
        assert [one.text for one in done] == [one.text for one in expected]
    shares = [sum(one.cached_tokens for one in done) / sum(one.prompt_tokens for one in done) for done in found]
    assert shares[0] > 0.5
    assert shares[1] > 0


async def test_a_channel_s_tokens_survive_other_channels(tiny, start):
    """A row that ended stays until its place is needed, whoever asked in between."""
    engine = await start(tiny, tiny.a, slots=4)
    sampling = Sampling(temperature=0, max_new_tokens=4)

    async def ask(*texts: str) -> Completion:
        shown = [Message("assistant" if at % 2 else "user", text) for at, text in enumerate(texts)]
        return await engine.submit(shown, sampling).wait()

    first = await ask("Which way to the light at the end of the harbour?")
    await asyncio.gather(*(ask(f"{number} boats, {text}") for number, text in enumerate(SAID[:3])))
    again = await ask("Which way to the light at the end of the harbour?", first.text or "-", "And then?")
    assert again.cached_tokens >= first.prompt_tokens


async def test_a_prompt_of_the_adapter_before_is_not_gone_on_with(tiny, start):
    """The same prompt after a swap is computed again, and by the new adapter."""
    engine = await start(tiny, tiny.a)
    shown = [PERSONA, Message("user", "Which way to the light?")]
    for adapter in (tiny.a, tiny.b, tiny.a):
        await engine.swap(adapter)
        once, twice = [await engine.submit(shown, Sampling(temperature=0)).wait() for _ in range(2)]
        assert (once.cached_tokens, twice.cached_tokens) == (0, once.prompt_tokens - 1)
        assert once.text == twice.text
