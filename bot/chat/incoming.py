"""The requests of members: messages, /ask, and the buttons below an answer.

Here it is decided who may, where and how often; the answers are bot/chat/answering.py's.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import discord
from discord import app_commands

from bot.chat.answering import Answering
from bot.chat.buttons import while_growing
from bot.chat.existing_answer import existing_answer_at, parts_of, reply_shown_by
from bot.chat.message_text import is_proxied
from bot.chat.proxies import Originals
from bot.chat.request import CommandRequest, MessageRequest, RegenerateRequest
from bot.chat.trigger import is_allowed, trigger_of
from bot.chat.trigger_facts import facts_of
from bot.discord_io.components import Interaction
from bot.discord_io.ids import places_of, roles_of
from bot.discord_io.interaction_errors import answered
from bot.errors import Refused
from bot.i18n.en import texts
from bot.i18n.language import speak
from bot.server.guild_settings import GuildSettings, GuildSettingsCache
from bot.server.moderators import Moderators
from storage.async_store import AsyncStore
from storage.reply_records import Reply

__all__ = ["IncomingRequests", "ask_command"]

_log = logging.getLogger(__name__)
_REMEMBERED = 10_000  # messages that will not be answered again
_QUESTION = 1500  # characters of a question to /ask: it is shown above the answer, in the same message


class IncomingRequests:
    """Passes requests on to `answering`, or says why not."""

    def __init__(
        self,
        answering: Answering,
        store: AsyncStore,
        guild_settings: GuildSettingsCache,
        moderators: Moderators,
        *,
        direct_messages: bool,
    ) -> None:
        self._answering = answering
        self._store = store
        self._guild_settings = guild_settings
        self._moderates = moderators.reviews
        self._locale = moderators.locale
        self._direct_messages = direct_messages
        self._open = False
        self._originals = Originals()
        self._seen: dict[int, None] = {}  # messages, in the order they came
        self._rewritten: set[int | None] = set()  # first messages of answers that are being replaced or continued
        self._last_unprompted: dict[int, float] = {}  # by channel: when the bot last answered what nobody had asked it

    def open(self) -> None:
        """Start handling messages. Discord sends new messages only, so none from before the start arrives."""
        self._open = True

    async def on_message(self, message: discord.Message, me: int) -> None:
        """Answer `message` if it is for the bot, whose user id is `me`."""
        if not self._open or self._seen_before(message.id):
            return
        facts = await facts_of(message, me)
        if facts is None:
            return
        settings = self._settings(message.guild, message.channel)
        why = trigger_of(facts, settings, direct_messages=self._direct_messages)
        if why is None or (why == "unprompted" and not self._may_answer_unprompted(message.channel.id, settings)):
            return
        if self._repeats_answered(message):
            return
        request = MessageRequest(message, settings, unprompted=why == "unprompted")
        rate_limits = self._answering.rate_limits
        try:
            place = await rate_limits.admit(request.guild_id, message.author.id, facts.roles, settings)
        except Refused as error:
            if why == "asked" and rate_limits.should_notify(request.guild_id, message.author.id):
                await self._answering.refuse(request, error)
            return
        except Exception as error:  # noqa: BLE001  (a store that cannot be read: the asker is told)
            _log.exception("Request %s could not be admitted", request.id)
            await self._answering.refuse(request, error)
            return
        with place:
            original = self._originals.note(message.channel.id, message.id, message.content)
            original.answered = await self._answering.answer(request, me)

    def _repeats_answered(self, message: discord.Message) -> bool:
        """Whether a proxied message repeats a request that is answered already; one under way is discarded."""
        original = self._originals.behind(message.channel.id, message.content) if is_proxied(message) else None
        if original is None:
            return False
        generation = self._answering.generation(original.message_id)
        if generation is not None:
            generation.discard()
        return generation is None and original.answered

    @answered
    async def ask(self, interaction: Interaction, question: str) -> None:
        """/ask was used."""
        if interaction.guild is None and not self._direct_messages:
            raise Refused(texts.NO_DIRECT)
        settings, roles = self._require_allowed(interaction)
        place = await self._answering.rate_limits.admit(interaction.guild_id, interaction.user.id, roles, settings)
        with place:
            self._use_server_language(interaction)
            response = await interaction.response.defer(thinking=True)
            message_id = (response.message_id if response is not None else None) or interaction.id
            request = CommandRequest(interaction, question, message_id, settings)
            await self._answering.answer(request, self._me(interaction))

    async def stop(self, interaction: Interaction, question_id: int) -> None:
        """The stop button of a growing answer."""
        generation = self._answering.generation(question_id)
        if generation is None:
            raise Refused(texts.NOT_WRITING)
        if generation.request.channel.id != interaction.channel_id:  # a button that names a request of another place
            raise Refused(texts.NOT_WRITING)
        self._require(interaction, generation.request.asker_id)
        generation.stop()
        await interaction.response.defer()

    async def regenerate(self, interaction: Interaction) -> None:
        """Another answer to the same request, in place of the existing one."""
        await self._repeat(interaction, continues=False)

    async def continue_answer(self, interaction: Interaction) -> None:
        """Continue an answer that was cut off, in the same message."""
        await self._repeat(interaction, continues=True)

    async def delete(self, interaction: Interaction) -> None:
        """The delete button of an answer to /ask: what was asked and answered goes, here and from the store."""
        pressed = interaction.message
        assert pressed is not None  # noqa: S101  (for the type checker: a button belongs to a message)
        first = await _first_part(pressed)
        asked = first.interaction_metadata
        self._require(interaction, asked.user.id if asked is not None else None)
        await interaction.response.defer()
        try:
            parts = await parts_of(interaction.channel, first.id)
        except discord.HTTPException:  # a channel that the bot does not see, where only the interaction may
            await interaction.delete_original_response()
            parts = [first]
        else:
            for part in reversed(parts):
                await part.delete()
        await interaction.client.deleted({first.id, pressed.id, *(part.id for part in parts)})

    async def _repeat(self, interaction: Interaction, *, continues: bool) -> None:
        reply = await reply_shown_by(self._store, interaction.message)
        if reply is None or reply.redacted or not _given_here(interaction, reply):
            raise Refused(texts.ANSWER_GONE)
        self._require(interaction, reply.asker_id)
        settings, roles = self._require_allowed(interaction)
        admit = self._answering.rate_limits.admit
        with (
            self._one_at_a_time(reply.message_id),
            await admit(interaction.guild_id, interaction.user.id, roles, settings, counted=not continues),
        ):
            existing = await existing_answer_at(interaction, reply, continues=continues)
            self._use_server_language(interaction)
            request = RegenerateRequest(interaction, existing, settings, self._store)
            await interaction.response.edit_message(view=while_growing(request.id), suppress_embeds=True)
            await self._answering.answer(request, self._me(interaction), again=not continues)

    @contextmanager
    def _one_at_a_time(self, message_id: int | None) -> Iterator[None]:
        """Raises Refused while something is being written into that answer already."""
        if message_id in self._rewritten:
            raise Refused(texts.ALREADY)
        self._rewritten.add(message_id)
        try:
            yield
        finally:
            self._rewritten.discard(message_id)

    def _use_server_language(self, interaction: Interaction) -> None:
        """Everybody on a server reads the answer: from now on, the texts are in its language."""
        if interaction.guild is not None:
            speak(self._locale(interaction.guild))

    def _require_allowed(self, interaction: Interaction) -> tuple[GuildSettings, tuple[int, ...]]:
        """The settings here and the member's roles. Raises Refused where the lists do not let the bot answer them."""
        settings, roles = self._settings(interaction.guild, interaction.channel), roles_of(interaction.user)
        if interaction.guild is not None and not is_allowed(settings, places_of(interaction.channel), roles):
            raise Refused(texts.NOT_HERE)
        return settings, roles

    def _require(self, interaction: Interaction, asker_id: int | None) -> None:
        if interaction.user.id != asker_id and not self._moderates(interaction.user, interaction.permissions):
            raise Refused(texts.NOT_YOURS)

    def _seen_before(self, message_id: int) -> bool:
        """After a reconnect, Discord sends events again."""
        if message_id in self._seen:
            return True
        self._seen[message_id] = None
        while len(self._seen) > _REMEMBERED:
            del self._seen[next(iter(self._seen))]
        return False

    def _settings(self, guild: discord.Guild | None, channel: Any) -> GuildSettings:
        return self._guild_settings.of(guild.id if guild is not None else None, *places_of(channel))

    def _may_answer_unprompted(self, channel_id: int, settings: GuildSettings) -> bool:
        now = time.monotonic()
        last = self._last_unprompted.get(channel_id)
        if last is not None and now - last < settings.talk_cooldown:
            return False
        self._last_unprompted[channel_id] = now
        return True

    def _me(self, interaction: Interaction) -> int:
        return int(interaction.client.user.id) if interaction.client.user is not None else interaction.application_id


async def _first_part(message: discord.Message) -> discord.Message:
    """The message that an answer to /ask begins with, given any part of it."""
    reference = message.reference
    if message.interaction_metadata is not None or reference is None or reference.message_id is None:
        return message
    try:
        return await message.channel.fetch_message(reference.message_id)
    except discord.HTTPException as error:
        raise Refused(texts.ANSWER_GONE) from error


def _given_here(interaction: Interaction, reply: Reply) -> bool:
    """Whether a reply was given where a button below it was used."""
    return (reply.guild_id, reply.channel_id) == (interaction.guild_id, interaction.channel_id)


def ask_command(incoming: IncomingRequests) -> app_commands.Command[Any, ..., None]:
    """/ask, on servers and in direct messages."""

    @app_commands.command(name="ask", description="Ask me something")
    @app_commands.describe(question="What you would like to know")
    async def ask(interaction: Interaction, question: app_commands.Range[str, 1, _QUESTION]) -> None:
        await incoming.ask(interaction, question)

    return ask
