"""One base model, the adapter slots and the rows being answered: prefill, one decode step for all, nothing else.

Belongs to a single thread. Knows tokens and rows; text, queues and asyncio are the engine's.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial

import torch

from model.adapter.bank import BARE
from model.adapter.files import BaseIdentity
from model.adapter.slots import AdapterSlots, StagedAdapter
from model.base.loading import LoadedBase
from model.base.memory import choose_slots
from model.base.output_layer import last_token_only
from model.cache.kv_cache import SlotCache, use_slot_attention
from model.cache.model_cache import ModelCaches
from model.cache.row_reuse import RowReuse
from model.config import ModelConfig
from model.errors import BaseUnsuitable
from model.fused.backend import kernels_for
from model.fused.decode_step import FusedStep
from model.fused.families import can_fuse
from model.fused.kernels import Kernels
from model.fused.packed import pack_each
from model.protocol import Sampling
from model.serving.captured_prefill import CapturedPrefill
from model.serving.cuda_graphs import CudaGraphs
from model.serving.look_ahead import LookAhead
from model.serving.parity import choose_cache, logits_in_slots, tolerance_of
from model.serving.readback import Readback, SampledToken
from model.serving.row_adapters import RowAdapters
from model.serving.sampling import Sampler

__all__ = ["Decoder"]

log = logging.getLogger(__name__)

_CPU_CHUNK = 128
_GPU_CHUNK = 512
_FUSED_TOLERANCE = 0.2  # relative distance of logits: bf16 rounding through all layers is a tenth, an error is 1


class Decoder:
    """The model as the engine drives it.

    Rows 0 … n-1 are being answered. `prefill` fills one row with its prompt; `launch` begins a step that gives each of
    the first n rows its next token, `collect` waits for it; `move` closes a gap. Everything runs in inference mode on
    one thread, `warm_up` first.
    """

    def __init__(self, base: LoadedBase, config: ModelConfig) -> None:
        self.base, self.device = base, base.device
        self.context = min(config.context_tokens, int(getattr(base.model.config, "max_position_embeddings", 1 << 30)))
        self.slots = AdapterSlots(base.model, config.adapter_slots, config.lora_rank, base.dtype, base.device)
        self.rows = choose_slots(config.slots, base.model.config, self.context, base.dtype, base.device)
        self._asked_chunk = config.prefill_chunk
        self.chunk = config.prefill_chunk or (_GPU_CHUNK if base.device.type == "cuda" else _CPU_CHUNK)
        self._model = base.model
        self.cache = SlotCache(self.rows, self.context, base.dtype, base.device)
        self.sampler = Sampler(self.rows, int(base.model.get_output_embeddings().weight.shape[0]), base.device)
        self._tokens, self._live = torch.zeros(2, self.rows, dtype=torch.int64, device=base.device)
        self._live_rows = 0
        self._samples = [False] * self.rows
        self._adapters = RowAdapters(self.slots, self.rows)
        self._prefixes = RowReuse(self.cache)
        self._readback = Readback(self.rows, base.device)
        self._graphs = CudaGraphs(base.device)
        self._own: ModelCaches | None = None  # instead of the slots
        self._fused: FusedStep | None = None
        self._guessed = config.draft_tokens
        self._look_ahead: LookAhead | None = None
        self._prefill_passes: CapturedPrefill | None = None

    @property
    def identity(self) -> BaseIdentity:
        """What adapters are checked against."""
        return BaseIdentity(self.base.id, self.base.revision, self.base.template_hash)

    @property
    def memory_bytes(self) -> int:
        """Weights, adapter slots and cache, in bytes."""
        tensors = {t.data_ptr(): t for t in (*self._model.parameters(), *self._model.buffers())}.values()
        return sum(int(tensor.nbytes) for tensor in tensors) + self.cache.bytes

    @property
    def ahead(self) -> bool:
        """Whether a step goes on by itself after `launch`: a GPU computes while the host reads the last tokens."""
        return self.device.type == "cuda"

    @property
    def path(self) -> str:
        """How decode steps are computed, for `/status`."""
        modules = "fused" if self._fused else "one by one in the model's own cache" if self._own else "modules"
        return f"{modules}, captured" if self._graphs.usable else modules

    def warm_up(self) -> None:
        """Do everything that makes the first reply slow: allocate, pack, verify, compile, capture.

        Raises BaseUnsuitable when the base cannot be served as it was made.
        """
        self._choose_cache()
        self.begin(0, [0] * 8, Sampling(temperature=0.0), 0)
        kernels = kernels_for(self.device, self.base.dtype) if self.slots.is_nf4 and self._own is None else None
        if kernels is not None and can_fuse(self._model, kernels, self.context):
            self._use_fused_step(kernels)
        elif kernels is not None and self.device.type == "cuda":  # on a CPU bitsandbytes' own layers do the same
            pack_each(self.slots.linears.values(), kernels)
        self.slots.moved()
        self.prefill(0, [0] * 8, 0, last=True)
        self._capture()
        self.cache.positions.zero_()
        self._prefixes.forget()
        self._set_live(0)

    def begin(self, row: int, prompt: Sequence[int], sampling: Sampling, seed: int, slot: int = BARE) -> int:
        """Give a row to a new conversation, which the adapter in `slot` answers.

        Returns how many prompt tokens were found in the prefix cache. Rows before `row` are in use, the others are not.
        """
        self.sampler.set_row(row, sampling, seed, torch.tensor(prompt, device=self.device))
        self._samples[row] = sampling.temperature > 0 or sampling.repetition_penalty != 1.0
        self._adapters.set(row, slot)
        if self._own is None:
            return self._prefixes.begin(row, prompt, slot)
        self._own.forget(row)
        self._prefixes.clear(row)
        return 0

    def prefill(self, row: int, tokens: Sequence[int], start: int, *, last: bool) -> SampledToken | None:
        """Compute prompt `tokens` of `row` from position `start`; after the `last` chunk, the answer's first token."""
        self.cache.begin_prefill(row, start, len(tokens))
        ids, slot = torch.tensor(tokens, device=self.device), self._adapters[row]
        if self._own is not None:
            self.slots.activate(slot)
            logits = self._own.forward(row, ids)
        elif self._prefill_passes is not None:
            self.slots.read_prompt(slot)
            logits = self._prefill_passes.read(row, tokens, start)
        elif self._fused is not None:
            logits = self._fused.prefill(ids, row, start, self.slots.rows([slot] * len(tokens)))
        else:
            self.slots.activate(slot)
            logits = self._forward(ids[None], torch.arange(start, start + len(tokens), device=self.device)[None])
        self._prefixes.read(row, tokens)
        if not last:
            return None
        rows = slice(row, row + 1)
        if not self._samples[row]:
            token = self.sampler.greedy(logits)
        else:
            token = self.sampler.sample(logits, rows, self.cache.positions[rows])
            self.sampler.mark(rows, token, torch.ones_like(token))
        self.sampler.record_probability(logits, rows, token)
        self._tokens[row] = token[0]
        return SampledToken(int(token[0]), float(self.sampler.probability[row]))

    def launch(self, fed: Sequence[int]) -> None:
        """Begin a step for the first rows. `fed`: the last token of each, which the step computes with."""
        count = len(fed)
        if count != self._live_rows:
            self._set_live(count)
        self._adapters.prepare(count)
        size = self._batch(count)
        sampled = any(self._samples[:count])
        if self._graphs.usable and self._fused is not None:
            self._graphs.run((size, sampled), lambda: self._step(size, sampled=sampled))
        else:
            self._step(count, sampled=sampled)
        self._readback.start(self._tokens[:count], self.sampler.probability[:count])
        self._prefixes.step(fed)

    def collect(self) -> list[SampledToken]:
        """The next token of each row that the last `launch` was for, in that order."""
        return self._readback.wait()

    def move(self, source: int, target: int) -> None:
        """Move the conversation of row `source` to row `target`, whose own has ended: its tokens are kept."""
        if self._own is not None:
            self._own.move(source, target)
        self._prefixes.exchange(source, target)
        self.sampler.copy_row(source, target)
        self._tokens[target] = self._tokens[source]
        self._samples[target] = self._samples[source]
        self._adapters.move(source, target)

    def discard(self, row: int) -> None:
        """Never use what a row holds again: its conversation failed."""
        self._prefixes.discard(row)

    def grows(self, staged: StagedAdapter) -> bool:
        """Whether a staged adapter can be written only while no row is in use: the slots have to be allocated anew."""
        return staged.rank > self.slots.rank

    def write_adapter(self, slot: int, staged: StagedAdapter) -> None:
        """Put a staged adapter in a slot that no row reads."""
        self._prefixes.forget(slot)
        if self.slots.write(slot, staged):  # they grew: captures of their old addresses are void
            self._prefixes.forget()
            self._graphs.clear()
            if self._fused:
                self._fused.bind()
            self.slots.moved()
            self._capture()

    def _step(self, size: int, *, sampled: bool) -> None:
        """Advance rows 0 … size-1 on the device; rows that are not live keep their state."""
        rows, live = slice(0, size), self._live[:size]
        if self._own is not None:
            logits = self._own.step(self._tokens[rows], lambda row: self.slots.activate(self._adapters[row]))
        elif size == 1 and self._look_ahead is not None:
            logits = self._look_ahead(self._tokens[rows], self._prefixes.tokens(0), self._adapters.step)
        elif self._fused is not None:
            logits = self._fused(self._tokens[rows], self._adapters.step)
        else:
            logits = self._modules_step(size)
        self.cache.positions[rows] += live
        if sampled:
            tokens = self.sampler.sample(logits, rows, self.cache.positions[rows])
            self.sampler.mark(rows, tokens, live)
        else:
            tokens = self.sampler.greedy(logits)
        self.sampler.record_probability(logits, rows, tokens)
        self._tokens[rows] = torch.where(live > 0, tokens, self._tokens[rows])

    def _modules_step(self, size: int) -> torch.Tensor:
        """Logits [size, vocabulary] by transformers' modules: a pass for each adapter that answers."""
        longest, parts = max(self._prefixes.longest[:size]), []
        for slot, only in self._adapters.step.groups:
            own = self.cache.owners[:size] if only is None else only
            self.slots.activate(slot)
            self.cache.begin_decode(size, longest, only)
            parts.append((own, self._forward(self._tokens[own, None], self.cache.positions[own, None])))
        if len(parts) == 1:
            return parts[0][1]
        return torch.cat([part for _, part in parts])[torch.cat([own for own, _ in parts]).argsort()]

    def _forward(self, ids: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        """Logits [batch, vocabulary] of each row's last token, by transformers' modules."""
        with last_token_only(self._model):
            out = self._model(input_ids=ids, position_ids=positions, use_cache=False, slots=self.cache)
        logits: torch.Tensor = out.logits[:, -1]
        return logits

    def _choose_cache(self) -> None:
        """Serve in slots if they hold what the model remembers, else in its own caches."""
        in_slots = partial(logits_in_slots, self._model, self.cache, self._forward)
        choice = choose_cache(self._model, in_slots, self.context, tolerance_of(self.base.dtype))
        if choice.cache == "none":
            raise BaseUnsuitable(self.base.id, choice.why)
        if choice.cache == "slots":
            use_slot_attention(self._model)
            return
        log.warning("The base cannot be served in slots (%s); replies are computed one by one", choice.why)
        self.cache.release()
        self.chunk = self.context
        self._own = ModelCaches(self._model, self.rows)

    def _batch(self, count: int) -> int:
        """The captured size that holds `count` rows."""
        return min(self.rows, 1 << (count - 1).bit_length())

    def _set_live(self, count: int) -> None:
        self._live[:count], self._live[count:] = 1, 0
        self._live_rows = count

    def _use_fused_step(self, kernels: Kernels) -> None:
        """Take the fused step if it computes what the model's own modules compute."""
        self.prefill(0, list(range(8)), 0, last=True)
        self._set_live(1)
        self.cache.begin_decode(1, 8)
        expected = self._forward(self._tokens[:1, None], self.cache.positions[:1, None]).float()
        fused = FusedStep(self._model, self.cache, kernels)
        found = fused(self._tokens[:1], self.slots.rows([BARE])).float()
        error = float((found - expected).norm() / expected.norm())
        log.debug("The fused decode step differs from the modules by %.4f", error)
        if error < _FUSED_TOLERANCE:
            self._fused = fused
            self.cache.by_owner = fused.reads_owners
            self._look_ahead = LookAhead.of(fused, self._guessed, self.context)
            if kernels.PREFILL_SIZES:
                read = self.slots.rows([self.slots.prompt or 0] * min(kernels.PREFILL_SIZES))
                self._prefill_passes = CapturedPrefill(fused, self._graphs, kernels.PREFILL_SIZES, self.cache, read)
        else:
            log.warning("The fused decode step is off by %.3f for this model; its own modules are used", error)

    def _capture(self) -> None:
        if self._fused is None:
            return
        for size in sorted({self._batch(count) for count in range(1, self.rows + 1)}, reverse=True):
            for sampled in (False, True):
                if self._graphs.usable:
                    self._graphs.capture((size, sampled), lambda: self._step(size, sampled=sampled))  # noqa: B023 - run now
        if self._prefill_passes is not None:
            self._prefill_passes.capture()
            self.chunk = self._asked_chunk or self._prefill_passes.longest
