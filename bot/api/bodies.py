"""The objects that OpenAI's clients read: lists of models, completions and the chunks of a stream. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from model.protocol import Completion
from storage.run_records import Adapter

__all__ = ["BASE", "CURRENT", "chunk", "completion_body", "event", "model_body", "models", "usage_of"]

CURRENT, BASE = "current", "base"
"""Names of models: what the bot answers with, and the base model without an adapter."""


def models(base: str, adapters: Iterable[Adapter]) -> list[dict[str, Any]]:
    """Every model: the current one, the base, and each adapter, the newest first."""
    newest = sorted(adapters, key=lambda one: one.created_at, reverse=True)
    fixed = [model_body(CURRENT, base), model_body(BASE, base)]
    return fixed + [model_body(one.id, base, datetime.fromisoformat(one.created_at)) for one in newest]


def model_body(name: str, base: str, made: datetime | None = None) -> dict[str, Any]:
    """One model; `root` is the base model."""
    created = int(made.timestamp()) if made is not None else 0
    return {"id": name, "object": "model", "created": created, "owned_by": "nightshift", "root": base}


def completion_body(request: str, created: int, done: Completion) -> dict[str, Any]:
    """A finished reply. `created` in seconds since 1970."""
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": done.text, "refusal": None},
        "logprobs": None,
        "finish_reason": done.finish_reason,
    }
    return {
        "id": request,
        "object": "chat.completion",
        "created": created,
        "model": done.adapter or BASE,
        "choices": [choice],
        "usage": usage_of(done),
    }


def usage_of(done: Completion) -> dict[str, Any]:
    """What a reply took, in tokens."""
    return {
        "prompt_tokens": done.prompt_tokens,
        "completion_tokens": done.completion_tokens,
        "total_tokens": done.prompt_tokens + done.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": done.cached_tokens},
    }


def chunk(request: str, created: int, model: str, delta: dict[str, str], finish: str | None = None) -> dict[str, Any]:
    """One piece of a stream."""
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    return {
        "id": request,
        "object": "chat.completion.chunk",
        "created": created,
        "model": model,
        "choices": [choice],
    }


def event(data: dict[str, Any] | str) -> bytes:
    """One event of the stream (server-sent events)."""
    text = data if isinstance(data, str) else json.dumps(data)
    return f"data: {text}\n\n".encode()
