"""What the bot needs of an engine: the local one, a remote one and the tests' fake all fit here. No torch."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Final, Literal, Protocol, runtime_checkable

from model.chat import Message

__all__ = [
    "IN_USE",
    "AdapterEngine",
    "AdapterRef",
    "ChatEngine",
    "ChatGeneration",
    "Completion",
    "EngineStats",
    "InUse",
    "Sampling",
    "SwapReport",
]

FinishReason = Literal["stop", "length", "cancelled"]


@dataclass(frozen=True)
class Sampling:
    """How one reply is drawn.

    Attributes:
        max_new_tokens: the answer's limit, in tokens.
        temperature: 0 is greedy.
        top_p: nucleus mass in (0, 1]; sought among the 256 likeliest tokens.
        repetition_penalty: divides (or multiplies) the logits of tokens already seen, as in CTRL (arXiv:1909.05858).
        seed: makes the draw repeatable, whatever else is being answered; None draws a fresh one.
        stop: strings that end the answer; they are not part of it.
    """

    max_new_tokens: int = 256
    temperature: float = 0.7
    top_p: float = 0.9
    repetition_penalty: float = 1.0
    seed: int | None = None
    stop: tuple[str, ...] = ()


DEFAULT_SAMPLING = Sampling()


@dataclass(frozen=True)
class AdapterRef:
    """A published adapter: its id and its directory."""

    id: str
    path: Path


class InUse(Enum):
    """In place of an adapter's id: the one that is in use when the reply begins."""

    IN_USE = "the adapter in use"


IN_USE: Final = InUse.IN_USE


@dataclass(frozen=True)
class SwapReport:
    """What a swap did.

    Attributes:
        adapter: the one in use from now on.
        load_s: reading, validating and bringing it to the device, beside the replies.
        waited_s: from then to the end of a step; for a free slot, too, if there was none.
        pause_s: how long no step could begin; a GPU may still copy the adapter then, before the next step computes.
    """

    adapter: str | None
    load_s: float
    waited_s: float
    pause_s: float


@dataclass(frozen=True)
class Completion:
    """A finished reply. Times in seconds, counted from `submit`."""

    text: str
    finish_reason: FinishReason
    adapter: str | None
    prompt_tokens: int
    completion_tokens: int
    first_token_s: float
    seconds: float
    confidence: float | None = None
    """Mean probability, at temperature 1, of the tokens the text is made of; None where the engine does not say."""
    cached_tokens: int = 0
    """Prompt tokens that were not computed again, because an earlier prompt began with them."""


@dataclass(frozen=True)
class EngineStats:
    """A snapshot of the engine for `/status`."""

    base_model: str
    adapter: str | None
    device: str
    slots: int
    active: int
    queued: int
    tokens_per_second: float
    memory_bytes: int
    asleep: bool = False
    failure: str = ""
    """Why it answers nothing any more, as a sentence; empty while it works."""
    last_swap: SwapReport | None = None
    adapters: dict[str, int] = field(default_factory=dict)
    """Ids of the adapters in memory, with how many replies each is making."""
    details: dict[str, str] = field(default_factory=dict)


class ChatGeneration(Protocol):
    """One reply in the making; iterate it for pieces of text."""

    def __aiter__(self) -> AsyncIterator[str]: ...

    async def wait(self) -> Completion:
        """The finished reply; raises ModelError when it failed."""
        ...

    def cancel(self) -> None:
        """Stop as soon as possible; what was said so far stands, with finish reason `cancelled`."""
        ...

    @property
    def queue_position(self) -> int:
        """0 once it is being answered, else its position in the queue, from 1."""
        ...


class ChatEngine(Protocol):
    """Answers conversations, with one adapter at a time."""

    @property
    def adapter(self) -> str | None: ...

    @property
    def base_id(self) -> str: ...

    @property
    def context_tokens(self) -> int: ...

    def submit(self, messages: Sequence[Message], sampling: Sampling = ..., *, channel: str = "") -> ChatGeneration: ...

    def count_tokens(self, messages: Sequence[Message]) -> int: ...

    def stats(self) -> EngineStats: ...

    async def swap(self, adapter: AdapterRef | None) -> SwapReport: ...

    async def sleep(self) -> None: ...

    async def wake(self) -> None: ...

    async def close(self) -> None: ...


@runtime_checkable
class AdapterEngine(ChatEngine, Protocol):
    """An engine that holds several adapters, and answers each request with the one that it names."""

    def submit(
        self,
        messages: Sequence[Message],
        sampling: Sampling = ...,
        *,
        channel: str = "",
        adapter: str | InUse | None = ...,
    ) -> ChatGeneration: ...

    async def load(self, adapter: AdapterRef) -> None: ...

    async def unload(self, adapter: str) -> None: ...
