"""The C code computes what torch does, whoever helps, and the engine does without it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest
import torch

from model.adapter.bank import BARE
from model.fused.cpu import compiled
from model.fused.cpu import kernels as cpu_kernels
from model.protocol import Sampling
from model.serving.decoder import Decoder
from tests.model.conftest import Tiny
from tests.model.serving.test_exactness import answers, reference, scores
from tests.tiny import FUSED, random_adapter

pytestmark = pytest.mark.skipif(
    not (cpu_kernels.usable() and compiled.library()), reason="needs AVX512-BF16 and a C compiler"
)
FORCED = torch.randint(3, 500, (40,), generator=torch.Generator().manual_seed(5)).tolist()


@pytest.fixture
def no_compiler(monkeypatch) -> Iterator[Callable[[], None]]:
    """Take the compiler away from here on."""

    def take() -> None:
        monkeypatch.setattr(compiled, "_COMMAND", "no-such-compiler")
        compiled.library.cache_clear()

    yield take
    monkeypatch.undo()
    compiled.library.cache_clear()


def decoder_of(tiny: Tiny) -> Decoder:
    decoder = Decoder(tiny.load(), tiny.config)
    decoder.warm_up()
    with torch.inference_mode():
        for slot, rank in enumerate((8, 4, 2)):
            decoder.write_adapter(slot, decoder.slots.stage(random_adapter(decoder.slots.shapes, rank, slot)))
    return decoder


def said(decoder: Decoder) -> torch.Tensor:
    """Scores of a prompt and of steps at several positions at once, beyond every sliding window."""
    scores(decoder, 0, FORCED[:9], FORCED, slot=0)
    rows = ((1, FORCED[::-1]), (2, FORCED[5:20]))
    return torch.cat([scores(decoder, row, prompt, FORCED, slot=0)[0] for row, prompt in rows])


@pytest.mark.parametrize("family", FUSED)
def test_the_scores_are_those_of_torch(tiny_of: Callable[[str], Tiny], no_compiler, family):
    """Grouped heads, windows, biases and head norms included, with an adapter.

    Within 1 % of their norm: the 4-bit product rounds its inputs to bf16, 0.4 %, which sums in another order tip over.
    """
    tiny = tiny_of(family)
    fast = said(decoder_of(tiny))
    no_compiler()
    slow = said(decoder_of(tiny))
    assert not torch.equal(fast, slow), "both came from the same code"
    error = (fast - slow).norm(dim=1) / slow.norm(dim=1)
    assert float(error.max()) < 0.01


async def test_without_a_compiler_the_answers_are_the_same(tiny, start, no_compiler):
    """What the C code replaces is still there for machines that cannot compile it."""
    no_compiler()
    engine = await start(tiny, tiny.a)
    assert await answers(engine, at_once=True) == reference(tiny, tiny.a)


def test_helpers_change_nothing_but_the_time(tiny, monkeypatch):
    """Without helpers, and with three of them and more tasks for each product, every pass computes the same bits."""
    compiled.library.cache_clear()  # an earlier test's threads never end
    monkeypatch.setattr(cpu_kernels, "_cores", lambda: 1)
    alone = said(decoder_of(tiny))
    monkeypatch.setattr(cpu_kernels, "_cores", lambda: 4)
    decoder = decoder_of(tiny)
    for _ in range(5):
        decoder._prefixes.forget()
        assert torch.equal(said(decoder), alone)


def test_a_compiler_that_fails_is_logged_and_not_raised(no_compiler, monkeypatch, caplog):
    """A broken tool chain costs speed only."""
    no_compiler()
    monkeypatch.setattr(compiled, "_COMMAND", "false")
    with caplog.at_level("INFO", logger="model.fused.cpu.compiled"):
        assert compiled.library() is None
    assert "slower" in caplog.text
    assert not compiled.CompiledHead.fits(torch.zeros(512, 64))
    slots = SimpleNamespace(keys={0: torch.zeros(1, 1, 1, 32)})
    assert cpu_kernels.compile_layers([], slots, eps=1e-5) is None


@pytest.mark.parametrize("compiler", [True, False])
def test_rows_of_several_ranks_and_none_get_the_scores_of_their_own_adapter(tiny, no_compiler, compiler):
    """Each row beside three others has what it has when all rows read its adapter, but for rounding."""
    if not compiler:
        no_compiler()
    decoder = decoder_of(tiny)
    slots = [0, 1, 2, BARE]

    def forced(read: list[int]) -> torch.Tensor:
        decoder._prefixes.forget()
        seen: list[torch.Tensor] = []
        with pytest.MonkeyPatch.context() as patch, torch.inference_mode():
            for row, slot in enumerate(read):
                decoder.begin(row, FORCED[row : 9 + row], Sampling(temperature=0), 0, slot)
                decoder.prefill(row, FORCED[row : 9 + row], 0, last=True)
            patch.setattr(decoder.sampler, "greedy", lambda logits: seen.append(logits.clone()) or logits.argmax(-1))
            for token in FORCED[:12]:
                decoder._tokens[:4] = token
                decoder.launch([token] * 4)
                decoder.collect()
        return torch.stack(seen)

    mixed, of_one = forced(slots), {slot: forced([slot] * 4) for slot in slots}
    for row, slot in enumerate(slots):
        apart = {
            other: float(((mixed[:, row] - all_of[:, row]).norm(dim=1) / all_of[:, row].norm(dim=1)).max())
            for other, all_of in of_one.items()
        }
        assert apart.pop(slot) < 0.01
        assert min(apart.values()) > 0.05, "the adapters have to matter"
