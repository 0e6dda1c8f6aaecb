"""What was found, as moderators see it: each piece with its score and what it costs in tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import discord

from bot.discord_io import limits
from bot.discord_io.excerpts import line
from bot.i18n.en import knowledge as texts
from bot.recall.records import Shown

__all__ = ["Piece", "embed_of", "found_embed", "pieces_of"]

_SHOWN = 150  # characters of a text


@dataclass(frozen=True)
class Piece:
    """One thing that was found: where it is from, what it says, its score from 0 to 1 and its tokens."""

    name: str
    text: str
    score: float
    tokens: int
    url: str | None = None


def pieces_of(shown: Shown) -> list[Piece]:
    """All that is shown, documents first."""
    costs = [*shown.tokens, *(0 for _ in (*shown.chunks, *shown.examples))]
    rows = [
        (" - ".join(filter(None, [one.found.title, one.found.heading])), one.found.text, one.score, one.found.url)
        for one in shown.chunks
    ]
    rows += [
        (
            texts.reply(one.found.reply_id),
            f"{line(one.found.question, _SHOWN)}\n{line(one.found.answer, _SHOWN)}",
            one.score,
            None,
        )
        for one in shown.examples
    ]
    return [Piece(name, text, score, cost, url) for (name, text, score, url), cost in zip(rows, costs, strict=False)]


def found_embed(title: str, shown: Shown) -> discord.Embed:
    """What a question finds."""
    if not shown:
        return limits.Embed(
            title=title, description=texts.found_nothing(shown.best or 0.0), colour=discord.Colour.dark_grey()
        )
    return embed_of(title, pieces_of(shown))


def embed_of(title: str, pieces: Sequence[Piece]) -> discord.Embed:
    """These pieces."""
    embed = limits.Embed(title=title, colour=discord.Colour.blurple())
    for one in pieces:
        quoted = "\n".join(f"> {line(part, _SHOWN)}" for part in one.text.splitlines()[:4] if part.strip())
        embed.add_field(
            name=f"{one.score:.2f} \u00b7 {texts.tokens(one.tokens)} \u00b7 {line(one.name, 100)}",
            value=quoted,
            inline=False,
        )
    embed.set_footer(text=texts.cost(sum(one.tokens for one in pieces), len(pieces)))
    return embed
