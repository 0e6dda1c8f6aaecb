"""Answers that are being generated, noted in the store, so that what a killed process leaves on Discord is cleaned up.

A growing message has a Stop button. If its process is gone, it gets the stored answer or a sentence saying that it was
interrupted, and the button is removed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from typing import Any, TypeVar

import discord

from bot.chat.answer_messages import edit
from bot.chat.buttons import StopButton, below_question
from bot.chat.existing_answer import heading_of
from bot.chat.request import ChatRequest
from bot.discord_io.retry import UNSENT, unreached
from bot.discord_io.streaming import MESSAGE_LIMIT
from bot.i18n.en import texts
from bot.i18n.language import speaking
from bot.shards import Shards
from storage.async_store import AsyncStore
from storage.discord_records import UnfinishedAnswer
from storage.reply_records import Reply
from storage.store import Store

__all__ = ["Unfinished", "stopped_by"]

T = TypeVar("T")

_log = logging.getLogger(__name__)
_LOOKED_THROUGH = 100  # messages after a request, for its answer
_NEWEST = 50  # messages of a channel, for answers that nothing was noted of
_CHANNELS = 20  # those where the bot answered last
_ATTEMPTS = 5  # at one answer that Discord refuses to clean up


class Unfinished:
    """One per client. Notes are written in the background, and an answer does not fail with its note."""

    def __init__(self, store: AsyncStore, shards: Shards) -> None:
        self._store = store
        self._shards = shards
        self._notes: set[asyncio.Task[Any]] = set()
        self._refused: dict[int, int] = {}  # by request

    def note(self, request: ChatRequest, message_ids: Sequence[int]) -> None:
        """The answer to this request grows in these messages."""
        self._later(_note, UnfinishedAnswer(request.id, request.channel.id, tuple(message_ids), request.guild_id))

    def over(self, question_id: int) -> None:
        """The answer to this request is finished."""
        self._later(_forget, question_id)

    async def close(self) -> None:
        """Wait for what was noted."""
        await asyncio.gather(*self._notes, return_exceptions=True)

    def _later(self, write: Callable[[Store, T], None], what: T) -> None:
        task = asyncio.create_task(self._write(write, what))
        self._notes.add(task)
        task.add_done_callback(self._notes.discard)

    async def _write(self, write: Callable[[Store, T], None], what: T) -> None:
        try:
            await self._store.call(write, what)
        except Exception:  # noqa: BLE001  (the answer matters more than its note)
            _log.warning("An unfinished answer could not be noted", exc_info=True)

    async def clean_up(self, client: discord.Client, alive: Collection[int], locale: Any) -> None:
        """Clean up what is noted and not `alive`, the requests that are being answered.

        `locale` gives the language of a server. Ends early where Discord cannot be reached.
        """
        for growing in await self._store.call(lambda store: store.outbox.unfinished()):
            if growing.question_id in alive or not self._shards.serve(growing.guild_id):
                continue
            try:
                await self._clean(client, growing, locale)
            except discord.NotFound:
                pass
            except UNSENT as error:
                _log.warning("The answer to request %s was not cleaned up", growing.question_id, exc_info=True)
                if unreached(error):
                    return
                count = self._refused[growing.question_id] = self._refused.get(growing.question_id, 0) + 1
                if count < _ATTEMPTS:
                    continue
            self._refused.pop(growing.question_id, None)
            await self._store.call(_forget, growing.question_id)

    async def look(self, client: discord.Client, alive: Collection[int]) -> None:
        """Note unfinished answers in the channels where the bot answered last, where a note is missing."""
        noted = {one.question_id for one in await self._store.call(lambda store: store.outbox.unfinished())}
        for channel_id in await self._store.call(Store.recent_channels, _CHANNELS):
            channel: Any = client.get_channel(channel_id)
            if channel is None:
                continue
            try:
                newest = [one async for one in channel.history(limit=_NEWEST)]
            except discord.HTTPException:
                continue
            except UNSENT:
                return
            for message in newest:
                request_id = stopped_by(message) if message.author == client.user else None
                if request_id is not None and request_id not in alive and request_id not in noted:
                    guild = channel.guild.id if channel.guild else None
                    await self._store.call(_note, UnfinishedAnswer(request_id, channel_id, (message.id,), guild))

    async def _clean(self, client: discord.Client, growing: UnfinishedAnswer, locale: Any) -> None:
        channel: Any = client.get_channel(growing.channel_id) or await client.fetch_channel(growing.channel_id)
        found = {one.id: one for one in await _noted(channel, growing)}
        try:
            since = discord.Object(growing.question_id - 1)
            async for one in channel.history(limit=_LOOKED_THROUGH, after=since, oldest_first=True):
                if one.author == client.user and stopped_by(one) == growing.question_id:
                    found.setdefault(one.id, one)
        except discord.HTTPException:  # may not read the history: use the noted messages alone
            _log.info("Could not look for unfinished answers in channel %s", growing.channel_id)
        messages = [found[number] for number in sorted(found)]
        last = next((one for one in reversed(messages) if _unfinished(one, growing.question_id)), None)
        if last is None:
            return
        reply = await self._store.call(Store.reply_by_message, messages[0].id)
        if reply is not None and not reply.redacted:
            await self._show_stored(reply, messages, growing.question_id)
            return
        with speaking(locale(getattr(channel, "guild", None))):
            said = "" if last.content.startswith(texts.NOTICE) else last.content[: MESSAGE_LIMIT - 200]
            await edit(
                last, content=f"{said}\n{texts.INTERRUPTED}".strip(), view=below_question(quotes=bool(heading_of(last)))
            )

    async def _show_stored(self, reply: Reply, messages: Sequence[discord.Message], question_id: int) -> None:
        """Show the stored answer in these messages."""
        numbers = {one.id for one in messages} | ({reply.message_id} if reply.message_id is not None else set())
        details = {
            "messages": sorted(numbers),
            "heading": heading_of(messages[0]),
            "aside": texts.without_aside(messages[-1].content)[1],
            "number": f"c{question_id}",
        }
        await self._store.call(_put, reply.id, details)


def _note(store: Store, growing: UnfinishedAnswer) -> None:
    store.outbox.add_unfinished(growing)


def _put(store: Store, reply_id: int, details: dict[str, Any]) -> None:
    if not any(one.kind == "answer" for one in store.outbox.of_reply(reply_id)):  # else the delivery is noted already
        store.outbox.put(reply_id, "answer", details)


def _forget(store: Store, question_id: int) -> None:
    store.outbox.remove_unfinished(question_id)


async def _noted(channel: Any, growing: UnfinishedAnswer) -> list[discord.Message]:
    found = []
    for message_id in growing.message_ids:
        try:
            found.append(await channel.fetch_message(message_id))
        except discord.NotFound:
            continue
    return found


def _unfinished(message: discord.Message, question_id: int) -> bool:
    return stopped_by(message) == question_id or message.flags.loading


def stopped_by(message: discord.Message) -> int | None:
    """The id of the request that a message's Stop button belongs to, if it has one."""
    for row in message.components:
        for item in getattr(row, "children", ()):
            match = StopButton.__discord_ui_compiled_template__.fullmatch(getattr(item, "custom_id", None) or "")
            if match:
                return int(match["question"])
    return None
