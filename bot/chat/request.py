"""A request to the bot: a message, the command /ask, or Regenerate and Continue below an earlier answer.

Each knows who asks and where, the context of the answer, and how the answer is posted. bot/chat/answering.py answers.
"""

from __future__ import annotations

from typing import Any, Protocol

import discord

from bot.chat.answer_messages import UNKNOWN_MESSAGE, InteractionEditor, edit, in_reply, without_previews
from bot.chat.context import Context, HistoryMessage, compose, plain_text, shorten
from bot.chat.existing_answer import ExistingAnswer
from bot.chat.history import HistoryReader, names_for
from bot.chat.window import TokenBudget
from bot.discord_io.components import Interaction
from bot.discord_io.retry import unreached
from bot.discord_io.sanitize import quotation
from bot.errors import Refused
from bot.i18n.en import texts
from bot.server.guild_settings import GuildSettings
from storage.async_store import AsyncStore
from storage.reply_records import Answered
from storage.store import Store

__all__ = ["ChatRequest", "CommandRequest", "MessageRequest", "RegenerateRequest"]


_UNKNOWN = 0  # of the bot's messages in a stored conversation only the people are known whom they answered


class ChatRequest(Protocol):
    """What is needed to answer.

    Attributes:
        id: of the message or interaction that asked; the buttons of its answer carry it.
        settings: the settings of this place at the time of asking.
        heading: text above the answer that is not part of it.
        thinking: Discord shows already that an answer is on its way.
        unprompted: nobody asked; an administrator opened the channel.
        prompt_message_id: the message that is answered, where there is one.
        answer_message_id: the message that will hold the answer, where there is one already.
        existing: the answer that is replaced or continued, if there is one.
    """

    id: int
    asker: discord.User | discord.Member
    guild: discord.Guild | None
    channel: Any
    settings: GuildSettings
    heading: str = ""
    thinking: bool = False
    unprompted: bool = False
    prompt_message_id: int | None = None
    answer_message_id: int | None = None
    existing: ExistingAnswer | None = None

    async def context(self, reader: HistoryReader, budget: TokenBudget) -> Context | None:
        """What the model is shown; None when there is nothing to answer.

        Raises:
            discord.NotFound: the message that asked was deleted.
        """

    async def send(self, content: str, first: discord.Message | None, **extras: Any) -> discord.Message:
        """Post one part of the answer; `first` is the first part (None for the first itself)."""

    async def edit(self, message: discord.Message, **changes: Any) -> None:
        """Change a part that was posted."""
        await edit(message, **changes)

    @property
    def asker_id(self) -> int:
        """Who may stop, regenerate or delete the answer."""
        return self.asker.id

    @property
    def text_so_far(self) -> str:
        """The text to continue, if there is any."""
        return self.existing.text_so_far if self.existing is not None else ""

    @property
    def may_wait(self) -> bool:
        """Whether the answer may have to wait for the moderators, and so is not shown while it grows."""
        return self.settings.hold or (bool(self.settings.unsure) and self.existing is None)

    @property
    def own_name(self) -> str:
        """The bot's name where it was asked."""
        me = self.guild.me if self.guild is not None else getattr(self.channel, "me", None)
        return me.display_name if me is not None else ""

    @property
    def guild_id(self) -> int | None:
        """The server it was asked on; None for a direct message."""
        return self.guild.id if self.guild is not None else None


class MessageRequest(ChatRequest):
    """A message that mentions the bot, replies to it, or is in a channel where the bot answers unprompted."""

    def __init__(self, message: discord.Message, settings: GuildSettings, *, unprompted: bool = False) -> None:
        self.id = self.prompt_message_id = message.id
        self.asker, self.guild, self.channel = message.author, message.guild, message.channel
        self.settings, self.unprompted = settings, unprompted
        self._message = message
        self._post = in_reply(message.channel, message, message.id)

    async def context(self, reader: HistoryReader, budget: TokenBudget) -> Context | None:
        history, root = await reader.reply_chain(self._message)
        if not history or not history[-1].text:
            # A bare mention asks nothing, whatever was said before it. Nor does a reply without a ping if the bot has
            # no Message Content intent: Discord withholds its words.
            return None
        return compose(history, channel_id=self.channel.id, root=root, budget=budget, starts=reader.starts)

    async def send(self, content: str, first: discord.Message | None, **extras: Any) -> discord.Message:
        return await self._post(content, first, **extras)


class CommandRequest(ChatRequest):
    """/ask, deferred already; `message_id` is that of the message which will hold the answer."""

    thinking = True

    def __init__(self, interaction: Interaction, question: str, message_id: int, settings: GuildSettings) -> None:
        self.id, self.asker = interaction.id, interaction.user
        self.guild, self.channel, self.settings = interaction.guild, interaction.channel, settings
        self.heading, self.answer_message_id = texts.asked(quotation(question)), message_id
        self._interaction, self._question, self._message_id = interaction, question, message_id
        self._post = in_reply(interaction.channel, None, interaction.id)
        self._editor = InteractionEditor(interaction, message_id)

    async def context(self, reader: HistoryReader, budget: TokenBudget) -> Context | None:
        text = plain_text(self._question, await names_for(self.guild, self._question), me=reader.me)
        if not text:
            return None
        asked = HistoryMessage(self._message_id, self.asker.id, self.asker.display_name, text, origin="command")
        history = await reader.recent_messages(self.channel, before=self._message_id)
        channel_id = self._interaction.channel_id or 0
        said = [*history, asked]
        return compose(said, channel_id=channel_id, root=self._message_id, budget=budget, starts=reader.starts)

    async def send(self, content: str, first: discord.Message | None, **extras: Any) -> discord.Message:
        if first is not None:
            try:
                return await self._post(content, first, **extras)
            except discord.Forbidden:  # a channel that the bot cannot see: its commands work there all the same
                return await self._interaction.followup.send(content, wait=True, **extras)
        # Fill in the deferred message: a retry posts no second message, as a follow-up would.
        try:
            message = await self._interaction.edit_original_response(content=content, **extras)
        except discord.HTTPException as error:
            if unreached(error) or error.code == UNKNOWN_MESSAGE or not self._interaction.is_expired():
                raise
            return await self._post(content, None, **extras)  # it took too long for that message
        if "://" in content:
            await without_previews(message)
        return message

    async def edit(self, message: discord.Message, **changes: Any) -> None:
        await self._editor.edit(message, **changes)


class RegenerateRequest(ChatRequest):
    """Another answer in place of the existing one, or the rest of it.

    The context is the stored one, so this works after a restart and shows the model no more than it was shown then.
    The reply is read from the store again: the text of messages deleted since then is not used.
    """

    def __init__(
        self,
        interaction: Interaction,
        existing: ExistingAnswer,
        settings: GuildSettings,
        store: AsyncStore,
    ) -> None:
        self.id, self.asker = interaction.id, interaction.user
        self.guild, self.channel, self.settings = interaction.guild, interaction.channel, settings
        self.existing, self.heading = existing, existing.heading
        self._reply, self._store = existing.reply, store
        self.prompt_message_id = self._reply.prompt_message_id
        self._post = in_reply(interaction.channel, existing.messages[0], interaction.id)
        self._editor = InteractionEditor(interaction, existing.messages[-1].id)

    @property
    def asker_id(self) -> int:
        """Who asked at first; not `asker` when a moderator asks for another answer."""
        return self._reply.asker_id or self.asker.id

    async def context(self, _reader: HistoryReader, budget: TokenBudget) -> Context | None:
        now = await self._store.call(Store.reply, self._reply.id)
        if now.redacted:
            raise Refused(texts.ANSWER_GONE)
        turns = [turn for turn in now.turns if turn.role != "system"]
        people = await self._store.call(Store.people_in_reply, self._reply.id)
        answered = frozenset(Answered(_UNKNOWN, person, _UNKNOWN) for person in people)
        return Context(shorten(turns, budget.fits), self._reply.conversation, answered=answered)

    async def send(self, content: str, first: discord.Message | None, **extras: Any) -> discord.Message:
        return await self._post(content, first, **extras)

    async def edit(self, message: discord.Message, **changes: Any) -> None:
        await self._editor.edit(message, **changes)
