"""What is drawn lies in the nucleus, whatever the noise."""

from __future__ import annotations

import pytest
import torch

from model.protocol import Sampling
from model.serving import sampling
from model.serving.sampling import Sampler

CPU = torch.device("cpu")


def sampler(rows: int, vocabulary: int, **settings: float) -> Sampler:
    """One with the same settings in every row, and another seed in each."""
    made = Sampler(rows, vocabulary, CPU)
    for row in range(rows):
        made.set_row(row, Sampling(**settings), row, torch.tensor([0]))
    return made


@pytest.mark.parametrize("mixed", [0, 0x7FFFFF, 0xFFFFFF, 0xFFFFFFFF])
def test_the_noise_is_finite_at_the_ends_of_the_hash(monkeypatch, mixed):
    """A uniform number that is rounded to 0 or 1 would make the noise infinite."""
    monkeypatch.setattr(sampling, "_mix", lambda x: torch.full_like(x, mixed))
    noise = sampling._gumbel(torch.tensor([1]), torch.tensor([2]), torch.arange(8))
    assert torch.isfinite(noise).all()


def test_two_million_draws_stay_in_the_nucleus():
    """Seven of eight tokens are outside: one infinite number in 16 million would be enough to draw one of them."""
    rows = 2048
    drawn = sampler(rows, 256, temperature=1.0, top_p=0.5)
    logits = torch.zeros(rows, 256)
    logits[:, :2] = 12.0
    for position in range(1, 1000):
        tokens = drawn.sample(logits, slice(0, rows), torch.full((rows,), position))
        assert int(tokens.max()) < 2


@pytest.mark.parametrize("noise", [float("inf"), float("-inf"), float("nan"), 1e30])
def test_no_noise_brings_back_a_token_from_outside(monkeypatch, noise):
    """Forced to the worst, at the tokens outside, the draw stays inside."""
    monkeypatch.setattr(sampling, "_gumbel", lambda seed, position, token: torch.where(token > 1, noise, 0.0))
    drawn = sampler(4, 16, temperature=0.7, top_p=0.9)
    logits = torch.tensor([[9.0, 9.0, *[0.0] * 14]] * 4)
    assert int(drawn.sample(logits, slice(0, 4), torch.ones(4, dtype=torch.int64)).max()) < 2


def test_the_smallest_nucleus_holds_the_likeliest_token():
    """A nucleus that fp32 rounds to nothing still has one token."""
    drawn = sampler(2, 16, temperature=1.0, top_p=1e-50)
    logits = torch.randn(2, 16, generator=torch.Generator().manual_seed(0))
    tokens = drawn.sample(logits, slice(0, 2), torch.ones(2, dtype=torch.int64))
    assert torch.equal(tokens, logits.argmax(-1))


def test_draws_follow_the_probabilities():
    """Twenty thousand draws from three tokens: each within one in a hundred of its share."""
    rows = 20_000
    drawn = sampler(rows, 4, temperature=1.0, top_p=1.0)
    shares = torch.tensor([0.5, 0.3, 0.15, 0.05])
    tokens = drawn.sample(shares.log().expand(rows, 4), slice(0, rows), torch.full((rows,), 3))
    found = torch.bincount(tokens, minlength=4) / rows
    assert torch.allclose(found, shares, atol=0.01)
