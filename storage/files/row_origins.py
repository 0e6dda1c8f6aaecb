"""The origins of a pair in a file of ours: one name for each message, the reply's last.

So text that came from Discord stays that, wherever the file is imported. A file in which they are not named is the
operator's own material, but for turns that name their author. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import cast, get_args

from storage.files.row_rules import RowRefused
from storage.pair_records import NewPair, Pair
from storage.reply_records import STRICTEST_FIRST, Origin

__all__ = ["named_origins", "origins_to_write", "with_origins"]


def origins_to_write(pair: Pair | NewPair) -> list[Origin]:
    """What is written for a pair; nothing where all of it is an import."""
    unknown: Origin = "import" if isinstance(pair, NewPair) or pair.source != "discord" else "message"
    names: list[Origin] = [*(turn.origin or _unnamed(turn.role, unknown) for turn in pair.turns), pair.origin]
    # What the bot's words may quote, though it does not stand in the prompt itself: the reply counts as that.
    behind = pair.origins.difference(names) if isinstance(pair, Pair) else frozenset()
    names[-1] = min([names[-1], *behind], key=STRICTEST_FIRST.index)
    return [] if set(names) == {"import"} else names


def _unnamed(role: str, unknown: Origin) -> Origin:
    """The origin of a turn that an earlier version stored without one."""
    return "bot" if role == "assistant" and unknown == "message" else unknown


def named_origins(value: object, messages: int) -> list[Origin]:
    """The names in a row, as a list or as one text. Raises RowRefused if they do not fit its messages."""
    names = value.split() if isinstance(value, str) else value
    if not isinstance(names, list) or len(names) != messages or not all(one in get_args(Origin) for one in names):
        raise RowRefused('its "origins" do not name the origin of each message')
    return cast("list[Origin]", names)


def with_origins(pair: NewPair, names: Sequence[Origin]) -> NewPair:
    """The pair with these origins, one for each of its turns and one for its completion."""
    turns = tuple(replace(turn, origin=name) for turn, name in zip(pair.turns, names, strict=False))
    return replace(pair, turns=turns, origin=names[-1])
