"""What the log says of a finished reply: how long it took and what it cost, and none of its words."""

from __future__ import annotations

import logging

from bot.log_formats import figures
from model.protocol import Completion

__all__ = ["log_completion"]

_log = logging.getLogger(__name__)


def log_completion(completion: Completion) -> None:
    """Write one entry; as JSON, the figures are fields of their own."""
    _log.info(
        "Generated %d tokens in %.2f s, the first after %.2f s (%d prompt tokens, %d of them computed before; %s; %s)",
        completion.completion_tokens,
        completion.seconds,
        completion.first_token_s,
        completion.prompt_tokens,
        completion.cached_tokens,
        completion.adapter or "base model",
        completion.finish_reason,
        extra=figures(
            completion_tokens=completion.completion_tokens,
            seconds=round(completion.seconds, 3),
            first_token_s=round(completion.first_token_s, 3),
            prompt_tokens=completion.prompt_tokens,
            cached_tokens=completion.cached_tokens,
            adapter=completion.adapter,
            finish_reason=completion.finish_reason,
        ),
    )
