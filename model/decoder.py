"""One base model, one adapter slot and the rows being answered: prefill, one decode step for all, nothing else.

Belongs to a single thread. Knows tokens and rows; text, queues and asyncio are the engine's.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from model.adapter_files import AdapterWeights, BaseIdentity
from model.base import LoadedBase
from model.config import ModelConfig
from model.lora import AdapterSlot
from model.protocol import Sampling
from model.sampling import Sampler
from model.slots import SlotCache, use_slot_attention

__all__ = ["Decoder"]

_CPU_SLOTS = 8
_CPU_CHUNK = 128
_GPU_CHUNK = 512


class Decoder:
    """The model as the engine drives it.

    Rows 0 … n-1 are being answered. `prefill` fills one row with its prompt; `decode` gives each of the first n rows
    its next token; `move` closes a gap. Everything runs in inference mode on one thread.
    """

    def __init__(self, base: LoadedBase, config: ModelConfig) -> None:
        self.base = base
        self.device = base.device
        self.context = min(config.context_tokens, int(getattr(base.model.config, "max_position_embeddings", 1 << 30)))
        self.rows = config.slots or _CPU_SLOTS
        self.chunk = config.prefill_chunk or (_GPU_CHUNK if base.device.type == "cuda" else _CPU_CHUNK)
        self.slot = AdapterSlot(base.model, config.lora_rank, base.dtype, base.device)
        use_slot_attention(base.model)
        self._model = base.model
        self.cache = SlotCache(self.rows, self.context, base.dtype, base.device)
        self.sampler = Sampler(self.rows, int(base.model.get_output_embeddings().weight.shape[0]), base.device)
        self._tokens = torch.zeros(self.rows, dtype=torch.int64, device=base.device)
        self._longest = [0] * self.rows
        self._drawn = [False] * self.rows

    @property
    def identity(self) -> BaseIdentity:
        """What adapters are checked against."""
        return BaseIdentity(self.base.id, self.base.revision, self.base.template_hash)

    @property
    def memory_bytes(self) -> int:
        """Weights, adapter slot and cache, in bytes."""
        tensors = [*self._model.parameters(), *self._model.buffers()]
        return sum(int(tensor.nbytes) for tensor in tensors) + self.cache.bytes

    def begin(self, row: int, prompt: Sequence[int], sampling: Sampling, seed: int) -> None:
        """Give a row to a new conversation."""
        self.sampler.set_row(row, sampling, seed, torch.tensor(prompt, device=self.device))
        self._drawn[row] = sampling.temperature > 0 or sampling.repetition_penalty != 1.0
        self._longest[row] = 0

    def prefill(self, row: int, tokens: Sequence[int], start: int, *, last: bool) -> int | None:
        """Compute prompt `tokens` of `row` from position `start`; after the `last` chunk, the answer's first token."""
        ids = torch.tensor(tokens, device=self.device)
        end = start + len(tokens)
        self.cache.begin_prefill(row, start, len(tokens))
        logits = self._forward(ids[None], torch.arange(start, end, device=self.device)[None])
        self.cache.positions[row] = self._longest[row] = end
        if not last:
            return None
        token = self._next(logits, slice(row, row + 1), drawn=self._drawn[row])
        self._tokens[row] = token[0]
        return int(token[0])

    def decode(self, count: int) -> list[int]:
        """One step for rows 0 … count-1: the next token of each."""
        rows = slice(0, count)
        self.cache.begin_decode(count, max(self._longest[:count]))
        logits = self._forward(self._tokens[rows, None], self.cache.positions[rows, None])
        self.cache.positions[rows] += 1
        tokens = self._next(logits, rows, drawn=any(self._drawn[:count]))
        self._tokens[rows] = tokens
        for row in range(count):
            self._longest[row] += 1
        return [int(token) for token in tokens.tolist()]

    def move(self, source: int, target: int) -> None:
        """Let the conversation of row `source` go on in row `target`."""
        self.cache.copy_row(source, target, self._longest[source])
        self.sampler.copy_row(source, target)
        self._tokens[target] = self._tokens[source]
        self._longest[target], self._drawn[target] = self._longest[source], self._drawn[source]

    def write_adapter(self, weights: AdapterWeights | None) -> None:
        """Put an adapter (None: the bare base) in place; no row may be in use."""
        if weights is None:
            self.slot.clear()
        else:
            self.slot.write(weights)

    def _forward(self, ids: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        """Logits [batch, vocabulary] of each row's last token."""
        out = self._model(input_ids=ids, position_ids=positions, use_cache=False, slots=self.cache, logits_to_keep=1)
        logits: torch.Tensor = out.logits[:, -1]
        return logits

    def _next(self, logits: torch.Tensor, rows: slice, *, drawn: bool) -> torch.Tensor:
        if not drawn:
            return self.sampler.greedy(logits)
        tokens = self.sampler.draw(logits, rows, self.cache.positions[rows])
        self.sampler.mark(rows, tokens)
        return tokens
