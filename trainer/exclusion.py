"""Pairs that wait because of where their words came from, in words. Pure, and light to import."""

from __future__ import annotations

__all__ = ["words_excluded"]


def words_excluded(count: int) -> str:
    """How many pairs wait because of where their words came from, and what would change that; "" for none."""
    if not count:
        return ""
    more = "1 more pair waits" if count == 1 else f"{count} more pairs wait"
    return f"{more}, since training.learn_from leaves out words in them, such as Discord messages; see /setup."
