"""From a question on Discord to an answer on Discord: hear, generate, stream, write down.

The decisions are elsewhere (bot/hearing.py: what was asked; bot/conversation.py: what is shown to the model;
bot/streaming.py: what is shown on Discord). Which model answers is behind the engine.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import discord

from bot import texts
from bot.conversation import Context, compose, messages
from bot.handler import notice
from bot.hearing import addressed, hear
from bot.settings import Settings
from bot.streaming import MessageStream
from model.chat import Message
from model.protocol import ChatEngine, Completion, Sampling
from storage.records import NewReply
from storage.store import Store
from storage.writer import AsyncStore

__all__ = ["Answering"]

_log = logging.getLogger(__name__)


class Answering:
    """Answers questions, many at once. `on_reply` hears of each reply that was written down, with its id."""

    def __init__(
        self,
        engine: ChatEngine,
        store: AsyncStore,
        settings: Settings,
        on_reply: Callable[[int, discord.Message], Awaitable[None]],
    ) -> None:
        self._engine = engine
        self._store = store
        self._settings = settings
        self._on_reply = on_reply
        self._running: set[asyncio.Task[Any]] = set()
        chosen = settings.generation
        self._sampling = Sampling(
            max_new_tokens=chosen.max_new_tokens,
            temperature=chosen.temperature,
            top_p=chosen.top_p,
            repetition_penalty=chosen.repetition_penalty,
        )

    async def on_message(self, message: discord.Message, me: int) -> None:
        """Answer `message` if it asks the bot, whose user id is `me`. Never raises for a failed answer."""
        task = asyncio.current_task()
        if task is None or not await addressed(message, me, direct_messages=self._settings.discord.direct_messages):
            return
        self._running.add(task)
        try:
            await self._answer(message, me)
        except discord.HTTPException:
            # Discord refused us the channel, or the answer was deleted while it was written: nobody to tell.
            _log.warning("Could not answer message %s", message.id, exc_info=True)
        finally:
            self._running.discard(task)

    async def close(self) -> None:
        """Give up the answers that are being written."""
        running = [task for task in self._running if task is not asyncio.current_task()]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def _answer(self, question: discord.Message, me: int) -> None:
        stream = MessageStream(_replier(question), interval=self._settings.discord.edit_seconds)
        async with question.channel.typing():
            context = await self._context(question, me)
            if context is None:
                await stream.finish(texts.ASK_ME)
                return
            try:
                completion = await self._generate(context, str(question.channel.id), stream)
            except discord.HTTPException:
                raise
            except Exception as error:  # noqa: BLE001  (whatever failed, the asker hears of it)
                _log.warning("The answer to message %s failed", question.id, exc_info=True)
                await stream.finish(f"{stream.text}\n{notice(error)}")
                return
            await stream.finish(completion.text.strip() or texts.SILENT)
        if completion.text.strip():
            await self._write_down(question, context, completion, stream.messages[0])

    async def _context(self, question: discord.Message, me: int) -> Context | None:
        heard, root = await hear(question, me, recent=self._settings.discord.context_messages)
        if root == question.id and not heard[-1].text:
            return None  # a bare mention asks nothing, whatever was said before it
        room = self._engine.context_tokens - self._sampling.max_new_tokens
        persona = messages((), self._settings.persona)

        def fits(shown: Sequence[Message]) -> bool:
            return self._engine.count_tokens([*persona, *shown]) <= room

        return compose(heard, channel_id=question.channel.id, root=root, fits=fits)

    async def _generate(self, context: Context, channel: str, stream: MessageStream) -> Completion:
        """The finished answer, shown in `stream` while it grows. Raises what the engine raises."""
        shown = messages(context.turns, self._settings.persona)
        generation = self._engine.submit(shown, self._sampling, channel=channel)
        text = ""
        try:
            async for piece in generation:
                text += piece
                await _show(stream, text)
            return await generation.wait()
        except BaseException:
            generation.cancel()
            raise

    async def _write_down(
        self, question: discord.Message, context: Context, completion: Completion, shown: discord.Message
    ) -> None:
        reply_id = await self._store.call(
            Store.add_reply,
            NewReply(
                source="discord",
                conversation=context.conversation,
                turns=context.turns,
                text=completion.text.strip(),
                adapter=completion.adapter,
                base_model=self._engine.base_id,
                guild_id=question.guild.id if question.guild else None,
                channel_id=question.channel.id,
                message_id=shown.id,
                asker_id=question.author.id,
                prompt_message_id=question.id,
                finish_reason=completion.finish_reason,
            ),
        )
        try:
            await self._on_reply(reply_id, question)
        except discord.HTTPException:
            _log.warning("Reply %s is stored, but its card could not be posted", reply_id, exc_info=True)


async def _show(stream: MessageStream, text: str) -> None:
    """An edit on the way that Discord refuses is no reason to stop; an answer that was deleted is."""
    try:
        await stream.update(text)
    except discord.NotFound:
        raise
    except discord.HTTPException:
        _log.warning("An edit of a growing answer failed", exc_info=True)


def _replier(question: discord.Message) -> Callable[[str, discord.Message | None], Awaitable[discord.Message]]:
    """Sends the parts of one answer: the first replies to the question, each further one to the first."""
    count = 0

    async def send(content: str, first: discord.Message | None) -> discord.Message:
        nonlocal count
        count += 1
        return await question.channel.send(
            content,
            reference=(first or question).to_reference(fail_if_not_exists=False),
            allowed_mentions=discord.AllowedMentions.none(),
            nonce=f"{question.id}-{count}",  # a send that is tried again after a lost answer is not posted twice
        )

    return send
