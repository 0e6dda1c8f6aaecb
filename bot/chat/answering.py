"""From a question on Discord to an answer on Discord: hear, generate, stream, write down.

The decisions are elsewhere (bot/chat/trigger.py: whether to answer; bot/chat/context.py: what is shown to the model;
bot/discord_io/streaming.py and bot/discord_io/edit_budget.py: what is shown on Discord, and when). Which model answers
is behind the engine.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import discord

from bot.chat import buttons as controls
from bot.chat.context import Context
from bot.chat.existing_answer import Standing
from bot.chat.generation import Draft, NothingAsked, QuestionGone
from bot.chat.history import Ear
from bot.chat.introductions import Introductions
from bot.chat.rate_limits import Patience
from bot.chat.request import Question
from bot.chat.save import Written, write_down
from bot.chat.showing import as_posted, show
from bot.chat.unfinished import Unfinished
from bot.discord_io.edit_budget import EditBudgets
from bot.discord_io.emoji import emoji_of, with_emoji
from bot.discord_io.interaction_errors import failure_notice
from bot.discord_io.markup import is_visible
from bot.discord_io.retry import UNSENT, with_retry
from bot.discord_io.sanitize import sanitize
from bot.discord_io.streaming import MessageStream
from bot.discord_io.typing_indicator import TypingIndicator
from bot.i18n.en import texts
from bot.server.training_servers import TrainingServers
from bot.settings import Settings
from model.protocol import ChatEngine, Completion, Sampling
from storage.async_store import AsyncStore
from storage.store import Store

__all__ = ["Answering"]

_log = logging.getLogger(__name__)
_EDIT_SECONDS = 5.0  # that a growing answer waits for Discord to show it: the words go on meanwhile
_FAREWELL = 5.0  # seconds that a closing bot has for the last words of its answers


class Answering:
    """Answers questions, many at once. `deliver` shows a stored reply, `on_reply` is told of it."""

    def __init__(
        self,
        engine: ChatEngine,
        store: AsyncStore,
        settings: Settings,
        on_reply: Callable[[Written, Question], Awaitable[None]],
        deliver: Callable[[int, MessageStream, Question], Awaitable[None]],
        *,
        training_servers: TrainingServers,
    ) -> None:
        self._engine = engine
        self._store = store
        self._settings = settings
        self._on_reply = on_reply
        self._deliver = deliver
        self._introductions = Introductions(store, settings, training_servers)
        self.unfinished = Unfinished(store)
        self._running: set[asyncio.Task[Any]] = set()
        self._drafts: dict[int, tuple[Draft, MessageStream]] = {}  # by question
        self._typing_indicator = TypingIndicator()
        self._edit_budgets = EditBudgets()
        self.patience = Patience(store, capacity=settings.model.max_queue)

    async def answer(self, question: Question, me: int, *, again: bool = False) -> bool:
        """Answer `question`; the bot's user id is `me`. Never raises for a failed answer.

        Gives False where the question was gone before an answer stood.

        With `again`, an answer was given already: this one is drawn so that it can differ.
        """
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  (coroutines run in tasks; says so to the type checker)
        self._running.add(task)
        try:
            async with contextlib.nullcontext() if question.thinking else self._typing_indicator.at(question.channel):
                return await self._answer(question, me, again=again)
        except UNSENT:
            # Discord refused us the channel, or the answer was deleted while it was written: nobody to tell.
            _log.warning("Could not answer question %s", question.id, exc_info=True)
            return True
        finally:
            self._running.discard(task)

    @property
    def alive(self) -> set[int]:
        """The questions that are being answered."""
        return set(self._drafts)

    async def refuse(self, question: Question, error: Exception) -> None:
        """Say why there is no answer."""
        try:
            await question.send(failure_notice(error), None)
        except UNSENT:
            _log.warning("Could not refuse question %s", question.id, exc_info=True)

    def draft(self, question_id: int) -> Draft | None:
        """The answer that is being written to a question, if there is one."""
        return self._drafts[question_id][0] if question_id in self._drafts else None

    def changed(self, message_ids: Iterable[int]) -> None:
        """These messages were edited or deleted: answers that have not begun take notice."""
        ids = set(message_ids)
        for draft, _ in self._drafts.values():
            draft.changed(ids)

    def read_anew(self) -> None:
        """What may be shown has changed: answers that have not begun read their conversations again."""
        for draft, _ in self._drafts.values():
            draft.read_anew()

    async def close(self) -> None:
        """Break off the answers that are being written, with a word to who asked."""
        for draft, _ in list(self._drafts.values()):
            draft.abandon()
        running = [task for task in self._running if task is not asyncio.current_task()]
        if running:
            _, late = await asyncio.wait(running, timeout=_FAREWELL)
            for task in late:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
        await self.unfinished.close()

    async def _answer(self, question: Question, me: int, *, again: bool) -> bool:
        standing = question.standing.messages if question.standing is not None else ()
        draft = Draft(self._engine, question, self._sampling(question, again=again), self._settings.persona)

        async def send(*args: Any, **extras: Any) -> discord.Message:
            if not draft.stored and not stream.messages:
                self.unfinished.note(question, [])
            message = await question.send(*args, **extras)
            self._typing_indicator.spoke(question.channel.id)
            if not draft.stored:
                self.unfinished.note(question, [*(one.id for one in stream.messages), message.id])
            return message

        stream = MessageStream(
            send,
            edit=question.edit,
            interval=self._settings.discord.edit_seconds,
            edit_budget=self._edit_budgets.of(question.channel.id),
            controls=controls.while_growing(question.id),
            standing=standing,
        )
        self._drafts[question.id] = draft, stream
        if standing or question.answer_message_id is not None:
            self.unfinished.note(question, [one.id for one in standing] or [question.answer_message_id or 0])
        try:
            answered = await self._say(draft, stream, me)
            if not draft.stored:
                self.unfinished.over(question.id)
            return answered
        finally:
            del self._drafts[question.id]

    async def _say(self, draft: Draft, stream: MessageStream, me: int) -> bool:
        question = draft.question
        try:
            context, completion = await self._write(draft, stream, me)
        except QuestionGone:
            for message in stream.messages:  # no more than a notice of its place in the queue
                await message.delete()
            return False
        except NothingAsked:
            if not question.overheard:
                await with_retry(lambda: stream.finish(texts.ASK_ME))
            return True
        except discord.HTTPException:
            raise
        except Exception as error:  # noqa: BLE001  (whatever failed, the asker hears of it)
            _log.warning("The answer to question %s failed", question.id, exc_info=True)
            failure = error
            await _fall_short(question, stream, lambda: failure_notice(failure))
            return True
        cancelled = completion.finish_reason == "cancelled"
        # Where an answer is gone on with, no further word means that it was complete.
        if not is_visible(completion.text) and (cancelled or not question.begun):
            await _fall_short(question, stream, lambda: texts.STOPPED if cancelled else texts.SILENT)
            return True
        await self._finish(draft, stream, context, completion)
        return True

    async def _finish(self, draft: Draft, stream: MessageStream, context: Context, completion: Completion) -> None:
        """Store the answer, then show the whole of it: what is stored is shown even if the process ends now."""
        question, standing = draft.question, draft.question.standing
        text = (question.begun + completion.text).strip()
        line = "" if standing else await self._introductions.line(question.asker.id, question.guild_id)
        aside = standing.aside if standing else line
        shown_in = [message.id for message in stream.messages]
        try:
            written = await write_down(
                self._store,
                question,
                context,
                completion,
                text,
                base_model=self._engine.base_id,
                shown_in=shown_in,
                aside=aside,
            )
            draft.stored = True
        except Exception:  # noqa: BLE001  (a full disk, a database that another process holds: the asker hears of it)
            _log.exception("The answer to question %s could not be stored: it cannot be reviewed", question.id)
            await self._introductions.over(question.asker.id, told=False)
            await self._show_unstored(question, stream, as_posted(text, completion.finish_reason, question.guild))
            return
        await self._deliver(written.reply_id, stream, question)
        await self._introductions.over(question.asker.id, told=bool(line))
        try:
            await self._on_reply(written, question)
        except Exception:  # noqa: BLE001  (the answer is given; the outbox keeps what is missing)
            _log.exception("Reply %s is stored, but its card could not be shown", written.reply_id)

    async def _show_unstored(self, question: Question, stream: MessageStream, text: str) -> None:
        """The asker gets the answer that could not be stored, and reads that it was not."""
        if question.settings.hold:  # nobody can approve what is not stored
            await _fall_short(question, stream, lambda: texts.FAILED)
            return
        said, below = question.heading + text + texts.UNSTORED, controls.below_question(quotes=bool(question.heading))
        if question.standing is None:
            await show(stream, said, below)
            return
        # The answer that is stored stays where it stands: who judges it must read its own words.
        await _restore(question.standing, stream, quotes=bool(question.heading))
        await with_retry(lambda: stream.renew(said, below))

    async def _write(self, draft: Draft, stream: MessageStream, me: int) -> tuple[Context, Completion]:
        """The finished answer, shown in `stream` while it grows. Raises what the draft raises."""
        question = draft.question
        unfinished = {message.id for _, other in self._drafts.values() for message in other.messages}
        emoji = emoji_of(question.guild)
        ear = Ear(me, self._settings.discord.context_messages, unfinished, withheld=self._withheld)
        told = False

        async def grown(text: str) -> None:
            if is_visible(text) and not question.settings.hold:
                shown = with_emoji(sanitize(question.begun + text), emoji)
                await _show(stream.update(question.heading + shown))

        async def waiting(place: int) -> None:
            nonlocal told
            if question.standing is None:
                await _show(stream.notice(texts.queue_place(place)))
            elif not told:  # the answer that stands there is worth more than a notice in its place
                told = True
                with contextlib.suppress(*UNSENT):
                    await question.standing.tell(lambda: texts.queue_place(place))

        return await draft.write(ear, grown=grown, waiting=waiting)

    async def _withheld(self, spoken: Iterable[tuple[int, int | None]]) -> set[int]:
        return await self._store.call(Store.withheld, list(spoken))

    def _sampling(self, question: Question, *, again: bool) -> Sampling:
        chosen = self._settings.generation
        temperature = question.settings.temperature
        return Sampling(
            max_new_tokens=question.settings.max_new_tokens,
            # The greedy answer to the same question would be the same answer.
            temperature=max(temperature, Sampling().temperature) if again else temperature,
            top_p=chosen.top_p,
            repetition_penalty=chosen.repetition_penalty,
        )


async def _fall_short(question: Question, stream: MessageStream, why: Callable[[], str]) -> None:
    """There is no answer, or no more of it: say why. One that stood there before stands there again."""
    if question.standing is None:
        below = controls.below_question(quotes=bool(question.heading))
        for message in await show(stream, f"{stream.text}\n{why()}", below):
            await message.delete()
        return
    await _restore(question.standing, stream, quotes=bool(question.heading))
    with contextlib.suppress(*UNSENT):  # who pressed may have gone, or waited for 15 minutes
        await question.standing.tell(why)


async def _restore(standing: Standing, stream: MessageStream, *, quotes: bool) -> None:
    below = controls.after(standing.reply.finish_reason, quotes=quotes)
    await with_retry(lambda: stream.restore(below))


async def _show(edit: Awaitable[None]) -> None:
    """An edit on the way that Discord refuses is no reason to stop; an answer that was deleted is."""
    try:
        async with asyncio.timeout(_EDIT_SECONDS):
            await edit
    except discord.NotFound:
        raise
    except UNSENT:
        _log.warning("An edit of a growing answer failed", exc_info=True)
