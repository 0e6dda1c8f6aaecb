"""Drawing the next token on the device, for rows that each have their own settings and their own random stream.

Randomness is a pure function of (seed, position, token): a row draws the same tokens whatever else is in the batch.
Only tensor operations, no host round trip, so that a decode step can be captured as a whole.
"""

from __future__ import annotations

import torch

from model.protocol import Sampling

__all__ = ["Sampler"]

_NUCLEUS = (
    256  # top-p is sought among this many likeliest tokens: a full sort of the vocabulary costs more than it gives
)


class Sampler:
    """Sampling settings of `rows` slots, kept on the device.

    `seen` is [rows, vocabulary] and marks tokens that the repetition penalty applies to; `probability` is [rows], the
    probability that the model gave each row's last token.
    """

    def __init__(self, rows: int, vocabulary: int, device: torch.device) -> None:
        self.temperature = torch.zeros(rows, device=device)
        self.top_p = torch.ones(rows, device=device)
        self.penalty = torch.ones(rows, device=device)
        self.seed = torch.zeros(rows, dtype=torch.int64, device=device)
        self.seen = torch.zeros(rows, vocabulary, dtype=torch.bool, device=device)
        self.probability = torch.zeros(rows, device=device)
        self._rows = torch.arange(rows, device=device)

    def set_row(self, row: int, sampling: Sampling, seed: int, prompt: torch.Tensor) -> None:
        """Take a request's settings; `prompt` is its token ids, which the repetition penalty counts as seen."""
        self.temperature[row] = sampling.temperature
        self.top_p[row] = sampling.top_p
        self.penalty[row] = sampling.repetition_penalty
        self.seed[row] = seed
        self.seen[row] = False
        if sampling.repetition_penalty != 1.0:
            self.seen[row, prompt] = True

    def copy_row(self, source: int, target: int) -> None:
        """Move a row's settings with its conversation."""
        for state in (self.temperature, self.top_p, self.penalty, self.seed, self.seen):
            state[target] = state[source]

    def greedy(self, logits: torch.Tensor) -> torch.Tensor:
        """[rows, vocabulary] -> [rows]: for steps in which no row wants more."""
        return logits.argmax(-1)

    def sample(self, logits: torch.Tensor, rows: slice, positions: torch.Tensor) -> torch.Tensor:
        """Next tokens [n] for `rows` (n of them) from logits [n, vocabulary], each at its position [n]."""
        penalty, seen = self.penalty[rows, None], self.seen[rows]
        logits = logits.float()
        logits = torch.where(seen, torch.where(logits > 0, logits / penalty, logits * penalty), logits)
        temperature = self.temperature[rows, None]
        top, ids = logits.topk(min(_NUCLEUS, logits.shape[-1]), dim=-1)
        scaled = top / temperature.clamp_min(1e-6)
        before = scaled.softmax(-1).cumsum(-1) - scaled.softmax(-1)
        outside = before >= self.top_p[rows, None]
        outside[:, 0] = False  # the likeliest token is always in
        noise = _gumbel(self.seed[rows, None], positions[:, None], ids)
        drawn = (scaled + noise).masked_fill(outside, float("-inf"))  # last, so that no noise brings a token back in
        choice = torch.where(temperature > 0, drawn, top).argmax(-1, keepdim=True)
        return ids.gather(-1, choice)[:, 0]

    def record_probability(self, logits: torch.Tensor, rows: slice, tokens: torch.Tensor) -> None:
        """Keep in `probability` how probable `tokens` [n] were by logits [n, vocabulary], at temperature 1."""
        chosen = logits.gather(1, tokens[:, None])[:, 0].float()
        self.probability[rows] = (chosen - logits.float().logsumexp(-1)).exp()

    def mark(self, rows: slice, tokens: torch.Tensor, live: torch.Tensor) -> None:
        """Count the tokens just drawn as seen, in rows whose `live` is not 0."""
        at = (self._rows[rows], tokens)
        self.seen[at] = self.seen[at] | (live > 0)


def _gumbel(seed: torch.Tensor, position: torch.Tensor, token: torch.Tensor) -> torch.Tensor:
    """Gumbel noise from a hash of its arguments: argmax(logits + noise) draws from softmax(logits). Always finite.

    Of the hash 23 bits are taken: with the half that keeps it from 0 the sum has 24, all that fp32 holds. One more
    would be rounded up to 1, whose noise is infinite.
    """
    mixed = _mix(_mix(seed * 0x9E3779B1 + position) + token * 0x85EBCA6B)
    uniform = (mixed & 0x7FFFFF).float().add_(0.5).mul_(1 / 0x800000)
    return -torch.log(-torch.log(uniform))


def _mix(x: torch.Tensor) -> torch.Tensor:
    """The 32-bit finaliser of MurmurHash3, on int64 kept below 2**32."""
    x = x & 0xFFFFFFFF
    x = ((x ^ (x >> 16)) * 0x7FEB352D) & 0xFFFFFFFF
    x = ((x ^ (x >> 15)) * 0x846CA68B) & 0xFFFFFFFF
    return x ^ (x >> 16)
