"""The metrics in Prometheus' format: what was counted since the start, and what a snapshot says. Needs `metrics`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from bot.errors import MetricsNotInstalled
from bot.monitoring.snapshot import Snapshot, families
from model.protocol import Completion, SwapReport

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

__all__ = ["Metrics"]

_SECONDS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 8.0, 13.0, 30.0, 60.0, 120.0)
_SPEEDS = (1.0, 2.0, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 60.0, 80.0, 120.0, 160.0, 240.0)
_PAUSES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0)


class Metrics:
    """One for a bot, with a registry of its own. Raises MetricsNotInstalled without the library."""

    def __init__(self) -> None:
        try:
            from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
        except ImportError as error:
            raise MetricsNotInstalled from error
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        by = ["source"]
        self._replies = Counter("nightshift_replies", "Replies by how they ended.", [*by, "outcome"], registry=registry)
        self._first = Histogram(
            "nightshift_first_token_seconds", "Until the first token.", by, buckets=_SECONDS, registry=registry
        )
        self._whole = Histogram(
            "nightshift_reply_seconds", "Until the last token.", by, buckets=_SECONDS, registry=registry
        )
        self._speed = Histogram(
            "nightshift_reply_tokens_per_second",
            "Speed of one reply after its first token.",
            by,
            buckets=_SPEEDS,
            registry=registry,
        )
        self._prompt = Counter("nightshift_prompt_tokens", "Tokens of prompts.", by, registry=registry)
        self._cached = Counter(
            "nightshift_prompt_tokens_cached", "Of these, not computed again.", by, registry=registry
        )
        self._completion = Counter("nightshift_completion_tokens", "Tokens of replies.", by, registry=registry)
        self._swap = Histogram(
            "nightshift_swap_pause_seconds",
            "How long no step could begin while the adapter in use was changed.",
            buckets=_PAUSES,
            registry=registry,
        )
        self._now = _Now()
        registry.register(self._now)

    def observer(self, source: str) -> Callable[[Completion | None], None]:
        """What is told of every finished reply from `source` ("discord", "api"); None is one that failed."""

        def observe(done: Completion | None) -> None:
            self._replies.labels(source, "failed" if done is None else done.finish_reason).inc()
            if done is None:
                return
            self._prompt.labels(source).inc(done.prompt_tokens)
            self._cached.labels(source).inc(done.cached_tokens)
            self._completion.labels(source).inc(done.completion_tokens)
            if done.completion_tokens:
                self._first.labels(source).observe(done.first_token_s)
                self._whole.labels(source).observe(done.seconds)
            if done.completion_tokens > 1 and done.seconds > done.first_token_s:
                speed = (done.completion_tokens - 1) / (done.seconds - done.first_token_s)
                self._speed.labels(source).observe(speed)

        return observe

    def swapped(self, report: SwapReport) -> None:
        """The adapter in use was changed."""
        self._swap.observe(report.pause_s)

    def text(self, now: Snapshot) -> tuple[bytes, str]:
        """Everything in Prometheus' format, and the type of that content."""
        from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

        self._now.snapshot = now
        return generate_latest(self._registry), CONTENT_TYPE_LATEST


class _Now:
    """Gives the metrics of the latest snapshot to the registry."""

    snapshot: Snapshot | None = None

    def describe(self) -> Iterator[Metric]:
        """None before the first snapshot: the registry asks when it is registered."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """The metrics of the moment."""
        return iter(()) if self.snapshot is None else families(self.snapshot)
