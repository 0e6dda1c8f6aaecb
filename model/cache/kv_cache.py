"""Slot batching: a static key/value cache of a fixed number of rows, each row at its own position.

Every conversation being answered owns one row. The active rows are always the first ones, so a batch is a plain view of
the cache and nothing is gathered; when a row ends, it changes places with the last active one. Where kernels look up
which row a token belongs to (`by_owner`), only the numbers of the rows are changed. Attention is one function that
writes the new keys and values and attends over what each row has so far; it plugs into any transformers decoder
through `AttentionInterface`, so grouped-query attention, sliding windows and rotary embeddings stay the model's own.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional
from transformers import AttentionInterface
from transformers.masking_utils import AttentionMaskInterface

__all__ = ["AttentionOptions", "SlotCache", "use_slot_attention"]

_NAME = "nightshift_slots"
_BUCKET = 128  # attention reads the cache up to the longest active row, rounded up to this many positions


class SlotCache:
    """Keys and values of every layer for `rows` conversations of up to `length` tokens.

    Attributes:
        keys, values: per layer [rows, kv_heads, length, head_dim]; heads of values may have another size.
        positions: [rows] int64, where each row's next token goes; owned by the caller.
        owners: [rows] int64, where each row lies; changed in place, so that a captured pass sees it.
        by_owner: whether every pass looks rows up in `owners`; else they lie in order.
    """

    def __init__(self, rows: int, length: int, dtype: torch.dtype, device: torch.device) -> None:
        self.rows, self.length, self.dtype, self.device = rows, length, dtype, device
        self.keys: dict[int, torch.Tensor] = {}
        self.values: dict[int, torch.Tensor] = {}
        self.positions = torch.zeros(rows, dtype=torch.int64, device=device)
        self.owners = torch.arange(rows, device=device)
        self.by_owner = False
        self._owners = list(range(rows))  # the same on the host
        self.windows: set[int] = set()  # that layers have asked for
        self._places = torch.arange(length, device=device)
        self._step = _Step()

    def begin_prefill(self, row: int, start: int, count: int) -> None:
        """The next forward pass computes `count` prompt tokens of `row`, from position `start`."""
        places = self._places[: start + count]
        asked = self._places[start : start + count]
        lies = self._owners[row]
        self._step = _Step(prefill=True, row=lies, start=start, end=start + count, places=places, asked=asked)

    def begin_decode(self, rows: int, longest: int, only: torch.Tensor | None = None) -> None:
        """The next forward pass computes one token for each of the first `rows` rows, or for some of them.

        `longest` is the largest position among them (host side). The past of rows `only` is gathered.
        """
        end = min(self.length, -(-(longest + 1) // _BUCKET) * _BUCKET)
        asked = (self.positions[:rows] if only is None else self.positions[only])[:, None]
        self._step = _Step(row=rows, only=only, end=end, places=self._places[:end], asked=asked)

    def owner(self, row: int) -> int:
        """Where a row lies."""
        return self._owners[row]

    def copy_row(self, source: int, target: int, count: int) -> None:
        """Copy the first `count` positions of one row over another."""
        source, target = self._owners[source], self._owners[target]
        for tensor in (*self.keys.values(), *self.values.values()):
            tensor[target, :, :count].copy_(tensor[source, :, :count])

    def exchange(self, first: int, second: int, count: int) -> None:
        """Let two rows change places, with the first `count` positions of each."""
        _exchange(self.positions, first, second)
        if self.by_owner:
            _exchange(self.owners, first, second)
            self._owners[first], self._owners[second] = self._owners[second], self._owners[first]
            return
        pair, other = [first, second], [second, first]
        for tensor in (*self.keys.values(), *self.values.values()):
            tensor[pair, :, :count] = tensor[other, :, :count]

    def release(self) -> None:
        """Give the cache's memory back; it is allocated again when next used."""
        self.keys.clear()
        self.values.clear()

    @property
    def bytes(self) -> int:
        """Memory held, in bytes."""
        held = (*self.keys.values(), *self.values.values())
        return sum(tensor.numel() * tensor.element_size() for tensor in held)

    def attend(
        self, layer: int, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, options: AttentionOptions
    ) -> torch.Tensor:
        """Store the step's k and v ([batch, kv_heads, queries, head_dim]) and attend q over each row's past.

        Returns [batch, queries, heads, head_dim].
        """
        if layer not in self.keys:
            shape = (self.rows, k.shape[1], self.length)
            self.keys[layer] = torch.zeros(*shape, k.shape[3], dtype=k.dtype, device=k.device)
            self.values[layer] = torch.zeros(*shape, v.shape[3], dtype=v.dtype, device=v.device)
            if options.window is not None:
                self.windows.add(options.window)
        keys, values, step = self.keys[layer], self.values[layer], self._step
        if step.prefill:
            keys[step.row, :, step.start : step.end] = k[0]
            values[step.row, :, step.start : step.end] = v[0]
            past_k, past_v = (
                keys[step.row : step.row + 1, :, : step.end],
                values[step.row : step.row + 1, :, : step.end],
            )
        else:
            rows = self.owners[: step.row] if step.only is None else step.only  # in order
            keys[rows, :, self.positions[rows]] = k[:, :, 0]
            values[rows, :, self.positions[rows]] = v[:, :, 0]
            past = slice(step.row) if step.only is None else step.only
            past_k, past_v = keys[past, :, : step.end], values[past, :, : step.end]
        return _attention(q, past_k, past_v, step.mask(options.window), options)


def _exchange(numbers: torch.Tensor, first: int, second: int) -> None:
    """Let two elements change places, without a copy from the host, which a GPU would wait for."""
    held = numbers[first].clone()
    numbers[first].copy_(numbers[second])
    numbers[second].copy_(held)


class AttentionOptions:
    """What a layer asks of its attention."""

    __slots__ = ("scale", "softcap", "window")

    def __init__(self, scale: float | None, window: int | None, softcap: float | None) -> None:
        self.scale, self.window, self.softcap = scale, window, softcap


class _Step:
    """One forward pass: which rows and positions it covers, and its masks (one for each window, shared by layers)."""

    def __init__(
        self,
        *,
        prefill: bool = False,
        row: int = 0,
        only: torch.Tensor | None = None,
        start: int = 0,
        end: int = 0,
        places: torch.Tensor | None = None,
        asked: torch.Tensor | None = None,
    ) -> None:
        self.prefill, self.row, self.only, self.start, self.end = prefill, row, only, start, end
        self._places, self._asked = places, asked
        self._masks: dict[int | None, torch.Tensor] = {}

    def mask(self, window: int | None) -> torch.Tensor:
        """Who sees what, boolean: prefill [1, 1, queries, places]; decode [rows, 1, 1, places]."""
        if window not in self._masks:
            assert self._places is not None  # noqa: S101 - begin_prefill or begin_decode came first
            assert self._asked is not None  # noqa: S101
            asked = self._asked[:, None] if self.prefill else self._asked
            seen = self._places <= asked
            if window is not None:
                seen &= self._places > asked - window
            self._masks[window] = seen[None, None] if self.prefill else seen[:, None, None]
        return self._masks[window]


def _attention(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor, options: AttentionOptions
) -> torch.Tensor:
    batch, heads, queries, dim = q.shape
    kv_heads = k.shape[1]
    if queries == 1:
        # The heads of one group share their keys: as queries of one head they need no repeated copy of the cache.
        q = q.view(batch, kv_heads, heads // kv_heads, dim)
    elif heads != kv_heads:
        k, v = k.repeat_interleave(heads // kv_heads, dim=1), v.repeat_interleave(heads // kv_heads, dim=1)
    if options.softcap is None:
        out = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=options.scale)
    else:
        scores = torch.matmul(q, k.transpose(2, 3)) * (options.scale or dim**-0.5)
        scores = torch.tanh(scores / options.softcap) * options.softcap
        weights = scores.masked_fill(~mask, float("-inf")).softmax(-1, dtype=torch.float32).to(q.dtype)
        out = torch.matmul(weights, v)
    return out.reshape(batch, heads, queries, v.shape[3]).transpose(1, 2)


def _slot_attention(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,  # noqa: ARG001 - the slots know who sees what
    *,
    scaling: float | None = None,
    sliding_window: int | None = -1,
    softcap: float | None = None,
    slots: SlotCache,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    # A layer that says None has none, whatever its module keeps; one that says nothing is asked.
    window = sliding_window if sliding_window != -1 else getattr(module, "sliding_window", None)
    return slots.attend(module.layer_idx, query, key, value, AttentionOptions(scaling, window, softcap)), None


def use_slot_attention(model: Any) -> None:
    """Make `model(..., slots=cache)` attend through a SlotCache. Raises ValueError for a model that has its own way."""
    AttentionInterface.register(_NAME, _slot_attention)
    AttentionMaskInterface.register(_NAME, lambda *_, **__: None)
    model.set_attn_implementation(_NAME)
