"""What one server understands, the arguments of a request in it, and what its chunks say. Pure: asks nobody.

Prompts are token ids where the server takes them, so that they are the very ones an adapter was trained on. Any other
server gets the conversation, without anything in it that could be read as structure, and applies its own template.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from model.chat import Message
from model.protocol import Sampling

__all__ = ["DIALECTS", "Chunk", "Dialect", "Prompt", "arguments", "read_chunk"]


@dataclass(frozen=True)
class Dialect:
    """How a server is asked.

    Attributes:
        tokens: prompts may be token ids (`/v1/completions`); else the conversation is sent (`/v1/chat/completions`).
        extras: it knows the fields that vLLM and SGLang have besides OpenAI's.
    """

    tokens: bool
    extras: bool


DIALECTS = (Dialect(True, True), Dialect(False, True), Dialect(False, False))
"""In the order in which they are tried."""


@dataclass(frozen=True)
class Prompt:
    """One conversation, both ways.

    Attributes:
        ids: the rendered prompt.
        turns: the turns, with nothing in them that is structure.
        end: the token that ends an answer.
        switches: variables of the chat template that turn thinking off.
    """

    ids: tuple[int, ...]
    turns: tuple[Message, ...]
    end: int
    switches: dict[str, object]

    @property
    def begun(self) -> bool:
        """Whether the model continues the last turn."""
        return bool(self.turns) and self.turns[-1].role == "assistant"


@dataclass(frozen=True)
class Chunk:
    """What a server sent at once.

    Attributes:
        text: the next piece.
        probabilities: of the tokens in it; empty where the server does not say.
        finish: why the reply ended, if it did.
        prompt_tokens, completion_tokens, cached_tokens: the figures at the end, None before.
    """

    text: str = ""
    probabilities: tuple[float, ...] = ()
    finish: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cached_tokens: int | None = None


def arguments(dialect: Dialect, model: str, prompt: Prompt, sampling: Sampling) -> dict[str, Any]:
    """The arguments of `completions.create` or `chat.completions.create`. Stop strings are looked for by the caller."""
    common: dict[str, Any] = {
        "model": model,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "max_tokens": sampling.max_new_tokens,
    }
    if sampling.seed is not None:
        common["seed"] = sampling.seed
    if dialect.tokens:
        return common | {"prompt": list(prompt.ids), "logprobs": 1, "extra_body": _extras(prompt, sampling)}
    turns = [{"role": turn.role, "content": turn.content} for turn in prompt.turns]
    if not dialect.extras:
        return common | {"messages": turns}
    extras = _extras(prompt, sampling)
    if prompt.switches:
        extras["chat_template_kwargs"] = prompt.switches
    if prompt.begun:
        extras |= {"continue_final_message": True, "add_generation_prompt": False}
    return common | {"messages": turns, "logprobs": True, "extra_body": extras}


def _extras(prompt: Prompt, sampling: Sampling) -> dict[str, Any]:
    extras: dict[str, Any] = {"stop_token_ids": [prompt.end]}
    if sampling.repetition_penalty != 1.0:
        extras["repetition_penalty"] = sampling.repetition_penalty
    return extras


def read_chunk(chunk: Any) -> Chunk:
    """A chunk of a stream, or a whole answer, of either kind of completion."""
    usage, choice = getattr(chunk, "usage", None), next(iter(chunk.choices or ()), None)
    details = getattr(usage, "prompt_tokens_details", None)
    return Chunk(
        text=_text(choice) if choice is not None else "",
        probabilities=tuple(_probabilities(getattr(choice, "logprobs", None))),
        finish=getattr(choice, "finish_reason", None),
        prompt_tokens=getattr(usage, "prompt_tokens", None),
        completion_tokens=getattr(usage, "completion_tokens", None),
        cached_tokens=getattr(details, "cached_tokens", None),
    )


def _text(choice: Any) -> str:
    said = getattr(choice, "delta", None) or getattr(choice, "message", None)
    return str((said.content if said is not None else choice.text) or "")


def _probabilities(logprobs: Any) -> Iterator[float]:
    """Of either form: `token_logprobs` of completions, `content` of chat completions."""
    entries = [one.logprob for one in getattr(logprobs, "content", None) or ()]
    for value in entries or getattr(logprobs, "token_logprobs", None) or ():
        if isinstance(value, int | float) and not math.isnan(value):
            yield math.exp(min(value, 0.0))
