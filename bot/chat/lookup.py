"""The lookup before an answer: asks the memory for what fits a request, and leaves out what the conversation has.

A lookup that fails is logged, and the request is answered without it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

from bot.chat.context import Context
from bot.chat.generation import Fitting, Recall
from bot.chat.request import ChatRequest
from bot.discord_io.ids import places_of
from bot.recall.audience import Audience
from bot.recall.memory import Memory
from bot.recall.prompt import fitting
from bot.recall.records import Question, Shown
from bot.server.readers import Readers
from model.chat import Message
from model.config import MemoryConfig
from storage.reply_records import Turn

__all__ = ["Lookup", "question_of"]

_log = logging.getLogger(__name__)
_SHORT = 4  # words of a question that is asked together with the one before it


class Lookup:
    """One for a client."""

    def __init__(self, memory: Memory, readers: Readers, config: MemoryConfig) -> None:
        self._memory = memory
        self._readers = readers
        self._config = config

    def of(self, request: ChatRequest, count: Callable[[Sequence[Message]], int]) -> Recall | None:
        """What looks things up for a request; None where nothing is ever shown: in direct messages, or switched off."""
        if request.guild_id is None or not self._memory.on:
            return None

        async def recall(context: Context, fit: Fitting) -> Context:
            try:
                shown = await self.look_up(request, context.turns)
            except Exception:  # noqa: BLE001 - an answer from the model alone is better than none
                _log.exception("Nothing could be looked up for request %s", request.id)
                return context
            config = self._config
            within = fitting(shown, count, chunk_tokens=config.chunk_tokens, example_tokens=config.example_tokens)
            return fit(replace(context, shown=within), within)

        return recall

    async def is_unsure(self, request: ChatRequest, shown: Shown, confidence: float | None) -> bool:
        """Whether the answer is to be left to the moderators, as the server has set.

        Never one that takes another's place: that one has been read. Nor one for which nothing was looked up, or whose
        chances cannot be told.
        """
        least = request.settings.unsure
        if request.guild_id is None or shown.best is None or not least or request.existing is not None:
            return False
        try:
            return await self._memory.answerability.of(request.guild_id, shown.best, confidence) < least
        except Exception:  # noqa: BLE001 - the answer is given all the same
            _log.exception("Nothing says how likely the answer to request %s is right", request.id)
            return False

    async def look_up(self, request: ChatRequest, turns: Sequence[Turn]) -> Shown:
        """What fits the last question of these turns."""
        assert request.guild_id is not None  # noqa: S101  (for the type checker: `of` has asked)
        replaced = () if request.existing is None else (request.existing.reply.id,)
        audience = Audience(self._readers, request.asker, request.channel)
        shown = await self._memory.recall(
            Question(question_of(turns), request.guild_id, places_of(request.channel), audience.may_be_shown, replaced)
        )
        said = {turn.content for turn in turns if turn.role == "assistant"}
        return replace(shown, examples=tuple(one for one in shown.examples if one.found.answer not in said))


def question_of(turns: Sequence[Turn]) -> str:
    """What is asked: the last words of a person, and the ones before where those say little by themselves."""
    said = [turn.content for turn in turns if turn.role == "user"]
    last = said[-1] if said else ""
    return "\n".join(said[-2:]) if len(last.split()) < _SHORT else last
