"""What decides whether a Discord message is answered, read from the message for bot/chat/trigger.py."""

from __future__ import annotations

import discord

from bot.chat.context import name_prefix_length
from bot.chat.message_text import is_automated, is_proxied
from bot.chat.replied_to import author_replied_to
from bot.chat.trigger import TriggerFacts, addresses_by_name
from bot.discord_io.ids import places_of, roles_of

__all__ = ["facts_of"]

_MEMBER_MESSAGES = (discord.MessageType.default, discord.MessageType.reply)


async def facts_of(message: discord.Message, me: int) -> TriggerFacts | None:
    """What the trigger of the bot with the user id `me` needs to know of a message.

    None for bots', webhooks' and Discord's own messages.

    A message that was proxied for a member is that member's, under the name it carries.
    """
    if message.author.id == me or message.type not in _MEMBER_MESSAGES:
        return None
    if is_automated(message) and not is_proxied(message):
        return None
    if message.guild is None:
        return TriggerFacts(
            True, mentions_bot=True, names_bot=False, mentions_others=False, places=(message.channel.id,), roles=()
        )
    name = message.guild.me.display_name
    own_role = message.guild.self_role  # Discord offers it beside the bot when somebody types its name
    mine = {me} | ({own_role.id} if own_role is not None else set())
    meant = {one.id for one in (*message.mentions, *message.role_mentions)}
    if (author := await author_replied_to(message)) is not None:
        meant.add(author)
    return TriggerFacts(
        direct=False,
        mentions_bot=bool(meant & mine or name_prefix_length(message.content, name)),
        names_bot=addresses_by_name(message.content, name),
        mentions_others=bool(meant - mine or message.mention_everyone),
        places=places_of(message.channel),
        roles=roles_of(message.author),
    )
