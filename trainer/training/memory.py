"""How much memory training needs, from a model's shape alone: plain arithmetic, no weights, no torch.

Three ways to train are compared: every weight (full), adapters over 16-bit weights (LoRA), adapters over 4-bit weights
(QLoRA, what Nightshift does). All sizes are bytes; a GB is 1e9 of them. What the CUDA context takes (about 0.5 GB) and
what the allocator wastes comes on top.

Per parameter (Rajbhandari et al. 2019, arXiv:1910.02054, section 3.1; Dettmers et al. 2023, arXiv:2305.14314):

- full, mixed precision with Adam: weights 2, gradients 2, fp32 master copy 4, two fp32 moments 8, together 16;
- 16-bit frozen weights 2; NF4 with double quantisation 0.5 + 1/64 + 4/(64 * 256), about 0.516, for linear layers only;
- an adapter: fp32 weights 4, gradients 4, two 8-bit moments with their constants 2 * (1 + 4/256).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal

from trainer.training.model_shape import EMBEDDED_SHAPE, ModelShape
from trainer.training.packing import PASS_TOKENS

__all__ = [
    "EMBEDDED_SHAPE",
    "METHODS",
    "Fit",
    "Footprint",
    "Method",
    "ModelShape",
    "Workload",
    "article_footprint",
    "choose_fit",
    "parse_size",
    "training_footprint",
]

Method = Literal["full", "lora", "qlora"]
METHODS: tuple[Method, ...] = ("full", "lora", "qlora")

_HALF, _SINGLE = 2, 4
_NF4 = 0.5 + 1 / 64 + 4 / (64 * 256)
_ADAM_8BIT = 2 * (1 + 4 / 256)
_ADAM_MIXED = 12  # fp32 master copy and two fp32 moments
_USEFUL_PASS = 2048  # tokens; with fewer, unpacking the weights for each pass costs more than computing again
_CHUNK_TOKENS, _CHUNK_BYTES = (
    512,
    4 * 512 * 49_152,
)  # of scores that exist at the same time, as in trainer/training/likelihood.py
# Of answers that are drawn at the same time, as in trainer/evaluation/evaluate.py.
_DRAWING_BYTES, _BYTES_A_SCORE, _DRAWN = 400e6, 40, 40


@dataclass(frozen=True)
class Workload:
    """One forward and backward pass: how much text at once, and how it is treated.

    Attributes:
        rows: examples in the pass.
        tokens: length of each, in tokens.
        rank: LoRA rank.
        dropout: whether the adapters have dropout, which keeps a mask of one byte an element.
        checkpointing: keep only each layer's input and compute the rest again on the way back.
        compute: bytes of a number in the products, 2 for bf16 and 4 for fp32.
        packed: whether `trainer.training.packed_decoder` computes it; only QLoRA has that.
    """

    rows: int = 4
    tokens: int = 512
    rank: int = 16
    dropout: bool = False
    checkpointing: bool = True
    compute: int = 2
    packed: bool = False


@dataclass(frozen=True)
class Fit:
    """What a training does to fit into memory.

    Attributes:
        checkpointing: compute activations again instead of keeping them.
        tokens: most tokens in a forward pass, padding included.
    """

    checkpointing: bool
    tokens: int

    def line(self) -> str:
        """For the line that says how a run trains."""
        return f"at most {self.tokens} tokens in a pass, checkpointing {'on' if self.checkpointing else 'off'}"


@dataclass(frozen=True)
class Footprint:
    """Bytes of a training step, by what they are for.

    Attributes:
        activations: kept from the forward pass until the backward pass has used them.
        logits: alive at the end of the forward pass.
        workspace: alive in the backward pass, when the logits are gone: one layer computed again, one unpacked matrix.
        evaluation: alive when answers are drawn after training: the scores of all that are drawn at the same time.
    """

    method: Method
    weights: float
    gradients: float
    optimizer: float
    activations: float = 0.0
    logits: float = 0.0
    workspace: float = 0.0
    evaluation: float = 0.0

    @property
    def total(self) -> float:
        """The peak, in bytes. On the way back gradients come as activations go, so the larger of both counts."""
        backward = max(self.activations + max(self.logits, self.workspace), self.gradients + self.workspace)
        passing = max(backward, self.evaluation)
        return self.weights + self.optimizer + passing


def training_footprint(shape: ModelShape, method: Method, work: Workload) -> Footprint:
    """The bytes that one way of training needs, with bf16 compute."""
    passing = _passing(shape, method, work)
    if method == "full":
        return Footprint(
            method,
            weights=_HALF * shape.parameters,
            gradients=_HALF * shape.parameters,
            optimizer=_ADAM_MIXED * shape.parameters,
            **passing,
        )
    trained = shape.adapter_parameters(work.rank)
    frozen = _NF4 if method == "qlora" else _HALF
    return Footprint(
        method,
        weights=frozen * shape.linear_parameters + _HALF * shape.other_parameters + _adapter_weights(shape, work),
        gradients=_SINGLE * trained,
        optimizer=_ADAM_8BIT * trained,
        evaluation=min(_DRAWING_BYTES, _DRAWN * _BYTES_A_SCORE * shape.vocabulary),
        **passing,
    )


def _adapter_weights(shape: ModelShape, work: Workload) -> float:
    """Bytes of the adapter itself, with the copy in the compute type that packed passes read."""
    return (_SINGLE + (work.compute if work.packed else 0)) * shape.adapter_parameters(work.rank)


def choose_fit(
    shape: ModelShape, work: Workload, free: float, *, longest: int, wish: Literal["auto", "on", "off"] = "auto"
) -> Fit:
    """How much text goes into a QLoRA pass, and whether activations must be computed again.

    Args:
        shape: of the base, whose weights are in memory already.
        work: what a whole optimizer step would be in one pass; its `checkpointing` does not matter.
        free: bytes that a pass and the adapter with its gradients and optimizer may take.
        longest: tokens of the longest example, which must fit whatever the estimate says.
        wish: the setting; "auto" computes again only where keeping leaves no room for a pass of a useful size.
    """
    step = min(work.rows * work.tokens, PASS_TOKENS) if work.packed else work.rows * work.tokens

    def fitting(*, checkpointing: bool) -> int:
        """Tokens that fit; all that the parts of the footprint add up to is linear in them."""

        def need(tokens: int) -> float:
            one = replace(work, rows=1, tokens=tokens, checkpointing=checkpointing)
            takes = training_footprint(shape, "qlora", one)
            return (
                _adapter_weights(shape, one)
                + takes.gradients
                + takes.optimizer
                + takes.activations
                + max(takes.logits, takes.workspace)
            )

        fixed = need(0)
        return int((free - fixed) / ((need(4096) - fixed) / 4096))

    kept = fitting(checkpointing=False)
    enough = kept >= max(longest, min(step, _USEFUL_PASS))
    if wish == "off" or (wish == "auto" and enough):
        return Fit(checkpointing=False, tokens=max(longest, min(step, kept)))
    return Fit(checkpointing=True, tokens=max(longest, min(step, fitting(checkpointing=True))))


def article_footprint(parameters: float, method: Method) -> Footprint:
    """The count by parameters alone that gives 160, 41.6 and 11.6 GB for 10 billion, as the QLoRA article has it.

    Its assumptions: full training takes 16 bytes a parameter. With adapters, 1 in 100 parameters is trained at those 16
    bytes, and the frozen ones take 4 bytes (16-bit weights and as much again to send gradients through them); 4-bit
    weights make a quarter of that. Activations are left out. It is cautious: `training_footprint` is the closer count.
    """
    if method == "full":
        return Footprint(method, _HALF * parameters, _HALF * parameters, _ADAM_MIXED * parameters)
    trained = parameters / 100
    frozen = (_HALF if method == "lora" else _HALF / 4) * parameters
    return Footprint(
        method,
        weights=frozen + _HALF * trained,
        gradients=frozen + _HALF * trained,
        optimizer=_ADAM_MIXED * trained,
    )


def parse_size(text: str) -> float | None:
    """The number of parameters that `10B`, `1.5b` or `135M` stands for; None for anything else."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([MB])", text.strip(), flags=re.IGNORECASE)
    if match is None or float(match[1]) == 0:
        return None
    return float(match[1]) * {"M": 1e6, "B": 1e9}[match[2].upper()]


def _passing(shape: ModelShape, method: Method, work: Workload) -> dict[str, float]:
    """What comes and goes within a step: activations, logits and workspace."""
    tokens = work.rows * work.tokens
    if work.packed:
        return _packed_passing(shape, work, tokens)
    layer = tokens * _layer_bytes_per_token(shape, method, work)
    unpacked = _HALF * max(inputs * outputs for inputs, outputs in shape.linears) if method == "qlora" else 0
    kept = tokens * shape.layers * shape.hidden * work.compute if work.checkpointing else shape.layers * layer
    # The last norm's input (full training squares an fp32 copy of it) and its result, twice.
    last = tokens * shape.hidden * ((_SINGLE if method == "full" else work.compute) + 2 * work.compute)
    return {
        "activations": kept + last,
        "logits": _logits(shape, method, work, tokens),
        "workspace": unpacked + _backward(shape, work, tokens) + (layer if work.checkpointing else 0),
    }


def _packed_passing(shape: ModelShape, work: Workload, tokens: int) -> dict[str, float]:
    """The same for a packed pass: joint matrices are unpacked, norms and the gated product computed again."""
    queries, keys = shape.heads * shape.head_size, shape.kv_heads * shape.head_size
    # A layer's input, queries, keys, values, what attention gives, the stream behind it, gate and up, and A x.
    widths = 2 * shape.hidden + 2 * queries + 2 * keys + 2 * shape.intermediate + 7 * work.rank
    layer = tokens * work.compute * widths
    joint = shape.hidden * max(queries + 2 * keys, 2 * shape.intermediate)
    on_the_way = (2 if work.dropout else 1) * shape.intermediate + 3 * shape.hidden
    kept = tokens * shape.layers * shape.hidden * work.compute if work.checkpointing else shape.layers * layer
    chunk = max(1, min(_CHUNK_TOKENS, _CHUNK_BYTES // (_SINGLE * shape.vocabulary), tokens))
    return {
        "activations": kept + 3 * tokens * shape.hidden * work.compute,  # the last stream, normed, and its gradient
        "logits": chunk * shape.vocabulary * work.compute,
        "workspace": work.compute * (joint + tokens * on_the_way) + (layer if work.checkpointing else 0),
    }


def _logits(shape: ModelShape, method: Method, work: Workload, tokens: int) -> float:
    """Scores as computed, their fp32 copy for the loss, and the gradient of that copy (here a chunk at a time)."""
    chunk = max(1, min(_CHUNK_TOKENS, _CHUNK_BYTES // (_SINGLE * shape.vocabulary)))
    at_once = tokens if method == "full" else min(tokens, chunk)
    return at_once * shape.vocabulary * (work.compute + _SINGLE + _SINGLE)


def _backward(shape: ModelShape, work: Workload, tokens: int) -> float:
    """Gradients on their way through the widest place: the feed-forward's, beside that of the residual."""
    return tokens * work.compute * (3 * shape.intermediate + 2 * shape.hidden)


def _layer_bytes_per_token(shape: ModelShape, method: Method, work: Workload) -> float:
    """What one decoder layer keeps for a token when attention is fused (no score matrix).

    Counted with the hooks that autograd offers for saved tensors; a test does it again. Full training is counted as
    transformers does it, the others as `trainer.training.fused_autograd` does.
    """
    queries, keys = shape.heads * shape.head_size, shape.kv_heads * shape.head_size
    attention = work.compute * (queries + 2 * keys + queries)  # rotated queries and keys, values, the output
    # Behind each norm; q, k, v share one input, gate and up another.
    inputs = work.compute * 2 * shape.hidden
    if method == "full":
        norms = 2 * shape.hidden * _SINGLE  # the fp32 copy that is squared
        feed_forward = work.compute * 4 * shape.intermediate  # gate, its activation, up, their product
        return norms + attention + feed_forward + inputs
    norms = 2 * shape.hidden * work.compute
    feed_forward = work.compute * 2 * shape.intermediate  # gate and up
    low_rank = work.compute * 7 * work.rank
    # Each adapter drops other numbers, so each keeps a mask of one byte.
    masks = sum(inputs for inputs, _ in shape.linears) if work.dropout else 0
    return norms + attention + feed_forward + inputs + low_rank + masks
