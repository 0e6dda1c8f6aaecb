"""Which servers the bot learns from, and whose moderators train it: by id, so that no other server can take the place.

The operator names them (`[training] servers`, `[discord] main_server`). Until then it is the server that the bot joined
first, which the store remembers for good. Knows no Discord objects, only ids.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from bot.settings import Settings
from storage.async_store import AsyncStore
from storage.servers import Voice
from storage.store import Store
from storage.waiting import WaitsFor
from trainer.voices import voice_of

__all__ = ["LearnedWords", "TrainingServers"]

LearnedWords = Literal["messages", "commands", "nothing"]


class TrainingServers:
    """One for a client."""

    def __init__(self, store: AsyncStore, settings: Settings) -> None:
        self._store = store
        self._named = settings.training.servers
        self._main = settings.discord.main_server
        self._settings = settings
        self._home: int | None = None
        self.consent = settings.consent
        self.learn_from = settings.training.learn_from

    async def remember(self, joined: Sequence[int] = ()) -> None:
        """Look which server was the first; of these, the earliest first, if none is remembered yet."""
        if self._home is None:
            self._home = await self._store.call(Store.remember_home_server, joined)

    @property
    def named(self) -> tuple[int, ...]:
        """The servers that the operator named, as the store wants them."""
        return self._named

    def voice(self, guild_id: int | None) -> Voice | None:
        """A server's own voice; None where all servers have one."""
        return voice_of(self._settings, guild_id)

    @property
    def apart(self) -> bool:
        """Whether each server has a voice of its own."""
        return self._settings.voices == "server"

    @property
    def servers(self) -> tuple[int, ...]:
        """The servers whose pairs are learned from; where each teaches its own voice, those that were named."""
        return self._named or (() if self._home is None else (self._home,))

    async def learned_words(self) -> LearnedWords:
        """What of members' words is learned from, once a moderator has approved the answer to them."""
        learned = await self._store.call(Store.learned_origins, self.learn_from)
        if "message" in learned:
            return "messages"
        return "commands" if "command" in learned else "nothing"

    def waits_for(self, store: Store, reply_id: int) -> tuple[WaitsFor, ...]:
        """What an approved reply waits for before it is learned from; for the store's own thread."""
        voice = self.voice(store.reply(reply_id).guild_id) if self.apart else None
        return store.waits_for(reply_id, self.consent, servers=self._named, learn_from=self.learn_from, voice=voice)

    @property
    def main(self) -> int | None:
        """The server whose moderators train, choose adapters, and see what was imported for every server."""
        return self._main if self._main is not None else next(iter(self.servers), None)

    def learns_from(self, guild_id: int | None) -> bool:
        """Whether a server's pairs are learned from."""
        if self.apart:
            return guild_id is not None and (not self._named or guild_id in self._named)
        return guild_id in self.servers

    def steers(self, guild_id: int) -> bool:
        """Whether a server's moderators train, and choose what answers them."""
        return self.learns_from(guild_id) if self.apart else guild_id == self.main

    def own(self, guild_id: int | None) -> int | None:
        """The server whose own voice its moderators steer; None where all servers have one."""
        return guild_id if self.apart else None

    def owners(self, guild_id: int) -> tuple[int | None, ...]:
        """Whose words a server's moderators are shown of a run: the server's own, and the operator's for the main one.

        Where the operator's teach each server's voice, every server's moderators judge it by them.
        """
        voice = self.voice(guild_id)
        shown = guild_id == self.main if voice is None else voice.imports
        return (None, guild_id) if shown else (guild_id,)

    def imports_shown_to(self, guild_id: int) -> tuple[int, ...] | None:
        """Servers whose imports, beside the operator's, a server's moderators see: for the main one only, else None."""
        if guild_id != self.main:
            return None
        return () if self.apart else self.servers
