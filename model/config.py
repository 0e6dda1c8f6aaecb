"""The model's settings, parsed elsewhere and handed in as plain values."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field

__all__ = ["EngineConfig", "GenerationConfig", "MemoryConfig", "ModelConfig"]

_COLDEST = 0.01


def _drawable(temperature: float) -> float:
    """This temperature. Raises ValueError for one by which nothing but rounding would be drawn."""
    if 0 < temperature < _COLDEST:
        raise ValueError(f"it is 0 (always the likeliest word) or at least {_COLDEST}")
    return temperature


def _addresses(given: object) -> object:
    """One address or several, also as a variable of the environment has them: with commas between, or JSON."""
    return tuple(one for one in re.split(r'[\s,"\[\]]+', given) if one) if isinstance(given, str) else given


def _address(url: str) -> str:
    """The address of an API, which ends with /v1 unless it names another path. Raises ValueError."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("an address begins with http:// or https:// and names a host, as http://10.0.0.5:8000/v1")
    if parts.query or parts.fragment or parts.username or parts.password:
        raise ValueError("an address holds no key and no query; the key is the environment's OPENAI_API_KEY")
    return url.rstrip("/") if parts.path.strip("/") else f"{url.rstrip('/')}/v1"


Address = Annotated[str, AfterValidator(_address), Field(max_length=2000)]


@dataclass(frozen=True)
class EngineConfig:
    """An OpenAI-compatible server that makes the replies (vLLM, SGLang); with no address, the bot makes them itself."""

    url: Annotated[tuple[Address, ...], BeforeValidator(_addresses), Field(max_length=64)] = ()
    """Address of the server's API, as http://10.0.0.5:8000/v1; a list for replicas; none: the bot answers itself."""
    model: Annotated[str, Field(max_length=1000)] = ""
    """The base model's name on the server; empty: the first that the server lists."""
    adapters: Annotated[str, Field(max_length=4096)] = ""
    """The home's folder `adapters` as the server sees it; empty: at the same path."""
    requests: Annotated[int, Field(ge=1, le=100_000)] = 64
    """Requests that a replica is given at once; more wait in the bot."""
    silence_seconds: Annotated[float, Field(ge=0.1, le=86_400)] = 60.0
    """How long the server may send nothing, before a reply's first word and inside it, until the reply fails."""
    load_seconds: Annotated[float, Field(ge=0.1, le=86_400)] = 120.0
    """How long the server may take to load an adapter."""
    look_seconds: Annotated[float, Field(ge=0.1, le=86_400)] = 10.0
    """How often the bot looks whether each replica answers and has its adapters."""


@dataclass(frozen=True)
class GenerationConfig:
    """How an answer is drawn; see `model.protocol.Sampling`. A run judges its adapter by answers drawn the same way."""

    max_new_tokens: Annotated[int, Field(ge=1, le=1 << 20)] = 200
    """Longest answer in tokens."""
    temperature: Annotated[float, Field(ge=0, le=10), AfterValidator(_drawable)] = 0.7
    """How freely the next token is drawn; 0 always takes the likeliest."""
    top_p: Annotated[float, Field(ge=0.001, le=1)] = 0.9
    """The next token is drawn from the likeliest ones whose probabilities reach this sum."""
    repetition_penalty: Annotated[float, Field(ge=0.1, le=10)] = 1.05
    """How much less likely a token becomes once it was used; 1 changes nothing."""


@dataclass(frozen=True)
class MemoryConfig:
    """What texts are compared by, and what of a server's own answers and documents a prompt is shown."""

    embedder: Annotated[str, Field(min_length=1, max_length=1000)] = "embedded"
    """`embedded`, a Hugging Face id or a directory of a sentence-transformers model, or `none`."""
    examples: Annotated[int, Field(ge=0, le=32)] = 4
    """Most approved replies to similar questions that a prompt is shown; 0 shows none."""
    example_tokens: Annotated[int, Field(ge=16, le=1 << 20)] = 192
    """Most tokens of them together; parts of documents are taken off where both are shown."""
    example_score: Annotated[float, Field(ge=0.0, le=1.0)] = 0.6
    """How similar a question must be for its reply to be shown, from 0 to 1."""
    chunks: Annotated[int, Field(ge=0, le=32)] = 3
    """Most parts of documents that a prompt is shown; 0 shows none."""
    chunk_tokens: Annotated[int, Field(ge=16, le=1 << 20)] = 256
    """Most tokens of them together."""
    chunk_score: Annotated[float, Field(ge=0.0, le=1.0)] = 0.4
    """How well a part must fit the question to be shown, from 0 to 1."""
    documents: Annotated[int, Field(ge=0, le=100_000)] = 200
    """Most documents of a server."""
    document_characters: Annotated[int, Field(ge=1, le=100_000_000)] = 1_000_000
    """Longest document in characters."""
    server_characters: Annotated[int, Field(ge=1, le=1_000_000_000)] = 4_000_000
    """Most characters of a server's documents together."""


@dataclass(frozen=True)
class ModelConfig:
    """How to load and serve the base model."""

    base: str = "embedded"
    """`embedded`, a model directory, a `.gguf` file, or a Hugging Face id (`owner/name` or `owner/name@revision`)."""
    device: Annotated[str, Field(pattern=r"^(auto|cpu|mps|cuda(:\d{1,2})?)$")] = "auto"
    """`auto` (the first GPU, else the CPU), `cpu`, `cuda` or `cuda:N`."""
    dtype: Literal["auto", "bfloat16", "float16", "float32"] = "auto"
    """Compute type; `auto` is bf16 on a GPU that computes in it, fp16 on an older one, and fp32 on a CPU."""
    context_tokens: Annotated[int, Field(ge=64, le=1 << 20)] = 2048
    """Longest prompt plus answer of one conversation, in tokens."""
    slots: Annotated[int, Field(ge=0, le=4096)] = 0
    """Conversations answered at once; 0 chooses from the free memory."""
    max_queue: Annotated[int, Field(ge=1, le=100_000)] = 64
    """Requests that may wait; one more is refused at once."""
    prefill_chunk: Annotated[int, Field(ge=0, le=1 << 20)] = 0
    """Prompt tokens computed between two decode steps; 0 chooses by device."""
    lora_rank: Annotated[int, Field(ge=1, le=256)] = 16
    """Largest adapter rank that swaps without a new allocation; the slots take the next power of two."""
    adapter_slots: Annotated[int, Field(ge=1, le=64)] = 4
    """Adapters in memory at once. With two or more, no question waits for a swap."""
    draft_tokens: Annotated[int, Field(ge=0, le=7)] = 0
    """Tokens that a step on a CPU may guess from the text before, with one reply in progress; 0 guesses none."""
    chat_template: str = ""
    """A file with the chat template to use, in Jinja; empty is the base's own. Relative to the home."""
