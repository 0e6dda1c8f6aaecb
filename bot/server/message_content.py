"""Message content in /setup: whether it is learned from, and who may say that Discord has given its permission.

Discord's Developer Policy (rule 21) lets no application train on message content without its express permission. That
is given to the application, so it is not a server's setting: it holds for all servers, and only the application's owner
and the administrators of the main server may say that it was given. It is audited, and can be taken back.
"""

from __future__ import annotations

import re
from typing import Any, Self

import discord

from bot.discord_io.components import Component, Interaction
from bot.errors import Refused
from bot.i18n.en import moderation as words
from bot.server.moderators import Moderators
from bot.server.permissions import require_administrator
from storage.origins import MESSAGE_CONTENT
from storage.store import Store

__all__ = ["PermissionStep", "about_message_content"]


async def about_message_content(moderators: Moderators) -> tuple[str, PermissionStep | None]:
    """What the consent step says of message content, and its button; None where the operator's file decides."""
    servers = moderators.training_servers
    if set(servers.learn_from) & set(MESSAGE_CONTENT):
        return words.MESSAGE_CONTENT_BY_FILE, None
    permitted: bool = await moderators.store.call(Store.message_content_permitted)
    if permitted:
        return words.MESSAGE_CONTENT_PERMITTED, PermissionStep(on=False)
    counts = await moderators.store.read(
        Store.counts, servers.consent, servers=servers.named, learn_from=servers.learn_from
    )
    return words.message_content_forbidden(counts.excluded), PermissionStep(on=True)


class PermissionStep(
    Component[discord.ui.Button[Any]], template=r"nightshift:setup:message_content:(?P<on>permit|forbid)"
):
    """Says that Discord has given the application permission, or takes that back."""

    def __init__(self, *, on: bool) -> None:
        label = words.MESSAGE_CONTENT_PERMIT if on else words.MESSAGE_CONTENT_FORBID
        custom_id = f"nightshift:setup:message_content:{'permit' if on else 'forbid'}"
        super().__init__(discord.ui.Button(label=label, custom_id=custom_id))
        self.on = on

    @classmethod
    def from_match(cls, match: re.Match[str]) -> Self:
        return cls(on=match["on"] == "permit")

    async def use(self, interaction: Interaction) -> None:
        moderators: Moderators = interaction.client.moderators
        guild = require_administrator(interaction)
        if guild.id != moderators.training_servers.main and not _owns_application(interaction):
            raise Refused(words.MESSAGE_CONTENT_NOT_YOURS)
        action = "setup.message_content_permit" if self.on else "setup.message_content_forbid"
        act = moderators.act(interaction, action, everywhere=True)
        await moderators.store.call(
            lambda store: store.act(lambda held: held.permit_message_content(on=self.on), lambda _: act)
        )
        await interaction.client.setup.redraw(interaction)


def _owns_application(interaction: Interaction) -> bool:
    """Whether somebody owns the application, alone or as the owner of its team."""
    application = interaction.client.application
    if application is None:
        return False
    owner = application.team.owner_id if application.team is not None else application.owner.id
    return bool(interaction.user.id == owner)
