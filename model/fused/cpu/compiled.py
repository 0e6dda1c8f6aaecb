"""The fused step's layers and the output layer in C: decoder_pass.c, compiled for this machine if it has a C compiler.

At a few rows a torch operation costs more than what it computes, and each product wakes the other cores again. Without
a compiler, model/fused/decode_step.py and model/fused/cpu/kernels.py compute the same with torch.
"""

from __future__ import annotations

import ctypes
import logging
import subprocess
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch
from bitsandbytes import functional as bnb

from model.adapter.slots import RowSlots
from model.cache.kv_cache import SlotCache
from model.fused.kernels import Activation, FusedLayer, FusedLinear

__all__ = ["CompiledHead", "CompiledLayers", "level", "library"]

log = logging.getLogger(__name__)

_SOURCE = Path(__file__).with_name("decoder_pass.c")
_COMMAND = "cc -O3 -mprefer-vector-width=512 -fno-math-errno -fno-trapping-math -fopenmp -shared -fPIC"
_FLAGS: dict[str, tuple[str, ...]] = {
    "bf16": ("-march=native",),
    "avx512": ("-march=x86-64-v4", "-DOWN_PRODUCT"),
    "avx2": ("-march=x86-64-v3", "-DOWN_PRODUCT"),
}
_GATES: dict[Activation, int] = {"silu": 1, "gelu_pytorch_tanh": 2}  # as decoder_pass.c numbers them
_TILE = 32  # outputs computed at once, by bitsandbytes' product too
_TASKS = 2  # at most, of one product for each thread

_Int, _Float, _Pointer = ctypes.c_int64, ctypes.c_float, ctypes.c_void_p


class _Linear(ctypes.Structure):
    _fields_ = (
        *((name, _Int) for name in ("k", "n", "tasks", "rank", "parts")),
        ("ends", _Int * 3),
        *((name, _Int) for name in ("hidden", "gate", "residual")),
        *((name, _Pointer) for name in ("words", "scales", "a", "b", "bias", "norm", "after")),
        ("factor", _Float),
    )


class _Layer(ctypes.Structure):
    _fields_ = (
        *((name, _Linear) for name in ("qkv", "out", "gate_up", "down")),
        *((name, _Pointer) for name in ("q_norm", "k_norm", "cos", "sin", "keys", "values")),
        *((name, _Int) for name in ("window", "turned", "wide")),
        ("scale", _Float),
    )


class _Pass(ctypes.Structure):
    _fields_ = (
        *((name, _Int) for name in ("m", "layers", "heads", "kv", "dim", "length")),
        *((name, _Pointer) for name in ("product", "layer", "positions", "owners", "slots", "ranks")),
        *((name, _Pointer) for name in ("hidden", "x", "y", "low", "narrow", "sums")),
        ("eps", _Float),
    )


class _Output(ctypes.Structure):
    _fields_ = (*((name, _Int) for name in ("m", "n", "k")), *((name, _Pointer) for name in ("x", "weight", "y")))


def level() -> str:
    """What this machine's products are computed with, by what torch and bitsandbytes find: a key of `_FLAGS`, or ""."""
    if bnb.has_avx512bf16():
        return "bf16"
    return {"AVX512": "avx512", "AVX2": "avx2"}.get(torch.backends.cpu.get_cpu_capability(), "")


@cache
def library() -> Any:
    """The compiled C code; None, and a line in the log, where it cannot be compiled."""
    with tempfile.TemporaryDirectory(prefix="nightshift-") as folder:
        target = Path(folder) / "cpu_pass.so"
        command = [*_COMMAND.split(), *_FLAGS.get(level(), ()), "-o", str(target), str(_SOURCE)]
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=60)  # noqa: S603 - our own source
            return ctypes.CDLL(str(target))
        except (OSError, subprocess.SubprocessError) as error:
            log.info("The engine's C code was not compiled, so replies are slower (%s)", error)
            return None


class CompiledLayers:
    """The layers of a fused step in one call, on `threads` threads.

    `layers` are those of FusedStep; `product` is bitsandbytes' 4-bit product, None where the C code has its own.
    """

    def __init__(
        self,
        layers: Sequence[FusedLayer],
        slots: SlotCache,
        product: ctypes._CFunctionType | None,
        *,
        eps: float,
        threads: int,
    ) -> None:
        library().start_threads(_Int(threads - 1))
        self._function, self._most_tasks = library().pass_layers, _TASKS * threads
        self._tensors: list[torch.Tensor] = []
        linears = [linear for layer in layers for linear in (layer.qkv, layer.out, layer.gate_up, layer.down)]
        self._widest = max(max(len(linear.words), 2 * linear.words.shape[1]) for linear in linears)
        self._low = max(linear.a.shape[1] for linear in linears)
        self._layers = (_Layer * len(layers))(*(self._layer(layer, slots, at) for at, layer in enumerate(layers)))
        _, kv, length, dim = slots.keys[0].shape
        self._pass = _Pass(
            layers=len(layers),
            heads=layers[0].attention.heads,
            kv=kv,
            dim=dim,
            length=length,
            product=ctypes.cast(product, _Pointer) if product else None,
            layer=ctypes.addressof(self._layers),
            eps=eps,
        )
        self._scratch = torch.empty(0)

    def __call__(
        self, hidden: torch.Tensor, positions: torch.Tensor, owners: torch.Tensor, slots: RowSlots
    ) -> torch.Tensor:
        """Bring hidden states [m, hidden] through all layers, in place; their keys and values go to the cache.

        Their tokens stand at `positions` of the cache's rows `owners`, int64 (m at least), and read the adapters in
        `slots`. Tokens of one row see each other as far as their positions say.
        """
        m, call = len(hidden), self._pass
        sizes = dict.fromkeys(("x", "y", "narrow", "sums"), m * self._widest) | {"low": m * self._low}
        if len(self._scratch) < sum(sizes.values()):
            self._scratch = torch.empty(sum(sizes.values()))
        address = self._scratch.data_ptr()
        for name, size in sizes.items():
            setattr(call, name, address)
            address += size * self._scratch.itemsize
        call.m, call.hidden = m, hidden.data_ptr()
        call.positions, call.owners = positions.data_ptr(), owners.data_ptr()
        call.slots, call.ranks = slots.index.data_ptr(), slots.ranks.data_ptr()
        self._function(ctypes.byref(call))
        return hidden

    def _layer(self, layer: FusedLayer, slots: SlotCache, index: int) -> _Layer:
        norms, how = layer.norms, layer.attention
        q_norm, k_norm, _ = how.norms or (None, None, 0.0)
        return _Layer(
            self._linear(layer.qkv, hidden=True, norm=norms.before_attention),
            self._linear(layer.out, residual=True, after=norms.after_attention),
            self._linear(layer.gate_up, hidden=True, norm=norms.before_mlp),
            self._linear(layer.down, gate=_GATES[layer.activation], residual=True, after=norms.after_mlp),
            *map(self._at, (q_norm, k_norm, *how.rotary, slots.keys[index], slots.values[index])),
            *(how.window, how.turned, how.wide_norms, how.scale),
        )

    def _linear(
        self,
        linear: FusedLinear,
        *,
        hidden: bool = False,
        gate: int = 0,
        residual: bool = False,
        norm: torch.Tensor | None = None,
        after: torch.Tensor | None = None,
    ) -> _Linear:
        tiles, k = len(linear.words) // _TILE, 2 * linear.words.shape[1]
        tasks = min(tiles, self._most_tasks)
        edges = [tiles * task // tasks * _TILE for task in range(tasks + 1)]
        scales = torch.cat([linear.scales[edges[task] : edges[task + 1]].T.flatten() for task in range(tasks)])
        ends = [sum(linear.segments[: part + 1]) for part in range(len(linear.segments))]
        tensors = (linear.words, scales, linear.a, linear.b, linear.bias, norm, after)
        sizes = (k, edges[-1], tasks, linear.rank, len(ends))
        reads = ((_Int * 3)(*ends), hidden, gate, residual)
        return _Linear(*sizes, *reads, *map(self._at, tensors), linear.factor)

    def _at(self, tensor: torch.Tensor | None) -> int | None:
        """The tensor's address; this object keeps the tensor alive."""
        if tensor is None:
            return None
        assert tensor.is_contiguous()  # noqa: S101 - as packed, joined and allocated
        self._tensors.append(tensor)
        return tensor.data_ptr()


class CompiledHead:
    """The output layer in bf16: [m, hidden] -> logits [m, vocabulary] in fp32."""

    def __init__(self, weight: torch.Tensor, threads: int) -> None:
        library().start_threads(_Int(threads - 1))
        self._function = library().project
        n, k = weight.shape
        self._weight = weight.bfloat16().view(n // _TILE, _TILE, k // 2, 2).transpose(1, 2).contiguous()
        self._output = _Output(n=n, k=k, weight=self._weight.data_ptr())

    @staticmethod
    def fits(weight: torch.Tensor) -> bool:
        """Whether a weight [vocabulary, hidden] can be computed here."""
        return library() is not None and len(weight) % _TILE == 0 and weight.shape[1] % 2 == 0

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Logits of x [m, hidden]."""
        x, logits, call = x.bfloat16().contiguous(), torch.empty(len(x), self._output.n), self._output
        call.m, call.x, call.y = len(x), x.data_ptr(), logits.data_ptr()
        self._function(ctypes.byref(call))
        return logits
