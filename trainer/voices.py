"""Whose voice a server has by the settings, and what its night's work is. No torch."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from storage.servers import Voice
from storage.store import Store
from trainer.night_queue import Planned, plan
from trainer.settings import TrainerSettings

__all__ = ["planned", "voice_of"]


def voice_of(settings: TrainerSettings, guild_id: int | None) -> Voice | None:
    """The voice of a server; None is the one voice of all servers, as in direct messages."""
    if settings.voices == "one" or guild_id is None:
        return None
    return Voice(guild_id, settings.training.shared_imports)


def planned(
    store: Store, settings: TrainerSettings, *, first: Sequence[int] = (), without: Collection[int] = ()
) -> tuple[Planned, ...]:
    """The servers whose voices have enough to learn, in the order in which they train, see `night_queue.plan`."""
    training = settings.training
    news = store.server_news(
        settings.consent,
        servers=training.servers,
        learn_from=training.learn_from,
        imports=training.shared_imports,
    )
    return plan(news, min_pairs=training.min_pairs, min_new=training.min_new_pairs, first=first, without=without)
