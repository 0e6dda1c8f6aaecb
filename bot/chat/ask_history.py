"""How much of the channel an answer to /ask is shown.

The messages before it are message content, so with them its pair is learned from only where message content is. Left
out, the pair counts: its question was typed into a command. A question asked by a message is shown them in any case.
"""

from __future__ import annotations

from bot.chat.request import ChatRequest, CommandRequest
from bot.server.training_servers import TrainingServers
from bot.settings import DiscordConfig

__all__ = ["messages_shown"]


async def messages_shown(request: ChatRequest, config: DiscordConfig, training_servers: TrainingServers) -> int:
    """How many earlier messages of the channel the request is shown at most."""
    recent, wanted = config.context_messages, config.ask_history
    if not recent or wanted == "always" or not isinstance(request, CommandRequest):
        return recent
    if wanted == "never":
        return 0
    if not training_servers.learns_from(request.guild_id):
        return recent  # nothing is learned there, also in direct messages, which nobody reviews
    return recent if await training_servers.learned_words() == "messages" else 0
