"""The line under a member's first answer that says how learning works."""

from __future__ import annotations

import logging

from bot.i18n.en import texts
from bot.server.training_servers import TrainingServers
from bot.settings import Settings
from storage.async_store import AsyncStore
from storage.store import Store

__all__ = ["Introductions"]

_log = logging.getLogger(__name__)


class Introductions:
    """The line under the first answer to a member that says how learning works. A nicety: no answer waits for it."""

    def __init__(self, store: AsyncStore, settings: Settings, training_servers: TrainingServers) -> None:
        self._store = store
        self._training_servers = training_servers
        self._wanted = settings.privacy.introduce
        self._operator_consents = settings.consent == "operator"
        self._under_way: set[int] = set()  # members whose first answer is about to be shown

    async def line(self, user_id: int, guild_id: int | None) -> str:
        """The line, if this is a member's first answer, else nothing. Writes nothing: call `over` afterwards.

        It is not said where nothing that members write is learned from, such as on a server that does not teach.
        """
        elsewhere = guild_id is not None and not self._training_servers.learns_from(guild_id)
        if not self._wanted or elsewhere or user_id in self._under_way:
            return ""
        self._under_way.add(user_id)
        try:
            words = await self._training_servers.learned_words()
            told = words == "nothing" or await self._store.call(Store.introduced, user_id)
        except Exception:  # noqa: BLE001  (whatever fails in the store, there is an answer)
            _log.warning("Could not look up whether a member was told how learning works", exc_info=True)
            return ""
        return "" if told else texts.introduction(self._operator_consents, words)

    async def over(self, user_id: int, *, told: bool) -> None:
        """The answer was shown, or was not; `told`: it had the line."""
        try:
            if told:
                await self._store.call(Store.introduce, user_id)
        except Exception:  # noqa: BLE001  (then they are told once more)
            _log.warning("Could not note that a member was told how learning works", exc_info=True)
        finally:
            self._under_way.discard(user_id)
