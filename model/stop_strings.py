"""Stop strings: text that comes in pieces is cut before the first of them, and no part of one is ever shown."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["StopFilter"]


class StopFilter:
    """Cuts one reply. `stopped` becomes true when a stop string was completed; nothing is shown from then on."""

    def __init__(self, stop: Iterable[str]) -> None:
        self._stop = tuple(text for text in stop if text)
        self._held = ""
        self.stopped = False

    def push(self, piece: str) -> str:
        """Take a piece; returns what may be shown."""
        if self.stopped:
            return ""
        candidate = self._held + piece
        found = [at for at in (candidate.find(stop) for stop in self._stop) if at >= 0]
        if found:
            self.stopped, self._held = True, ""
            return candidate[: min(found)]
        keep = max((_overlap(candidate, stop) for stop in self._stop), default=0)
        self._held = candidate[len(candidate) - keep :] if keep else ""
        return candidate[: len(candidate) - keep]

    def flush(self) -> str:
        """The end: what was held back is text after all."""
        held, self._held = self._held, ""
        return held


def _overlap(text: str, stop: str) -> int:
    """Length of the longest end of `text` that a stop string could begin with."""
    return next((n for n in range(min(len(stop) - 1, len(text)), 0, -1) if text.endswith(stop[:n])), 0)
