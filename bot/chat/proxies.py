"""Messages that an application posts again under another name (PluralKit, Tupperbox): each is answered once.

The member's own message comes first and is deleted; its proxied form follows within seconds. Whichever is being
answered when the second arrives is discarded, so that there is one answer and it replies to the message that remains.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field

__all__ = ["Original", "Originals"]

_SECONDS = 15.0  # within which a proxied form follows its original
_KEPT = 200


@dataclass
class Original:
    """A member's message that was taken as a request. `answered`: it has an answer."""

    channel_id: int
    message_id: int
    content: str
    answered: bool = False
    at: float = field(default_factory=time.monotonic)


class Originals:
    """The members' requests of the last seconds."""

    def __init__(self) -> None:
        self._latest: deque[Original] = deque(maxlen=_KEPT)

    def note(self, channel_id: int, message_id: int, content: str) -> Original:
        """Remember a request that is going to be answered."""
        original = Original(channel_id, message_id, content)
        self._latest.append(original)
        return original

    def behind(self, channel_id: int, content: str) -> Original | None:
        """The request that a proxied message repeats: the same text without the tags that chose the proxy."""
        since = time.monotonic() - _SECONDS
        return next(
            (
                one
                for one in reversed(self._latest)
                if one.channel_id == channel_id and one.at >= since and content.strip() in one.content
            ),
            None,
        )
