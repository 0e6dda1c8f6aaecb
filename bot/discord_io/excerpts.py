"""Excerpts: how much of somebody's words is shown where there is little room. Pure."""

from __future__ import annotations

__all__ = ["line", "quoted", "short"]


def short(text: str, limit: int) -> str:
    """At most so many characters; what was cut off is marked."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "\u2026"


def line(text: str, limit: int) -> str:
    """The same on one line."""
    return short(" ".join(text.split()), limit)


def quoted(text: str, limit: int) -> str:
    """As Discord shows a quotation; at most so many characters, with the signs that make it one."""
    return short("\n".join(f"> {one}" for one in text.splitlines()), limit)
