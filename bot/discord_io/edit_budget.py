"""How often the bot edits messages in one channel: a budget that all answers there share.

Discord takes about five edits in five seconds for a channel; beyond that every further one waits, the last one of an
answer included. So answers that grow spend only what is free, and the last edit of each is made on credit: it is
told how long to wait, in the order of asking. Knows no Discord objects.
"""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["EditBudget", "EditBudgets"]

BURST = 5
SECONDS = 5.0
_REMEMBERED = 1000  # channels


class EditBudget:
    """The budget of one channel: `burst` edits at once, and as many again in each `seconds`."""

    def __init__(self, burst: int = BURST, seconds: float = SECONDS, *, clock: Callable[[], float]) -> None:
        self._burst = burst
        self._rate = burst / seconds
        self._clock = clock
        self._left = float(burst)
        self._at = clock()

    def _refill(self) -> float:
        now = self._clock()
        self._left = min(float(self._burst), self._left + (now - self._at) * self._rate)
        self._at = now
        return self._left

    @property
    def has_spare(self) -> bool:
        """Whether an edit that could as well be left out may be made: one must stay free for an answer's last."""
        return self._refill() >= 1 + 1

    @property
    def full(self) -> bool:
        """Whether nothing was spent lately, so that this budget is as good as a new one."""
        return self._refill() >= self._burst

    def take(self) -> float:
        """Spend one edit, on credit if need be; returns the seconds to wait before making it."""
        self._left = self._refill() - 1
        return max(0.0, -self._left / self._rate)


class EditBudgets:
    """The budgets of all channels."""

    def __init__(self, *, clock: Callable[[], float] | None = None) -> None:
        # Not a default argument: a simulated Discord replaces the clock while its world runs.
        self._clock = clock or (lambda: time.monotonic())  # noqa: PLW0108
        self._edit_budgets: dict[int, EditBudget] = {}

    def of(self, channel_id: int) -> EditBudget:
        """The budget of a channel."""
        if len(self._edit_budgets) > _REMEMBERED:
            self._edit_budgets = {id_: one for id_, one in self._edit_budgets.items() if not one.full}
        return self._edit_budgets.setdefault(channel_id, EditBudget(clock=self._clock))
