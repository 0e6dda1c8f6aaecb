"""A finding: what one look found, in a sentence that says how to fix it. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

__all__ = ["Finding", "State", "looked"]

State = Literal["good", "note", "broken"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What one look found. `note` is worth knowing; `broken` keeps Nightshift from working."""

    state: State
    subject: str
    text: str


def looked(subject: str, look: Callable[[], Finding]) -> Finding:
    """Look, and turn what goes wrong into a finding: one broken part must not hide the others."""
    from bot.errors import BotError
    from model.errors import ModelError
    from storage.errors import StorageError
    from trainer.errors import TrainerError

    try:
        return look()
    except (BotError, StorageError, ModelError, TrainerError) as error:
        return Finding("broken", subject, str(error))
    except Exception as error:  # noqa: BLE001 - a broken library may raise anything
        return Finding("broken", subject, f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}")
