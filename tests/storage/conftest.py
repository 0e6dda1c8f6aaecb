"""A store on a real file, and the records tests write into it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from storage.reply_records import NewReply, Turn
from storage.run_records import Adapter
from storage.store import Store

ALICE, BOB, CAROL = 900_000_000_000_000_101, 900_000_000_000_000_102, 900_000_000_000_000_103


@pytest.fixture
def db_path(tmp_path: Path) -> Path:
    return tmp_path / "nightshift.db"


@pytest.fixture
def store(db_path: Path) -> Iterator[Store]:
    with Store.open(db_path) as opened:
        yield opened


def a_reply(
    question: str = "Where is the tea?", text: str = "Second shelf.", asker: int = ALICE, **changes
) -> NewReply:
    """A reply on Discord to one question by `asker`."""
    fields = {
        "source": "discord",
        "conversation": "discord:7:70",
        "turns": (Turn("system", "You are kind."), Turn("user", question, asker)),
        "text": text,
        "adapter": None,
        "base_model": "embedded",
        "asker_id": asker,
    }
    return NewReply(**{**fields, **changes})


@pytest.fixture
def add_adapter(store: Store) -> Callable[..., None]:
    """Put rows of these adapters into the store."""

    def add(*names: str) -> None:
        for name in names:
            store.add_adapter(Adapter(name, None, "embedded", "2026-11-23T04:00:00.000+00:00", {"seed": 1}))

    return add
