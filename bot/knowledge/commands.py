"""/knowledge: moderators add, list, refresh and remove the documents of their server, and try what a question finds."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import discord
from discord import app_commands

from bot.discord_io import limits
from bot.discord_io.components import Interaction, TextForm
from bot.discord_io.excerpts import line
from bot.discord_io.ids import places_of
from bot.discord_io.markup import as_link_text
from bot.discord_io.retry import UNSENT
from bot.errors import Refused
from bot.i18n.en import knowledge as texts
from bot.knowledge.reading import (
    Source,
    fetched,
    from_file,
    from_message,
    from_pins,
    message_at,
    title_of,
    words_of,
)
from bot.recall.audience import Audience
from bot.recall.found import found_embed
from bot.recall.memory import Memory
from bot.recall.prompt import fitting
from bot.recall.records import Question, limits_of
from bot.server.moderator_group import ModeratorGroup
from bot.server.moderators import Moderators, server_of
from model.config import MemoryConfig
from model.protocol import ChatEngine
from storage.files.document_text import chunks_of_text
from storage.recall_records import Document, NewDocument
from storage.store import Store

__all__ = ["KnowledgeCommands", "save_as_fact"]

_LISTED = 20
_FACT = limits.FORM
AnyChannel = discord.TextChannel | discord.VoiceChannel | discord.Thread


class KnowledgeCommands(ModeratorGroup, name="knowledge", description="What I can look things up in"):
    """The group /knowledge, for moderators of a whole server."""

    def __init__(self, moderators: Moderators, memory: Memory, engine: ChatEngine, config: MemoryConfig) -> None:
        super().__init__(moderators.require_server)
        self._moderators = moderators
        self._memory = memory
        self._engine = engine
        self._config = config

    @app_commands.command(name="add", description="Add a file, a message or a channel's pinned messages")
    @app_commands.describe(
        file="A Markdown, text, HTML or PDF file",
        message="A link to a message",
        pins="A channel whose pinned messages I should read",
        title="What to call it",
        link="Where members can read it",
    )
    async def add(  # noqa: PLR0917 - a command's options
        self,
        interaction: Interaction,
        file: discord.Attachment | None = None,
        message: str | None = None,
        pins: AnyChannel | None = None,
        title: app_commands.Range[str, 1, 80] | None = None,
        link: app_commands.Range[str, 8, 400] | None = None,
    ) -> None:
        guild = server_of(interaction)
        if sum(one is not None for one in (file, message, pins)) != 1:
            raise Refused(texts.CHOOSE_ONE)
        if link is not None and not link.startswith(("https://", "http://")):
            raise Refused(texts.LINK_INVALID)
        await interaction.response.defer(ephemeral=True, thinking=True)
        source = await self._read(interaction, file, message, pins)
        # A file without a link is posted, so that there is something to link to.
        said = await _posted(interaction, file, title or source.title) if file is not None and link is None else None
        posted = said and f"https://discord.com/channels/{guild.id}/{said.channel.id}/{said.id}"
        document = NewDocument(
            guild_id=guild.id,
            title=title or source.title,
            kind=source.kind,
            added_by=interaction.user.display_name,
            added_by_id=interaction.user.id,
            url=link or posted or source.url,
            channel_id=source.channel_id,
            message_id=source.message_id,
        )
        async with _taken_back(said):
            number = await self._store(interaction, document, source)
        told = limits.content(texts.added(document.title, number, len(source.chunks)))
        await interaction.edit_original_response(content=told)
        if said is not None:
            await said.edit(content=told)

    @app_commands.command(name="list", description="List what I can look things up in")
    async def list_(self, interaction: Interaction) -> None:
        found = await self._documents(interaction)
        if not found:
            raise Refused(texts.NONE)
        lines = [
            texts.listed(
                one.id, as_link_text(one.title), one.url, one.chunks, f"<#{one.channel_id}>" if one.channel_id else ""
            )
            for one in found[:_LISTED]
        ]
        lines += [texts.more(len(found) - _LISTED)] if len(found) > _LISTED else []
        embed = limits.Embed(title=texts.LIST_TITLE, description="\n".join(lines), colour=discord.Colour.blurple())
        await interaction.response.send_message(embed=embed, ephemeral=True)

    @app_commands.command(name="refresh", description="Read a message or pinned messages again")
    @app_commands.describe(document="Its number, or some of its title")
    async def refresh(self, interaction: Interaction, document: str) -> None:
        guild, held = server_of(interaction), await self._chosen(interaction, document)
        await interaction.response.defer(ephemeral=True, thinking=True)
        member: Any = interaction.user
        if held.kind == "message" and held.channel_id and held.message_id:  # the link may be a moderator's own
            source = await message_at(member, self._moderators, held.channel_id, held.message_id)
        elif held.kind == "pins" and held.channel_id:
            source = await from_pins(member, self._moderators, held.channel_id)
        else:
            raise Refused(texts.FILE_NOT_REFRESHED)
        act = self._moderators.act(interaction, "knowledge.refresh", str(held.id))
        limit, before = limits_of(self._config), await self._moderators.store.read(Store.chunks_of, held.id)
        title = source.title if before and held.title == title_of(before[0].text) else held.title

        def replace(store: Store) -> None:
            store.replace_document(guild.id, held.id, source.chunks, limit, title=title)

        await self._moderators.store.call(Store.act, replace, lambda _: act)
        told = limits.content(texts.refreshed(title, len(source.chunks)))
        await interaction.followup.send(told, ephemeral=True)

    @app_commands.command(name="remove", description="Forget a document")
    @app_commands.describe(document="Its number, or some of its title")
    async def remove(self, interaction: Interaction, document: str) -> None:
        guild, held = server_of(interaction), await self._chosen(interaction, document)
        act = self._moderators.act(interaction, "knowledge.remove", str(held.id))
        await self._moderators.store.call(
            Store.act, lambda store: store.remove_document(guild.id, held.id), lambda _: act
        )
        await interaction.response.send_message(limits.content(texts.removed(held.title)), ephemeral=True)

    @refresh.autocomplete("document")
    @remove.autocomplete("document")
    async def matching(self, interaction: Interaction, typed: str) -> list[app_commands.Choice[str]]:
        """The documents to choose from. A group's check does not cover this."""
        try:
            self._moderators.require_server(interaction)
        except Refused:
            return []
        found = [one for one in await self._documents(interaction) if typed.casefold() in one.title.casefold()]
        names = [line(limits.content(f"{one.id}: {one.title}"), limits.CHOICE) for one in found[:25]]
        return [app_commands.Choice(name=name, value=str(one.id)) for name, one in zip(names, found[:25], strict=True)]

    @app_commands.command(name="try", description="See what I would look up for a question here")
    @app_commands.describe(question="What a member might ask")
    async def try_(self, interaction: Interaction, question: app_commands.Range[str, 1, 1500]) -> None:
        guild = server_of(interaction)
        await interaction.response.defer(ephemeral=True, thinking=True)
        audience = Audience(self._moderators.readers, interaction.user, interaction.channel)
        places = places_of(interaction.channel)
        found = await self._memory.recall(Question(question, guild.id, places, audience.may_be_shown))
        config = self._config
        shown = fitting(
            found,
            self._engine.count_tokens,
            chunk_tokens=config.chunk_tokens,
            example_tokens=config.example_tokens,
        )
        told = None if self._memory.vectors.ready else texts.SEARCHED_BY_WORDS
        embed = found_embed(texts.TRY_TITLE, shown)
        await interaction.followup.send(content=told or discord.utils.MISSING, embed=embed, ephemeral=True)

    async def _read(
        self, interaction: Interaction, file: discord.Attachment | None, message: str | None, pins: AnyChannel | None
    ) -> Source:
        member: Any = interaction.user
        if file is not None:
            return await from_file(file)
        if message is not None:
            return await from_message(member, self._moderators, message)
        assert pins is not None  # noqa: S101  (for the type checker: one of three was given)
        return await from_pins(member, self._moderators, pins.id)

    async def _store(self, interaction: Interaction, document: NewDocument, source: Source) -> int:
        act = self._moderators.act(interaction, "knowledge.add", document.kind)
        limit = limits_of(self._config)
        number: int = await self._moderators.store.call(
            Store.act, lambda store: store.add_document(document, source.chunks, limit), lambda _: act
        )
        return number

    async def _documents(self, interaction: Interaction) -> list[Document]:
        """Those that a moderator may know of: none from channels that they cannot read."""
        guild = server_of(interaction)
        held = await self._moderators.store.read(Store.documents, guild.id)
        member: Any = interaction.user
        return [
            one
            for one in held
            if one.channel_id is None or await self._moderators.readers.may_read(member, one.channel_id)
        ]

    async def _chosen(self, interaction: Interaction, wanted: str) -> Document:
        found = _named(await self._documents(interaction), wanted.strip().casefold())
        if not found:
            raise Refused(texts.GONE)
        if len(found) > 1:
            raise Refused(texts.NAME_ONE)
        return found[0]


def save_as_fact(moderators: Moderators, config: MemoryConfig, *, hidden: bool) -> app_commands.ContextMenu:
    """*Save as fact* in the Apps menu of a message: a form with its words, which become a document."""

    async def callback(interaction: Interaction, message: discord.Message) -> None:
        guild = moderators.require_server(interaction)
        text = message.content.strip()
        if not text:
            raise Refused(texts.FACT_EMPTY)

        async def submit(submitted: Interaction, written: str) -> None:
            moderators.require_server(submitted)
            await words_of(await fetched(message.channel, message.id), moderators)  # the form may have been open long
            author = None if message.author.bot else message.author.id
            document = NewDocument(
                guild_id=guild.id,
                title=title_of(written),
                kind="fact",
                added_by=submitted.user.display_name,
                added_by_id=submitted.user.id,
                url=message.jump_url,
                channel_id=message.channel.id,
                message_id=message.id,
            )
            act = moderators.act(submitted, "knowledge.add", "fact")
            chunks = await asyncio.to_thread(chunks_of_text, written, message_id=message.id, author_id=author)
            await moderators.store.call(
                Store.act, lambda store: store.add_document(document, chunks, limits_of(config)), lambda _: act
            )
            await submitted.response.send_message(texts.FACT_SAVED, ephemeral=True)

        form = TextForm(
            submit,
            title=texts.FACT_TITLE,
            label=texts.FACT_LABEL,
            custom_id="fact",
            default=text[:_FACT],
            max_length=_FACT,
        )
        await interaction.response.send_modal(form)

    menu = app_commands.ContextMenu(name=texts.SAVE_AS_FACT, callback=callback)
    menu.guild_only = True
    if hidden:
        menu.default_permissions = discord.Permissions(manage_messages=True)
    return menu


async def _posted(interaction: Interaction, file: discord.Attachment, title: str) -> discord.WebhookMessage:
    """The file in a message that everybody can read. The first answer is for the moderator alone, the second is not."""
    copy = discord.File(io.BytesIO(await file.read()), file.filename)
    await interaction.edit_original_response(content=limits.content(title))
    return await interaction.followup.send(limits.content(title), file=copy, wait=True)


@asynccontextmanager
async def _taken_back(said: discord.WebhookMessage | None) -> AsyncIterator[None]:
    """Delete what was posted if its document cannot be stored."""
    try:
        yield
    except BaseException:
        if said is not None:
            with suppress(*UNSENT):
                await said.delete()
        raise


def _named(documents: Sequence[Document], wanted: str) -> list[Document]:
    """Those that are meant: by number or whole title, else by some of the title. A number means no part of a title."""
    exact = [one for one in documents if wanted in {str(one.id), one.title.casefold()}]
    by_number = [one for one in exact if str(one.id) == wanted]
    if exact or not wanted or wanted.isdecimal():
        return by_number or exact
    return [one for one in documents if wanted in one.title.casefold()]
