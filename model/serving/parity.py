"""Whether slots hold what a model remembers: the same tokens computed in slots, in the model's own cache, and at once.

A family whose past the slots do not hold loads, trains and is judged as it should be, and then answers with garbage.
So nothing is taken on trust at a start: a prompt and a few steps are compared with the model's own forward pass.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch

from model.cache.kv_cache import SlotCache, use_slot_attention
from model.cache.model_cache import ModelCaches

__all__ = ["KNOWN", "CacheChoice", "choose_cache", "logits_in_slots", "tolerance_of", "windows_of"]

log = logging.getLogger(__name__)

_PROMPT, _STEPS = 12, 3
_LONGEST = 96  # tokens compared; a longer window is compared by its size alone (windows_of)
_PLAIN_LAYERS = {"full_attention", "sliding_attention", "attention"}
KNOWN = frozenset({"llama", "mistral", "qwen2", "qwen3"})
"""Families that tests hold to transformers token for token."""
_TOLERANCE = {torch.float32: 0.1}
_TOLERANCE_HALF = 0.25
_SAME = 0.1  # of what the past is worth; a past that is not held makes it about 1

Compute = Callable[[list[int], int], torch.Tensor]
"""(tokens, steps) -> logits [1 + steps, vocabulary]: the last `steps` tokens are forced, the others the prompt."""


@dataclass(frozen=True)
class CacheChoice:
    """Which cache a model is served with.

    Attributes:
        cache: in slots, all rows at once; in the model's own caches, row by row; or not at all.
        why: what speaks against slots, or against both, as a part of a sentence.
    """

    cache: Literal["slots", "own", "none"]
    why: str = ""


def tolerance_of(dtype: torch.dtype) -> float:
    """Relative distance of logits that rounding makes between passes of different lengths."""
    return _TOLERANCE.get(dtype, _TOLERANCE_HALF)


def choose_cache(model: Any, slots: Compute, context: int, tolerance: float) -> CacheChoice:
    """Compare and choose: the first way that computes what the model's own forward pass does.

    Args:
        model: with its own attention, without an adapter.
        slots: computes in slots; may raise whatever a model raises that cannot be.
        context: longest conversation, in tokens.
        tolerance: see `tolerance_of`.
    """
    config = model.config.get_text_config()
    tokens = _tokens(model, windows_of(config, context), context)
    whole = _tried(lambda: _at_once(model, tokens))
    if whole is None:
        return CacheChoice("none", "its own forward pass fails, or gives no numbers, with its weights in 4 bits")
    own = _tried(lambda: _in_own_cache(model, tokens))
    if own is not None and _distance(own, whole, whole) > tolerance:
        log.debug("The model's own cache differs from its forward pass by %.4f", _distance(own, whole, whole))
        own = None
    # Shapes of the slots' passes are those of the own cache's, and so is the rounding.
    truth = whole if own is None else own
    why = _not_for_slots(model, config, context)
    if not why:
        held = _tried(lambda: slots(tokens, _STEPS))
        # A model that hardly looks back hides what is lost, so the measure is what the past is worth; but where it is
        # worth less than half precision rounds, a family that tests hold to transformers is measured by its logits.
        worth = truth if config.model_type in KNOWN else truth - _at_once(model, _other_past(tokens))
        apart = float("inf") if held is None else _distance(held, truth, worth)
        log.debug("The slots differ by %.4f", apart)
        if apart <= max(_SAME, tolerance):
            return CacheChoice("slots")
        why = "its attention does not go through them" if held is None else "its logits differ"
    return (
        CacheChoice("none", "it computes otherwise with a cache of what was said than without")
        if own is None
        else CacheChoice("own", why)
    )


def logits_in_slots(
    model: Any,
    cache: SlotCache,
    forward: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    tokens: list[int],
    steps: int,
) -> torch.Tensor:
    """Logits [1 + steps, vocabulary] of a prompt and forced steps in slots. Leaves the model as it was.

    `forward` gives logits [batch, vocabulary] of ids and positions, [batch, count] each, through `cache`.
    """
    attention = model.config._attn_implementation  # noqa: SLF001 - no public name
    use_slot_attention(model)
    try:
        seen, count = [], len(tokens) - steps
        for start, end in ((0, count // 2), (count // 2, count)):
            cache.begin_prefill(0, start, end - start)
            ids = torch.tensor([tokens[start:end]], device=cache.device)
            logits = forward(ids, torch.arange(start, end, device=cache.device)[None])
        seen.append(logits)
        for place in range(count, len(tokens)):
            cache.positions[0] = place
            cache.begin_decode(1, place)
            seen.append(forward(torch.tensor([[tokens[place]]], device=cache.device), cache.positions[:1, None]))
        if not windows_of(model.config.get_text_config(), cache.length) <= cache.windows:
            raise ValueError("the attention does not say which windows it has")
        return torch.cat(seen)
    finally:
        cache.positions.zero_()
        model.set_attn_implementation(attention)


def windows_of(config: Any, context: int) -> set[int]:
    """The attention windows that matter within a context, by the configuration."""
    kinds = getattr(config, "layer_types", None)
    window = getattr(config, "sliding_window", None)
    if not isinstance(window, int) or getattr(config, "use_sliding_window", None) is False:
        return set()
    slides = "sliding_attention" in kinds if kinds else True
    return {window} if slides and window < context else set()


def _not_for_slots(model: Any, config: Any, context: int) -> str:
    """What the configuration or the layers say against slots; "" if nothing does."""
    if strange := sorted({str(kind) for kind in getattr(config, "layer_types", None) or ()} - _PLAIN_LAYERS):
        return f"it has layers of the kind {strange[0]}"
    if any(isinstance(module, torch.nn.Conv1d) for module in model.modules()):
        return "it has convolutions, which remember too"
    if getattr(config, "alibi", False) or getattr(getattr(config, "attn_config", None), "alibi", False):
        return "its attention has linear biases"
    chunk = getattr(config, "attention_chunk_size", None)
    return "its attention is in chunks" if isinstance(chunk, int) and chunk < context else ""


def _tokens(model: Any, windows: set[int], context: int) -> list[int]:
    """Ordinary token ids, more of them than a short window holds."""
    wanted = max([_PROMPT, *(window + 4 for window in windows if window + 8 <= _LONGEST)]) + _STEPS
    count = max(_STEPS + 2, min(wanted, context - 1))
    vocabulary = int(model.get_input_embeddings().weight.shape[0])
    draw = torch.Generator().manual_seed(0)
    return torch.randint(min(3, vocabulary - 1), vocabulary, (count,), generator=draw).tolist()


def _other_past(tokens: list[int]) -> list[int]:
    """The same last tokens after others."""
    kept = _STEPS + 2 if len(tokens) > _STEPS + 2 else _STEPS + 1
    return [*tokens[: len(tokens) - kept][::-1], *tokens[-kept:]] if len(tokens) > kept + 1 else tokens


def _at_once(model: Any, tokens: list[int]) -> torch.Tensor:
    ids = torch.tensor([tokens], device=model.device)
    logits: torch.Tensor = model(input_ids=ids, use_cache=False).logits[0, -1 - _STEPS :]
    return logits.float()


def _in_own_cache(model: Any, tokens: list[int]) -> torch.Tensor:
    caches, ids = ModelCaches(model, 1), torch.tensor(tokens, device=model.device)
    logits = [caches.forward(0, ids[:-_STEPS])]
    logits += [caches.forward(0, ids[place : place + 1]) for place in range(len(tokens) - _STEPS, len(tokens))]
    return torch.cat(logits).float()


def _tried(compute: Callable[[], torch.Tensor]) -> torch.Tensor | None:
    """What is computed, if it can be and is finite. A model may raise anything; that it does is the answer."""
    try:
        logits = compute()
    except Exception as error:
        log.debug("It cannot be computed so: %s", error, exc_info=True)
        return None
    return logits.float() if bool(torch.isfinite(logits).all()) else None


def _distance(found: torch.Tensor, expected: torch.Tensor, scale: torch.Tensor) -> float:
    """The largest distance of two rows of logits, as a part of the scale's norm."""
    norm = scale.float().norm(dim=-1).clamp_min(1e-4 * expected.norm(dim=-1)).clamp_min(1e-9)
    return float(((found - expected).norm(dim=-1) / norm).max())
