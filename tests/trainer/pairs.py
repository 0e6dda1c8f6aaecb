"""Pairs for the trainer's tests."""

from __future__ import annotations

from storage.pair_records import NewPair, Pair
from storage.reply_records import Turn

COLOURS = ("red", "green", "blue", "white", "black", "grey", "brown", "pink", "gold", "teal")


def a_pair(number=1, question="Where is the tea?", completion="Second shelf.", **changes):
    """One approved pair of a question and an answer, in a conversation of its own."""
    fields = {
        "reply_id": number,
        "conversation": f"discord:7:{number}",
        "turns": (Turn("user", question, 42),),
        "completion": completion,
        "approved_at": "2026-11-23T04:00:00.000+00:00",
        "edited": False,
        "source": "discord",
        "reviewer": "mod",
        "adapter": None,
        "authors": (42,),
    }
    return Pair(**{**fields, **changes})


def new_pairs(count):
    """Short questions with answers in one pattern that a tiny model can pick up."""
    return [
        NewPair((Turn("user", f"boat {n} {COLOURS[n % 10]}?"),), f"harbour {COLOURS[n % 10]} light")
        for n in range(count)
    ]
