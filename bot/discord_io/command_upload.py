"""The upload of the bot's commands to Discord: only when something changed, and never in the way of the bot itself.

Discord keeps an application's commands, also while the bot is away. So a failed upload costs nobody more than what is
new: the bot uses the commands that are there, and tries again.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import logging
from typing import Any

import discord
from discord import app_commands

from bot.discord_io.retry import UNSENT
from storage.async_store import AsyncStore
from storage.store import Store

__all__ = ["CommandUpload"]

_log = logging.getLogger(__name__)
_STATE = "commands uploaded"
_FIRST_TRY_S = 20.0  # a rate limit on commands can last for hours: the bot does not wait for it
_PAUSES = (30.0, 120.0, 600.0, 3600.0)  # seconds before each further attempt; the last one again and again


class CommandUpload:
    """Brings the commands of a tree to Discord. `start` once, `close` at the end."""

    def __init__(self, tree: app_commands.CommandTree[Any], store: AsyncStore) -> None:
        self._tree = tree
        self._store = store
        self._again: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Upload what changed. Where that fails, go on trying beside everything else."""
        if not await self._try(_FIRST_TRY_S):
            self._again = asyncio.create_task(self._keep_trying())

    async def close(self) -> None:
        """Try no more."""
        if self._again is not None:
            self._again.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._again

    async def _keep_trying(self) -> None:
        attempt = 0
        while True:
            await asyncio.sleep(_PAUSES[min(attempt, len(_PAUSES) - 1)])
            attempt += 1
            if await self._try(None):
                return

    async def _try(self, seconds: float | None) -> bool:
        """Whether Discord has the present commands now."""
        try:
            async with asyncio.timeout(seconds):
                await self._upload()
        except Exception as error:  # noqa: BLE001  (without new commands the bot is of use, without its start it is not)
            _log.warning(
                "The commands could not be uploaded (%s); those that Discord has stay, and I will try again",
                error or type(error).__name__,
                exc_info=not isinstance(error, UNSENT),
            )
            return False
        return True

    async def _upload(self) -> None:
        wanted = await self._fingerprint()
        kept: str | None = await self._store.call(Store.state, _STATE)
        stored: dict[str, Any] = json.loads(kept) if kept else {}
        if stored.get("wanted") == wanted and await self._stand(stored.get("versions")):
            return
        versions = _versions(await self._tree.sync())
        await self._store.call(Store.set_state, _STATE, json.dumps({"wanted": wanted, "versions": versions}))
        _log.info("%d commands uploaded", len(versions))

    async def _stand(self, versions: Any) -> bool:
        """Whether Discord still has what was uploaded: somebody may have changed it from elsewhere."""
        try:
            found = await self._tree.fetch_commands()
        except discord.HTTPException:
            return True  # it does not say, and an upload would hardly fare better
        return bool(_versions(found) == versions)

    async def _fingerprint(self) -> str:
        """Application and commands, as Discord would get them."""
        tree, client = self._tree, self._tree.client
        payload = [
            await one.get_translated_payload(tree, tree.translator) if tree.translator else one.to_dict(tree)
            for one in tree.get_commands()
        ]
        text = json.dumps([client.application_id, payload], sort_keys=True, default=str)
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _versions(commands: list[app_commands.AppCommand]) -> list[str]:
    """What tells these commands from any others: Discord gives each a number of its own."""
    return sorted(f"{one.type.value}:{one.name}:{one.id}" for one in commands)
