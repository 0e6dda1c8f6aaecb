"""Chat rendering: the one way from messages to token ids, used by training and serving alike.

Text goes through the tokenizer's own chat template. What a person typed must never become a control token, so control
strings are broken apart first. This file knows nothing of weights, Discord or storage.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import jinja2

__all__ = ["Message", "encode_pair", "encode_prompt", "end_of_turn_id", "neutralise", "template_hash"]

Role = Literal["system", "user", "assistant"]

# Control strings of well-known chat templates that some tokenizers do not register as special tokens.
_KNOWN_CONTROLS = (
    "[INST]",
    "[/INST]",
    "<<SYS>>",
    "<</SYS>>",
    "<start_of_turn>",
    "<end_of_turn>",
    "<s>",
    "</s>",
)


@dataclass(frozen=True)
class Message:
    """One turn of a conversation, as the model is shown it."""

    role: Role
    content: str


def template_hash(tokenizer: Any) -> str:
    """Identity of the chat template, 16 hex digits: an adapter serves only under the template it was trained with."""
    return hashlib.sha256(str(tokenizer.chat_template or "").encode()).hexdigest()[:16]


def neutralise(text: str, tokenizer: Any) -> str:
    """Return `text` in which no control string is left: `<|im_end|>` becomes `< |im_end|>`.

    Idempotent, so a text that was neutralised when it was stored renders to the same ids again.
    """
    return _control_pattern(_controls(tokenizer)).sub(lambda match: f"{match[0][0]} {match[0][1:]}", text)


def _controls(tokenizer: Any) -> tuple[str, ...]:
    added = {str(token.content) for token in tokenizer.added_tokens_decoder.values() if token.special}
    controls = {*added, *map(str, tokenizer.all_special_tokens), *_KNOWN_CONTROLS}
    return tuple(sorted((control for control in controls if len(control) > 1), key=len, reverse=True))


@lru_cache(maxsize=8)
def _control_pattern(controls: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(re.escape(control) for control in controls))


def encode_prompt(tokenizer: Any, messages: Sequence[Message]) -> list[int]:
    """Token ids of a conversation up to and including the generation prompt.

    One that ends with an assistant turn is to be gone on with: its words follow the generation prompt, as the
    completion does in `encode_pair`, so what is generated next belongs to the same answer.
    """
    begun = messages[-1].content if messages and messages[-1].role == "assistant" else ""
    prompt = _render(tokenizer, messages[:-1] if begun else messages, generation_prompt=True)
    return [*prompt, *_completion(tokenizer, begun)] if begun else prompt


def encode_pair(tokenizer: Any, messages: Sequence[Message], completion: str) -> tuple[list[int], int]:
    """Token ids of a training pair, and how many of them are prompt.

    The ids after the prompt are what the engine generates for this answer: the completion's own tokens, then the
    end-of-turn token.
    """
    prompt = encode_prompt(tokenizer, messages)
    return [*prompt, *_completion(tokenizer, completion), end_of_turn_id(tokenizer)], len(prompt)


def _completion(tokenizer: Any, text: str) -> list[int]:
    return [int(id_) for id_ in tokenizer.encode(neutralise(text, tokenizer), add_special_tokens=False)]


def end_of_turn_id(tokenizer: Any) -> int:
    """The token that closes an assistant turn in this tokenizer's template; its end-of-sequence token if none does."""
    conversation = [Message("user", "a"), Message("assistant", "b")]
    opened = _render(tokenizer, conversation[:1], generation_prompt=True)
    closed = _render(tokenizer, conversation, generation_prompt=False)
    special = {id_ for id_, token in tokenizer.added_tokens_decoder.items() if token.special}
    special |= set(tokenizer.all_special_ids)
    ends = [id_ for id_ in closed[len(opened) :] if id_ in special]
    return int(ends[0] if ends else tokenizer.eos_token_id)


def _render(tokenizer: Any, messages: Sequence[Message], *, generation_prompt: bool) -> list[int]:
    turns = _merged([Message(m.role, neutralise(m.content, tokenizer)) for m in messages])
    try:
        return _apply(tokenizer, turns, generation_prompt=generation_prompt)
    except jinja2.TemplateError:
        # Some templates (Gemma's, Mistral's) refuse a system turn or want a user turn first.
        return _apply(tokenizer, _user_first(turns), generation_prompt=generation_prompt)


def _apply(tokenizer: Any, turns: Sequence[Message], *, generation_prompt: bool) -> list[int]:
    encoded = tokenizer.apply_chat_template(
        [{"role": turn.role, "content": turn.content} for turn in turns],
        add_generation_prompt=generation_prompt,
        tokenize=True,
        return_dict=True,
    )
    return [int(id_) for id_ in encoded["input_ids"]]


def _merged(messages: Sequence[Message]) -> list[Message]:
    """Join neighbours of one role: most templates demand that roles alternate."""
    merged: list[Message] = []
    for message in messages:
        if merged and merged[-1].role == message.role:
            merged[-1] = Message(message.role, f"{merged[-1].content}\n{message.content}")
        else:
            merged.append(message)
    return merged


def _user_first(turns: Sequence[Message]) -> list[Message]:
    """Fold a system turn into the first user turn and drop what stands before it."""
    system = "\n".join(turn.content for turn in turns if turn.role == "system")
    rest = [turn for turn in turns if turn.role != "system"]
    while rest and rest[0].role != "user":
        rest.pop(0)
    if system and rest:
        rest[0] = Message("user", f"{system}\n\n{rest[0].content}")
    return _merged(rest)
