"""The /privacy commands: what is stored of a member, and their say in it. All answers are theirs alone to see.

Works in direct messages too. What is stored and removed is the store's business; this asks and words the answer.
"""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Awaitable, Callable

import discord
from discord import app_commands

from bot.discord_io.deferral import in_time, redraw, respond
from bot.discord_io.interaction_errors import answered
from bot.i18n.en import texts
from bot.server.training_servers import TrainingServers
from bot.settings import Settings
from storage.async_store import AsyncStore
from storage.store import Store

__all__ = ["privacy_commands"]

_TIME_TO_DECIDE = 300  # seconds a confirmation waits
_FILE_LIMIT = 8_000_000  # bytes; above it an export is packed
_PART = 8_000_000  # and above this sent in parts; Discord takes 10 MB

Forgotten = Callable[[tuple[int, ...]], Awaitable[None]]


def privacy_commands(
    store: AsyncStore, settings: Settings, redacted: Forgotten, training_servers: TrainingServers
) -> app_commands.Group:
    """The group, ready for the tree. `redacted` gets the replies whose words were removed."""

    def with_place(text: str, guild_id: int | None) -> str:
        """The text, and that the server at hand does not teach where that is so."""
        here = guild_id is None or training_servers.learns_from(guild_id)
        return text if here else f"{text}\n{texts.NOT_LEARNING_HERE}"

    operator = settings.consent == "operator"
    days = settings.privacy.retention_days
    group = app_commands.Group(name="privacy", description="Your data: what I store, and whether I may learn from it")

    @group.command(name="status", description="See what I have stored about you, and whether I may train on it")
    async def status(interaction: discord.Interaction) -> None:
        held = await in_time(interaction, store.read(Store.member_data, interaction.user.id))
        text = texts.privacy_status(
            held.opted_in,
            operator,
            await training_servers.learned_words(),
            messages=held.messages,
            answers=held.answers,
            adapters=held.adapters,
            days=days,
        )
        await respond(interaction, content=with_place(text, interaction.guild_id))

    @group.command(name="opt-in", description="Let me learn from your messages and my approved answers to you")
    async def opt_in(interaction: discord.Interaction) -> None:
        await store.call(Store.set_consent, interaction.user.id, True)
        await interaction.response.send_message(
            with_place(texts.privacy_in(operator, await training_servers.learned_words()), interaction.guild_id),
            ephemeral=True,
        )

    @group.command(name="opt-out", description="Keep your messages out of training")
    async def opt_out(interaction: discord.Interaction) -> None:
        await store.call(Store.set_consent, interaction.user.id, False)
        said = texts.privacy_out(operator, await training_servers.learned_words())
        await interaction.response.send_message(said, ephemeral=True)

    @group.command(name="export", description="Get everything I have stored about you as a file")
    async def export(interaction: discord.Interaction) -> None:
        await interaction.response.defer(ephemeral=True, thinking=True)
        held = await store.read(Store.export_member, interaction.user.id)
        written, name = json.dumps(held, ensure_ascii=False, indent=2).encode(), "nightshift-my-data.json"
        if len(written) > _FILE_LIMIT:
            written, name = gzip.compress(written), f"{name}.gz"
        parts = [written[start : start + _PART] for start in range(0, len(written), _PART)]
        for number, part in enumerate(parts, start=1):
            file = discord.File(io.BytesIO(part), filename=name if len(parts) == 1 else f"{name}.{number}")
            said = texts.EXPORTED if len(parts) == 1 else texts.exported_part(number, len(parts))
            await interaction.followup.send(said, file=file, ephemeral=True)

    @group.command(name="forget", description="Delete your messages and my answers to you from my storage")
    async def forget(interaction: discord.Interaction) -> None:
        held = await in_time(interaction, store.read(Store.member_data, interaction.user.id))
        view = _Confirmation(interaction, store, redacted)
        await respond(interaction, content=texts.forget_question(held.messages, held.answers), view=view)

    return group


class _Confirmation(discord.ui.View):
    """Asks once more before words are removed for good."""

    def __init__(self, asked: discord.Interaction, store: AsyncStore, redacted: Forgotten) -> None:
        super().__init__(timeout=_TIME_TO_DECIDE)
        self._asked = asked
        self._store = store
        self._redacted = redacted
        self._over = texts.FORGET_TIMED_OUT  # in the language of who asked
        self.add_item(_Choice(texts.FORGET_YES, discord.ButtonStyle.danger, self._forget))
        self.add_item(_Choice(texts.FORGET_NO, discord.ButtonStyle.secondary, self._keep))

    async def _forget(self, interaction: discord.Interaction) -> None:
        self.stop()
        done = await in_time(interaction, self._store.call(Store.forget, interaction.user.id, interaction.id))
        await redraw(interaction, content=texts.forgotten(len(done.replies), len(done.adapters)), view=None)
        await self._redacted(done.replies)

    async def _keep(self, interaction: discord.Interaction) -> None:
        self.stop()
        await interaction.response.edit_message(content=texts.FORGET_KEPT, view=None)

    async def on_timeout(self) -> None:
        await self._asked.edit_original_response(content=self._over, view=None)


class _Choice(discord.ui.Button[_Confirmation]):
    """A button that does one thing."""

    def __init__(
        self,
        label: str,
        style: discord.ButtonStyle,
        then: Callable[[discord.Interaction], Awaitable[None]],
    ) -> None:
        super().__init__(label=label, style=style)
        self._then = then

    @answered
    async def callback(self, interaction: discord.Interaction) -> None:
        await self._then(interaction)
