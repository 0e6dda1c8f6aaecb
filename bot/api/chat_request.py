"""A request for a chat completion, as OpenAI's clients send it, checked. Pure: knows no server and no engine.

What would change the answer and cannot be done is refused. Fields that change nothing here (`user`, `metadata`) are
passed over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from bot.api.errors import InvalidRequest
from model.chat import Message
from model.config import GenerationConfig
from model.protocol import Sampling

__all__ = ["ChatRequest", "read_request"]

_COLDEST = 0.01  # below this, rounding alone would draw: taken for 0


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """What is asked. `model` is the name as it was sent; `usage` asks for the figures at the end of a stream."""

    model: str
    messages: tuple[Message, ...]
    sampling: Sampling
    stream: bool
    usage: bool


class _Sent(BaseModel):
    model_config = ConfigDict(extra="ignore", protected_namespaces=())


class _Part(_Sent):
    type: str
    text: str = ""


def _as_parts(content: object) -> object:
    """A text alone is one part."""
    return [{"type": "text", "text": content}] if isinstance(content, str) else content or []


def _as_list(stop: object) -> object:
    return [stop] if isinstance(stop, str) else stop or []


class _Turn(_Sent):
    role: Literal["system", "developer", "user", "assistant"]
    content: Annotated[list[_Part], BeforeValidator(_as_parts)] = []


class _StreamOptions(_Sent):
    include_usage: bool | None = None


class _Body(_Sent):
    model: str
    messages: Annotated[list[_Turn], Field(min_length=1, max_length=10_000)]
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    repetition_penalty: Annotated[float, Field(ge=0.1, le=10)] | None = None
    stop: Annotated[list[str], BeforeValidator(_as_list), Field(max_length=16)] = []
    seed: int | None = None
    stream: bool | None = None
    stream_options: _StreamOptions | None = None


_NEUTRAL: dict[str, tuple[Any, ...]] = {
    "n": (1,),
    "frequency_penalty": (0,),
    "presence_penalty": (0,),
    "logit_bias": ({},),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "top_k": (0, -1),
    "min_p": (0,),
    "min_tokens": (0,),
    "length_penalty": (1,),
    "best_of": (1,),
    "use_beam_search": (False,),
    "ignore_eos": (False,),
    "stop_token_ids": ([],),
    "bad_words": ([],),
    "tools": ([],),
    "tool_choice": ("none", "auto"),
    "functions": ([],),
    "function_call": ("none", "auto"),
    "audio": (),
    "response_format": ({"type": "text"},),
    "modalities": (["text"],),
}
"""Fields that can only have these values here: any other asks for what is not done."""


def read_request(sent: object, drawn: GenerationConfig, persona: str) -> ChatRequest:
    """The request in a body that was read as JSON.

    Args:
        sent: the body.
        drawn: how a reply is drawn where the request does not say.
        persona: what the model is told where the request has no system message, as on Discord.

    Raises:
        InvalidRequest: it cannot be used; the message names the field.
    """
    if not isinstance(sent, dict):
        raise InvalidRequest("The body is not a JSON object.")
    for name, neutral in _NEUTRAL.items():
        if sent.get(name) is not None and sent[name] not in neutral:
            raise InvalidRequest(f"`{name}` cannot be used here: leave it out.", name, code="unsupported_parameter")
    try:
        body = _Body.model_validate(sent)
    except ValidationError as error:
        raise _invalid(error) from None
    return ChatRequest(
        model=body.model,
        messages=_messages(body.messages, persona),
        sampling=_sampling(body, drawn),
        stream=bool(body.stream),
        usage=bool(body.stream_options and body.stream_options.include_usage),
    )


def _invalid(error: ValidationError) -> InvalidRequest:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return InvalidRequest(f"`{where}` cannot be used: {first['msg']}.", where or None)


def _messages(turns: Sequence[_Turn], persona: str) -> tuple[Message, ...]:
    said = [Message("system" if turn.role == "developer" else turn.role, _text(turn)) for turn in turns]
    if not any(message.role == "user" and message.content.strip() for message in said):
        raise InvalidRequest("No message of the user has any text.", "messages")
    if persona and not any(message.role == "system" for message in said):
        said.insert(0, Message("system", persona))
    return tuple(said)


def _text(turn: _Turn) -> str:
    if other := next((part.type for part in turn.content if part.type not in {"text", "input_text"}), None):
        raise InvalidRequest(f"A part of the kind {other[:40]!r} cannot be used: send text.", "messages")
    # JSON can hold halves of characters, which no tokenizer takes.
    return "".join(part.text for part in turn.content).encode("utf-8", "replace").decode("utf-8")


def _sampling(body: _Body, drawn: GenerationConfig) -> Sampling:
    temperature = drawn.temperature if body.temperature is None else body.temperature
    return Sampling(
        max_new_tokens=body.max_completion_tokens or body.max_tokens or drawn.max_new_tokens,
        temperature=0.0 if temperature < _COLDEST else temperature,
        top_p=max(drawn.top_p if body.top_p is None else body.top_p, 0.001),
        repetition_penalty=drawn.repetition_penalty if body.repetition_penalty is None else body.repetition_penalty,
        seed=None if body.seed is None else body.seed % (1 << 31),
        stop=tuple(text for text in body.stop if text),
    )
