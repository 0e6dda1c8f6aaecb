"""How hypothesis tries state machines that keep a store on the disk: few histories, and none is made shorter."""

from __future__ import annotations

from hypothesis import HealthCheck, Phase, settings

__all__ = ["HISTORIES"]

HISTORIES = settings(
    max_examples=25,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # to make a history shorter takes minutes of disk
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
