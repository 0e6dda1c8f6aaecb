"""What is shown of an answer that failed, was stopped or could not be stored. Decides nothing of why."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from bot.chat import buttons as controls
from bot.chat.existing_answer import ExistingAnswer
from bot.chat.request import ChatRequest
from bot.chat.showing import show
from bot.discord_io.retry import UNSENT, with_retry
from bot.discord_io.streaming import MessageStream
from bot.i18n.en import texts

__all__ = ["show_failure", "show_unstored"]


async def show_failure(request: ChatRequest, stream: MessageStream, why: Callable[[], str]) -> None:
    """Say why there is no answer, or no more of it. An existing answer is restored."""
    if request.existing is None:
        below = controls.below_question(quotes=bool(request.heading))
        for message in await show(stream, f"{stream.text}\n{why()}", below):
            await message.delete()
        return
    await _restore(request.existing, stream, quotes=bool(request.heading))
    with contextlib.suppress(*UNSENT):  # the asker's interaction may have expired
        await request.existing.notify(why)


async def _restore(existing: ExistingAnswer, stream: MessageStream, *, quotes: bool) -> None:
    """Show an existing answer as it is stored. `quotes`: whether its question stands above it."""
    below = controls.after(existing.reply.finish_reason, quotes=quotes)
    await with_retry(lambda: stream.restore(below))


async def show_unstored(request: ChatRequest, stream: MessageStream, text: str) -> None:
    """Show the asker the answer that could not be stored, and say so."""
    if request.may_wait:  # nobody can approve what is not stored
        await show_failure(request, stream, lambda: texts.FAILED)
        return
    said, below = request.heading + text + texts.UNSTORED, controls.below_question(quotes=bool(request.heading))
    if request.existing is None:
        await show(stream, said, below)
        return
    # The stored answer stays in its message: moderators must see the text that they review.
    await _restore(request.existing, stream, quotes=bool(request.heading))
    await with_retry(lambda: stream.renew(said, below))
