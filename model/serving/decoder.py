"""One base model, one adapter slot and the rows being answered: prefill, one decode step for all, nothing else.

Belongs to a single thread. Knows tokens and rows; text, queues and asyncio are the engine's.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import torch

from model.adapter.files import BaseIdentity
from model.adapter.slot import AdapterSlot, StagedAdapter
from model.base.loading import LoadedBase
from model.base.memory import choose_slots
from model.base.output_layer import last_token_only
from model.cache.kv_cache import SlotCache, use_slot_attention
from model.cache.model_cache import OwnCaches
from model.cache.prefix_cache import PrefixMemory
from model.config import ModelConfig
from model.errors import BaseUnsuitable
from model.fused.decode_step import LeanStep, has_llama_shape
from model.fused.packed import fuse, kernels_for
from model.protocol import Sampling
from model.serving.captured_prefill import CapturedPrompts
from model.serving.cuda_graphs import StepGraphs
from model.serving.parity import choose_way, windows_of
from model.serving.sampling import Sampler

__all__ = ["Decoder", "Drawn"]

log = logging.getLogger(__name__)

_CPU_CHUNK = 128
_GPU_CHUNK = 512
_LEAN_TOLERANCE = 0.2  # relative distance of logits: bf16 rounding through all layers is a tenth, an error is 1
_OWN_TOLERANCE = {torch.float32: 0.1}  # the same, between a whole pass and one with a cache
_OWN_TOLERANCE_HALF = 0.25
_GREEDY = Sampling(temperature=0.0)


class Drawn(NamedTuple):
    """A row's next token, and how probable it was at temperature 1."""

    token: int
    chance: float


class Decoder:
    """The model as the engine drives it.

    Rows 0 … n-1 are being answered. `prefill` fills one row with its prompt; `launch` begins a step that gives each of
    the first n rows its next token, `collect` waits for it; `move` closes a gap. Everything runs in inference mode on
    one thread, `warm_up` first.
    """

    def __init__(self, base: LoadedBase, config: ModelConfig) -> None:
        self.base, self.device = base, base.device
        self.context = min(config.context_tokens, int(getattr(base.model.config, "max_position_embeddings", 1 << 30)))
        self.rows = choose_slots(config.slots, base.model.config, self.context, base.dtype, base.device)
        self._asked_chunk = config.prefill_chunk
        self.chunk = config.prefill_chunk or (_GPU_CHUNK if base.device.type == "cuda" else _CPU_CHUNK)
        self.slot = AdapterSlot(base.model, config.lora_rank, base.dtype, base.device)
        self._model = base.model
        self.cache = SlotCache(self.rows, self.context, base.dtype, base.device)
        self.sampler = Sampler(self.rows, int(base.model.get_output_embeddings().weight.shape[0]), base.device)
        self._tokens = torch.zeros(self.rows, dtype=torch.int64, device=base.device)
        self._live = torch.zeros(self.rows, dtype=torch.int64, device=base.device)
        self._live_rows = 0
        self._longest = [0] * self.rows
        self._drawn = [False] * self.rows
        self._prefixes = PrefixMemory(self.rows)
        self._landing = _Landing(self.rows, base.device)
        self._graphs = StepGraphs(base.device)
        self._own: OwnCaches | None = None  # instead of the slots
        self._lean: LeanStep | None = None
        self._prompts: CapturedPrompts | None = None

    @property
    def identity(self) -> BaseIdentity:
        """What adapters are checked against."""
        return BaseIdentity(self.base.id, self.base.revision, self.base.template_hash)

    @property
    def memory_bytes(self) -> int:
        """Weights, adapter slot and cache, in bytes."""
        tensors = {t.data_ptr(): t for t in (*self._model.parameters(), *self._model.buffers())}.values()
        return sum(int(tensor.nbytes) for tensor in tensors) + self.cache.bytes

    @property
    def ahead(self) -> bool:
        """Whether a step goes on by itself after `launch`: a GPU computes while the host reads the last tokens."""
        return self.device.type == "cuda"

    @property
    def path(self) -> str:
        """How decode steps are computed, for `/status`."""
        modules = "lean" if self._lean else "one by one in the model's own cache" if self._own else "modules"
        return f"{modules}, captured" if self._graphs.usable else modules

    def warm_up(self) -> None:
        """Do everything that makes the first reply slow: allocate, pack, verify, compile, capture.

        Raises BaseUnsuitable when the base cannot be served as it was made.
        """
        self._choose_way()
        self.begin(0, [0] * 8, _GREEDY, 0)
        kernels = kernels_for(self.device, self.base.dtype) if self.slot.is_nf4 and self._own is None else None
        if kernels is not None and has_llama_shape(self._model, kernels):
            self._make_lean(kernels)
        elif kernels is not None and self.device.type == "cuda":  # on a CPU bitsandbytes' own layers do the same
            for linear in self.slot.linears.values():
                fuse([linear], kernels)
        self.prefill(0, [0] * 8, 0, last=True)
        self._capture()
        self.cache.positions.zero_()
        self._prefixes.forget()
        self._set_live(0)

    def begin(self, row: int, prompt: Sequence[int], sampling: Sampling, seed: int) -> int:
        """Give a row to a new conversation; returns how many prompt tokens another row already had and lent."""
        self.sampler.set_row(row, sampling, seed, torch.tensor(prompt, device=self.device))
        self._drawn[row] = sampling.temperature > 0 or sampling.repetition_penalty != 1.0
        if self._own is not None:
            self._own.forget(row)
            self.cache.positions[row] = self._longest[row] = 0
            return 0
        source, lent = self._prefixes.longest(prompt)
        if lent and source != row:
            self.cache.copy_row(source, row, lent)
        self._prefixes.keep(row, prompt, lent)
        self.cache.positions[row] = self._longest[row] = lent
        return lent

    def prefill(self, row: int, tokens: Sequence[int], start: int, *, last: bool) -> Drawn | None:
        """Compute prompt `tokens` of `row` from position `start`; after the `last` chunk, the answer's first token."""
        end = start + len(tokens)
        self.cache.begin_prefill(row, start, len(tokens))
        ids = torch.tensor(tokens, device=self.device)
        if self._own is not None:
            logits = self._own.forward(row, ids)
        elif self._prompts is not None:
            logits = self._prompts.read(row, tokens, start)
        elif self._lean is not None:
            logits = self._lean.prefill(ids, row, start)
        else:
            logits = self._forward(ids[None], torch.arange(start, end, device=self.device)[None])
        self.cache.positions[row] = self._longest[row] = end
        self._prefixes.extend(row, tokens)
        if not last:
            return None
        rows = slice(row, row + 1)
        if not self._drawn[row]:
            token = self.sampler.greedy(logits)
        else:
            token = self.sampler.draw(logits, rows, self.cache.positions[rows])
            self.sampler.mark(rows, token, torch.ones_like(token))
        self.sampler.weigh(logits, rows, token)
        self._tokens[row] = token[0]
        return Drawn(int(token[0]), float(self.sampler.chance[row]))

    def launch(self, fed: Sequence[int]) -> None:
        """Begin a step for the first rows. `fed`: the last token of each, which the step computes with."""
        count = len(fed)
        if count != self._live_rows:
            self._set_live(count)
        size = self._batch(count)
        drawn = any(self._drawn[:count])
        if self._graphs.usable and self._lean is not None:
            self._graphs.run((size, drawn), lambda: self._step(size, drawn=drawn))
        else:
            self._step(count, drawn=drawn)
        self._landing.take(self._tokens[:count], self.sampler.chance[:count])
        for row, token in enumerate(fed):
            self._longest[row] += 1
            self._prefixes.extend(row, (token,))

    def collect(self) -> list[Drawn]:
        """The next token of each row that the last `launch` was for, in that order."""
        return self._landing.read()

    def move(self, source: int, target: int) -> None:
        """Let the conversation of row `source` go on in row `target`."""
        if self._own is not None:
            self._own.move(source, target)
        self.cache.copy_row(source, target, self._longest[source])
        self.sampler.copy_row(source, target)
        self._tokens[target] = self._tokens[source]
        self._prefixes.move(source, target)
        self._longest[target], self._drawn[target] = self._longest[source], self._drawn[source]

    def write_adapter(self, staged: StagedAdapter) -> None:
        """Put a staged adapter in place; no row may be in use."""
        self._prefixes.forget()
        if self.slot.write(staged):  # the slot grew: what remembers its old addresses is made anew
            self._graphs.clear()
            if self._lean:
                self._lean.bind()
            self._capture()

    def _step(self, size: int, *, drawn: bool) -> None:
        """Advance rows 0 … size-1 on the device; rows that are not live keep their state."""
        rows, live = slice(0, size), self._live[:size]
        if self._own is not None:
            logits = self._own.step(self._tokens[rows])
        elif self._lean is not None:
            logits = self._lean(self._tokens[rows])
        else:
            self.cache.begin_decode(size, max(self._longest[:size]))
            logits = self._forward(self._tokens[rows, None], self.cache.positions[rows, None])
        self.cache.positions[rows] += live
        if drawn:
            tokens = self.sampler.draw(logits, rows, self.cache.positions[rows])
            self.sampler.mark(rows, tokens, live)
        else:
            tokens = self.sampler.greedy(logits)
        self.sampler.weigh(logits, rows, tokens)
        self._tokens[rows] = torch.where(live > 0, tokens, self._tokens[rows])

    def _forward(self, ids: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        """Logits [batch, vocabulary] of each row's last token, by transformers' modules."""
        with last_token_only(self._model):
            out = self._model(input_ids=ids, position_ids=positions, use_cache=False, slots=self.cache)
        logits: torch.Tensor = out.logits[:, -1]
        return logits

    def _choose_way(self) -> None:
        """Serve in slots if they hold what the model remembers, else in its own caches."""
        attention = self._model.config._attn_implementation  # noqa: SLF001 - no public name
        tolerance = _OWN_TOLERANCE.get(self.base.dtype, _OWN_TOLERANCE_HALF)
        way = choose_way(self._model, partial(self._in_slots, attention), self.context, tolerance)
        if way.cache == "none":
            raise BaseUnsuitable(self.base.id, way.why)
        if way.cache == "slots":
            use_slot_attention(self._model)
            return
        log.warning("The base cannot be served in slots (%s); replies are computed one by one", way.why)
        self.cache.release()
        self.chunk = self.context
        self._own = OwnCaches(self._model, self.rows)

    def _in_slots(self, attention: str, tokens: list[int], steps: int) -> torch.Tensor:
        """Logits [1 + steps, vocabulary] of a prompt and forced steps in slots. Leaves the model as it was."""
        use_slot_attention(self._model)
        try:
            seen, count = [], len(tokens) - steps
            for start, end in ((0, count // 2), (count // 2, count)):
                self.cache.begin_prefill(0, start, end - start)
                ids = torch.tensor([tokens[start:end]], device=self.device)
                logits = self._forward(ids, torch.arange(start, end, device=self.device)[None])
            seen.append(logits)
            for place in range(count, len(tokens)):
                self.cache.positions[0] = place
                self.cache.begin_decode(1, place)
                ids = torch.tensor([[tokens[place]]], device=self.device)
                seen.append(self._forward(ids, self.cache.positions[:1, None]))
            windows = windows_of(self._model.config.get_text_config(), self.context)
            if not windows <= self.cache.windows:
                raise ValueError("the attention does not say which windows it has")
            return torch.cat(seen)
        finally:
            self.cache.positions.zero_()
            self._model.set_attn_implementation(attention)

    def _batch(self, count: int) -> int:
        """The captured size that holds `count` rows."""
        return min(self.rows, 1 << (count - 1).bit_length())

    def _set_live(self, count: int) -> None:
        self._live[:count], self._live[count:] = 1, 0
        self._live_rows = count

    def _make_lean(self, kernels: Any) -> None:
        """Take the lean step if it computes what the model's own modules compute."""
        self.prefill(0, list(range(8)), 0, last=True)
        self._set_live(1)
        self.cache.begin_decode(1, 8)
        expected = self._forward(self._tokens[:1, None], self.cache.positions[:1, None]).float()
        lean = LeanStep(self._model, self.cache, kernels)
        error = float((lean(self._tokens[:1]).float() - expected).norm() / expected.norm())
        log.debug("The lean decode step differs from the modules by %.4f", error)
        if error < _LEAN_TOLERANCE:
            self._lean = lean
            if kernels.PROMPT_SIZES:
                self._prompts = CapturedPrompts(lean, self._graphs, kernels.PROMPT_SIZES, self.cache)
        else:
            log.warning("The lean decode step is off by %.3f for this model; its own modules are used", error)

    def _capture(self) -> None:
        if self._lean is None:
            return
        for size in sorted({self._batch(count) for count in range(1, self.rows + 1)}, reverse=True):
            for drawn in (False, True):
                if self._graphs.usable:
                    self._graphs.capture((size, drawn), lambda: self._step(size, drawn=drawn))  # noqa: B023 - run now
        if self._prompts is not None:
            self._prompts.capture()
            self.chunk = self._asked_chunk or self._prompts.longest


class _Landing:
    """Where a step's results arrive on the host: copied by the device itself, so that nobody has to wait for them."""

    def __init__(self, rows: int, device: torch.device) -> None:
        pinned = device.type == "cuda"
        self._tokens = torch.zeros(rows, dtype=torch.int64, pin_memory=pinned)
        self._chances = torch.zeros(rows, pin_memory=pinned)
        self._arrived = torch.cuda.Event() if pinned else None
        self._count = 0

    def take(self, tokens: torch.Tensor, chances: torch.Tensor) -> None:
        self._count = len(tokens)
        self._tokens[: self._count].copy_(tokens, non_blocking=True)
        self._chances[: self._count].copy_(chances, non_blocking=True)
        if self._arrived is not None:
            self._arrived.record()

    def read(self) -> list[Drawn]:
        if self._arrived is not None:
            self._arrived.synchronize()
        pairs = zip(self._tokens[: self._count].tolist(), self._chances[: self._count].tolist(), strict=True)
        return [Drawn(token, chance) for token, chance in pairs]
