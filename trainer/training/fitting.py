"""Whether enough pairs are short enough to learn from and to judge by, and what to do where they are not.

Knows tokens and settings. What does not fit is known once the pairs are rendered; why, is looked up only then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from model.chat import Message, encode_pair, encode_prompt, strip_thoughts
from storage.pair_records import Pair
from trainer.errors import TooFewFit
from trainer.training.tokens import messages_of, windowed

__all__ = ["Limits", "require_enough"]


@dataclass(frozen=True)
class Limits:
    """What pairs have to fit into.

    Attributes:
        max_tokens: of one pair.
        persona: the system prompt that leads each of them.
        context: tokens that the base can read at all, where that is known.
    """

    max_tokens: int
    persona: str
    context: int | None = None


def require_enough(tokenizer: Any, what: str, pairs: Sequence[Pair], *, fit: int, needed: int, limits: Limits) -> None:
    """Raise TooFewFit where fewer than `needed` of the pairs fit; `what` names them in the plural."""
    if fit >= needed:
        return
    raise TooFewFit(
        what,
        fit,
        len(pairs),
        max_tokens=limits.max_tokens,
        needed=needed,
        remedy=_remedy(tokenizer, pairs, needed, limits),
    )


def _remedy(tokenizer: Any, pairs: Sequence[Pair], needed: int, limits: Limits) -> str:
    """What to set or to shorten."""
    lengths = sorted(
        _shortest(tokenizer, pair, limits.persona) for pair in pairs if strip_thoughts(pair.completion, tokenizer)
    )
    if len(lengths) < needed:
        return "the answers of the others are nothing but thoughts, so approve pairs that answer"
    enough = lengths[needed - 1]
    system = _persona_tokens(tokenizer, limits.persona)
    led = f"the persona alone takes {system} tokens, so shorten it" if 2 * system > limits.max_tokens else ""
    if limits.context is not None and enough > limits.context:
        return f"{led or 'approve shorter pairs'}; the base reads at most {limits.context} tokens"
    raised = f"set training.max_tokens to at least {enough}"
    return f"{led}, or {raised}" if led else f"{raised}, or approve shorter pairs"


def _shortest(tokenizer: Any, pair: Pair, persona: str) -> int:
    """Tokens of a pair with all the turns left out that may be."""
    messages: list[Message] = messages_of(pair, persona)
    while (shorter := windowed(messages)) is not None:
        messages = shorter
    return len(encode_pair(tokenizer, messages, pair.completion)[0])


def _persona_tokens(tokenizer: Any, persona: str) -> int:
    if not persona:
        return 0
    question = Message("user", "?")
    return len(encode_prompt(tokenizer, [Message("system", persona), question])) - len(
        encode_prompt(tokenizer, [question])
    )
