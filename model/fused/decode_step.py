"""A decode step without transformers' modules, for the families of model/fused/families.py.

About 12 kernels a layer on a GPU. After loading, the decoder compares its logits with the model's own; a difference
beyond rounding leaves the model's own modules in charge.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from model.adapter.slots import RowSlots
from model.cache.kv_cache import AttentionOptions, SlotCache
from model.fused.families import FAMILIES
from model.fused.kernels import AttentionShape, FusedLayer, FusedLinear, Kernels, Layers, Step
from model.fused.layers import fuse_layers, norm_weight, rebind_layers

__all__ = ["FusedStep"]

_Attend = Callable[[int, FusedLayer, torch.Tensor], torch.Tensor]


class FusedStep:
    """Computes logits and stores keys and values in the slots, for decode steps and for prompts."""

    def __init__(self, model: Any, cache: SlotCache, kernels: Kernels) -> None:
        self._model, self._cache, self._kernels = model, cache, kernels
        self._head = kernels.make_head(model.lm_head.weight)
        config = model.config
        self._eps = float(config.rms_norm_eps)
        self._norm = norm_weight(model.model.norm, FAMILIES[config.model_type])
        self._embedding_factor = float(getattr(config, "embedding_multiplier", 1.0))
        self._logits_divisor = float(getattr(config, "logits_scaling", 1.0))
        self._soft_cap = getattr(config, "final_logit_softcapping", None)
        self._layers = fuse_layers(model, cache, kernels)
        self._whole = self._compile()

    def _compile(self) -> Layers | None:
        """All layers as one function of hidden states, positions and owning rows, where the kernels have it."""
        make = self._kernels.compile_layers
        return make(self._layers, self._cache, eps=self._eps) if make else None

    @property
    def reads_owners(self) -> bool:
        """Whether its passes look up where a row of the cache lies."""
        return self._whole is not None or self._kernels.begin_prefill is not None

    @property
    def takes_several(self) -> bool:
        """Whether a step may compute several tokens of a row: where all layers are one function."""
        return self._whole is not None

    def bind(self) -> None:
        """Use the adapter slots' new buffers after they were allocated again."""
        self._layers = rebind_layers(self._model, self._layers)
        self._whole = self._compile()

    def __call__(self, tokens: torch.Tensor, slots: RowSlots) -> torch.Tensor:
        """Logits [n, vocabulary] of one new token for each of the first n rows."""
        rows = self._cache.owners[: len(tokens)]
        if self._whole is not None:
            return self._logits(self._whole(self._embedded(tokens), self._cache.positions, rows, slots))
        step = self._kernels.begin_step(self._cache.positions, rows)
        return self._logits(self._body(tokens, slots, self._attending(step)))

    def read(
        self,
        tokens: torch.Tensor,
        positions: torch.Tensor,
        owners: torch.Tensor,
        last: torch.Tensor,
        slots: RowSlots,
    ) -> torch.Tensor:
        """Logits [1, vocabulary] of token `last` [1] among new tokens [n] of one row, n of PREFILL_SIZES.

        All arguments are on the device, so it can be captured. What stands at `positions` after the last token is
        padding: decoding writes over it before it is seen.
        """
        begin = self._kernels.begin_prefill
        assert begin is not None  # noqa: S101 - there are PREFILL_SIZES
        step = begin(positions, owners)
        return self._logits(self._body(tokens, slots, self._attending(step)).index_select(0, last))

    def several(self, tokens: torch.Tensor, row: int, start: int, slots: RowSlots) -> torch.Tensor:
        """Logits [count, vocabulary] behind each of some tokens of `row`, the first at `start`; see `takes_several`."""
        assert self._whole is not None  # noqa: S101 - takes_several
        places = torch.arange(start, start + len(tokens))
        owners = torch.full_like(places, self._cache.owner(row))
        return self._logits(self._whole(self._embedded(tokens), places, owners, slots))

    def prefill(self, tokens: torch.Tensor, row: int, start: int, slots: RowSlots) -> torch.Tensor:
        """Logits [1, vocabulary] after prompt tokens [count] of `row` from position `start`.

        The cache's `begin_prefill` was told the same.
        """
        count = len(tokens)
        if self._whole is not None:
            places = torch.arange(start, start + count)
            owners = torch.full_like(places, self._cache.owner(row))
            return self._logits(self._whole(self._embedded(tokens), places, owners, slots)[-1:])

        def attend(index: int, layer: FusedLayer, qkv: torch.Tensor) -> torch.Tensor:
            how, dim = layer.attention, layer.attention.rotary[0].shape[1]
            heads = qkv.view(count, -1, dim)
            kv = (heads.shape[1] - how.heads) // 2
            q, k, v = heads.split([how.heads, kv, kv], dim=1)
            if norms := how.head_norms:
                q, k = self._normed(q, norms[0]), self._normed(k, norms[1])
            q, k = _rotated(q, how, start), _rotated(k, how, start)
            options = AttentionOptions(how.scale, how.window or None, None)
            q, k, v = (part.transpose(0, 1)[None] for part in (q, k, v))
            return self._cache.attend(index, q, k, v, options).reshape(count, -1)

        return self._logits(self._body(tokens, slots, attend)[-1:])

    def _attending(self, step: Step) -> _Attend:
        """Attention by the kernels, for the layers of one pass."""

        def attend(index: int, layer: FusedLayer, qkv: torch.Tensor) -> torch.Tensor:
            return step.attend(qkv, self._cache.keys[index], self._cache.values[index], layer.attention)

        return attend

    def _body(self, tokens: torch.Tensor, slots: RowSlots, attend: _Attend) -> torch.Tensor:
        """Hidden states [n, hidden] before the last norm."""
        hidden = self._embedded(tokens)
        for index, layer in enumerate(self._layers):
            qkv = layer.qkv(self._before(hidden, layer.norms.before_attention), slots)
            qkv = self._wide_normed(qkv, layer.attention)
            hidden = self._added(layer.out, attend(index, layer, qkv), slots, hidden, layer.norms.after_attention)
            gated = self._gated(self._before(hidden, layer.norms.before_mlp), layer, slots)
            hidden = self._added(layer.down, gated, slots, hidden, layer.norms.after_mlp)
        return hidden

    def _before(self, hidden: torch.Tensor, norm: torch.Tensor | None) -> torch.Tensor:
        return hidden if norm is None else self._kernels.rms_norm(hidden, norm, self._eps)

    def _added(
        self, linear: FusedLinear, x: torch.Tensor, slots: RowSlots, hidden: torch.Tensor, norm: torch.Tensor | None
    ) -> torch.Tensor:
        """The hidden states plus what a part of a layer computes of x."""
        if norm is None:
            return linear(x, slots, residual=hidden)
        return self._kernels.rms_norm(linear(x, slots), norm, self._eps, hidden)

    def _gated(self, x: torch.Tensor, layer: FusedLayer, slots: RowSlots) -> torch.Tensor:
        kernels = self._kernels
        if len(x) <= kernels.SMALL_BATCH:
            return kernels.finish_gated(*layer.gate_up.product(x, slots), layer.gate_up.b, slots, layer.activation)
        return kernels.gated(layer.gate_up(x, slots), layer.activation)

    def _wide_normed(self, qkv: torch.Tensor, how: AttentionShape) -> torch.Tensor:
        """Queries and keys normed over all heads at once, where they are."""
        if how.norms is None or not how.wide_norms:
            return qkv
        q_norm, k_norm, _ = how.norms
        sizes = [len(q_norm), len(k_norm)]
        q, k, v = qkv.split([*sizes, qkv.shape[1] - sum(sizes)], dim=1)
        rms_norm = self._kernels.rms_norm
        return torch.cat([rms_norm(q, q_norm, self._eps), rms_norm(k, k_norm, self._eps), v], dim=1)

    def _embedded(self, tokens: torch.Tensor) -> torch.Tensor:
        hidden: torch.Tensor = self._model.model.embed_tokens(tokens)
        return hidden if self._embedding_factor == 1.0 else hidden * self._embedding_factor

    def _logits(self, hidden: torch.Tensor) -> torch.Tensor:
        logits = self._head(self._kernels.rms_norm(hidden, self._norm, self._eps))
        if self._logits_divisor != 1.0:
            logits = logits / self._logits_divisor
        return logits if self._soft_cap is None else torch.tanh(logits / self._soft_cap) * self._soft_cap

    def _normed(self, heads: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        normed = self._kernels.rms_norm(heads.reshape(-1, heads.shape[-1]), weight, self._eps)
        return normed.view(heads.shape)


def _rotated(x: torch.Tensor, how: AttentionShape, start: int) -> torch.Tensor:
    """Rotary position embedding (Su et al., arXiv:2104.09864) of x [count, heads, head_dim] from position `start`.

    What is turned has its halves side by side, as transformers lays them out.
    """
    cos, sin = (table[start : start + len(x), None] for table in how.rotary)
    half = how.turned // 2
    other = torch.cat((-x[..., half : how.turned], x[..., :half], x[..., how.turned :]), dim=-1)
    return (x * cos + other * sin).to(x.dtype)
