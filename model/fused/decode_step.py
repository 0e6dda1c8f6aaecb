"""A decode step without transformers' modules, for decoders of Llama's shape: about 12 kernels a layer on a GPU.

Llama, Mistral, Qwen 2 and Qwen 3 differ only in biases, head norms and windows. After loading, the decoder compares its
logits with the model's own; a difference beyond rounding leaves the model's own modules in charge.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from model.adapter.slots import RowSlots, SlotLinear
from model.cache.kv_cache import AttentionOptions, SlotCache
from model.fused.kernels import FusedLayer, Kernels, Layers, Step
from model.fused.packed import fuse, rebind

__all__ = ["FusedStep", "has_llama_shape"]

_Attend = Callable[[int, FusedLayer, torch.Tensor], torch.Tensor]
_FAMILIES = ("llama", "mistral", "qwen2", "qwen3")


def has_llama_shape(model: Any, kernels: Kernels) -> bool:
    """Whether this file knows how the model's layers compute, and the kernels take their sizes."""
    config = model.config
    dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return (
        config.model_type in _FAMILIES
        and config.hidden_act == "silu"
        and not getattr(config, "mlp_bias", False)
        and kernels.fits_heads(dim)
        and all(
            isinstance(linear, SlotLinear) and kernels.fits(linear.in_features, linear.out_features)
            for layer in model.model.layers
            for linears in _parts(layer).values()
            for linear in linears
        )
    )


def _parts(layer: Any) -> dict[str, list[SlotLinear]]:
    """The linear layers that share their input, as they are fused."""
    attention, mlp = layer.self_attn, layer.mlp
    return {
        "qkv": [attention.q_proj, attention.k_proj, attention.v_proj],
        "out": [attention.o_proj],
        "gate_up": [mlp.gate_proj, mlp.up_proj],
        "down": [mlp.down_proj],
    }


class FusedStep:
    """Computes logits and stores keys and values in the slots, for decode steps and for prompts."""

    def __init__(self, model: Any, cache: SlotCache, kernels: Kernels) -> None:
        self._model, self._cache, self._kernels = model, cache, kernels
        self._head = kernels.make_head(model.lm_head.weight)
        self._eps = float(model.config.rms_norm_eps)
        self._scale = float(model.model.layers[0].self_attn.scaling)
        places = torch.arange(cache.length, device=cache.device)[None]
        cos, sin = model.model.rotary_emb(torch.zeros(1, dtype=cache.dtype, device=cache.device), places)
        self._rotary = (cos[0].contiguous(), sin[0].contiguous())
        self._layers = [self._layer(layer) for layer in model.model.layers]
        self._whole = self._compile()

    def _compile(self) -> Layers | None:
        """All layers as one function of hidden states, positions and owning rows, where the kernels have it."""
        make = self._kernels.compile_layers
        return make(self._layers, self._cache, self._rotary, eps=self._eps, scale=self._scale) if make else None

    @property
    def reads_owners(self) -> bool:
        """Whether its passes look up where a row of the cache lies."""
        return self._whole is not None or self._kernels.begin_prefill is not None

    def bind(self) -> None:
        """Use the adapter slots' new buffers after they were allocated again."""
        for index, (fused, layer) in enumerate(zip(self._layers, self._model.model.layers, strict=True)):
            parts = _parts(layer)
            self._layers[index] = replace(
                fused,
                qkv=rebind(fused.qkv, parts["qkv"]),
                out=rebind(fused.out, parts["out"]),
                gate_up=rebind(fused.gate_up, parts["gate_up"]),
                down=rebind(fused.down, parts["down"]),
            )
        self._whole = self._compile()

    def _layer(self, layer: Any) -> FusedLayer:
        attention, norms = layer.self_attn, None
        if hasattr(attention, "q_norm"):
            norms = (attention.q_norm.weight, attention.k_norm.weight, float(attention.q_norm.variance_epsilon))
        window = getattr(attention, "sliding_window", None)
        if self._model.config.model_type == "mistral":
            window = self._model.config.sliding_window
        fused = {name: fuse(linears, self._kernels) for name, linears in _parts(layer).items()}
        return FusedLayer(
            input_norm=layer.input_layernorm.weight,
            qkv=fused["qkv"],
            out=fused["out"],
            post_norm=layer.post_attention_layernorm.weight,
            gate_up=fused["gate_up"],
            down=fused["down"],
            window=int(window or 0),
            norms=norms,
        )

    def __call__(self, tokens: torch.Tensor, slots: RowSlots) -> torch.Tensor:
        """Logits [n, vocabulary] of one new token for each of the first n rows."""
        rows = self._cache.owners[: len(tokens)]
        if self._whole is not None:
            return self._logits(self._whole(self._embedded(tokens), self._cache.positions, rows, slots))
        step = self._kernels.begin_step(self._rotary, self._cache.positions, rows)
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
        step = begin(self._rotary, positions, owners)
        return self._logits(self._body(tokens, slots, self._attending(step)).index_select(0, last))

    def prefill(self, tokens: torch.Tensor, row: int, start: int, slots: RowSlots) -> torch.Tensor:
        """Logits [1, vocabulary] after prompt tokens [count] of `row` from position `start`.

        The cache's `begin_prefill` was told the same.
        """
        count = len(tokens)
        if self._whole is not None:
            places = torch.arange(start, start + count)
            owners = torch.full_like(places, self._cache.owner(row))
            return self._logits(self._whole(self._embedded(tokens), places, owners, slots)[-1:])
        cos, sin = (table[start : start + count, None] for table in self._rotary)

        def attend(index: int, layer: FusedLayer, qkv: torch.Tensor) -> torch.Tensor:
            dim = self._rotary[0].shape[1]
            kv = layer.qkv.segments[1] // dim
            heads = qkv.view(count, -1, dim)
            q, k, v = heads.split([heads.shape[1] - 2 * kv, kv, kv], dim=1)
            if layer.norms:
                q, k = self._normed(q, layer.norms[0]), self._normed(k, layer.norms[1])
            q, k = _rotated(q, cos, sin), _rotated(k, cos, sin)
            options = AttentionOptions(self._scale, layer.window or None, None)
            q, k, v = (part.transpose(0, 1)[None] for part in (q, k, v))
            return self._cache.attend(index, q, k, v, options).reshape(count, -1)

        return self._logits(self._body(tokens, slots, attend)[-1:])

    def _attending(self, step: Step) -> _Attend:
        """Attention by the kernels, for the layers of one pass."""

        def attend(index: int, layer: FusedLayer, qkv: torch.Tensor) -> torch.Tensor:
            keys, values = self._cache.keys[index], self._cache.values[index]
            return step.attend(qkv, keys, values, scale=self._scale, window=layer.window, norms=layer.norms)

        return attend

    def _body(self, tokens: torch.Tensor, slots: RowSlots, attend: _Attend) -> torch.Tensor:
        """Hidden states [n, hidden] before the last norm."""
        kernels = self._kernels
        hidden = self._embedded(tokens)
        for index, layer in enumerate(self._layers):
            qkv = layer.qkv(kernels.rms_norm(hidden, layer.input_norm, self._eps), slots)
            hidden = layer.out(attend(index, layer, qkv), slots, residual=hidden)
            x = kernels.rms_norm(hidden, layer.post_norm, self._eps)
            if len(tokens) <= kernels.SMALL_BATCH:
                gated = kernels.finish_gated(*layer.gate_up.product(x, slots), layer.gate_up.b, slots)
            else:
                gated = kernels.gated(layer.gate_up(x, slots))
            hidden = layer.down(gated, slots, residual=hidden)
        return hidden

    def _embedded(self, tokens: torch.Tensor) -> torch.Tensor:
        hidden: torch.Tensor = self._model.model.embed_tokens(tokens)
        return hidden

    def _logits(self, hidden: torch.Tensor) -> torch.Tensor:
        return self._head(self._kernels.rms_norm(hidden, self._model.model.norm.weight, self._eps))

    def _normed(self, heads: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        normed = self._kernels.rms_norm(heads.reshape(-1, heads.shape[-1]), weight, self._eps)
        return normed.view(heads.shape)


def _rotated(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """Rotary position embedding (Su et al., arXiv:2104.09864), halves side by side as transformers lays them out."""
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-second, first), dim=-1) * sin
