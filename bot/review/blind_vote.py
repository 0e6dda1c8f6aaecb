"""Blind votes: one question, two answers called A and B, and the buttons to say which is better.

Which adapter is A follows from the names of the run and the question, so it is the same after a restart.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Literal, Self, get_args

import discord

from bot.discord_io import limits
from bot.discord_io.components import Component, Interaction
from bot.discord_io.excerpts import quoted, short
from bot.errors import Refused
from bot.i18n.en import moderation as words
from bot.server.moderators import server_of
from storage.run_records import Preference

__all__ = ["BlindVote", "VoteButton", "blank_vote_embed", "preference_of", "vote_buttons", "vote_embed"]

_SHOWN = 1000  # characters of an answer
Side = Literal["a", "b", "tie"]


@dataclass(frozen=True)
class BlindVote:
    """One held-out question with the answers of the champion and the challenger."""

    run_id: str
    number: int
    question: str
    champion: str
    challenger: str


def preference_of(run_id: str, number: int, side: Side) -> Preference:
    """Whose answer a side shows. Pure."""
    if side == "tie":
        return "tie"
    swapped = hashlib.sha256(f"{run_id}:{number}".encode()).digest()[0] % 2 == 1
    return "challenger" if (side == "a") == swapped else "champion"


def vote_embed(vote: BlindVote) -> discord.Embed:
    """The question and both answers."""
    embed = limits.Embed(
        title=words.BLIND_TITLE, description=quoted(vote.question, _SHOWN), colour=discord.Colour.blurple()
    )
    for side in ("a", "b"):
        answers = {"champion": vote.champion, "challenger": vote.challenger}
        text = answers[preference_of(vote.run_id, vote.number, side)]
        embed.add_field(name=side.upper(), value=short(text, _SHOWN) or "\u2014", inline=False)
    embed.set_footer(text=words.BLIND_FOOTER)
    return embed


def blank_vote_embed() -> discord.Embed:
    """What is left of a vote whose words were removed."""
    return limits.Embed(title=words.BLIND_TITLE, description=words.BLIND_REMOVED, colour=discord.Colour.dark_grey())


def vote_buttons(vote: BlindVote) -> discord.ui.View:
    """The three buttons."""
    view = discord.ui.View(timeout=None)
    for side in get_args(Side):
        view.add_item(VoteButton(vote.run_id, vote.number, side))
    return view


def _label(side: Side) -> str:
    return {"a": words.BLIND_A, "b": words.BLIND_B, "tie": words.BLIND_TIE}[side]


class VoteButton(
    Component[discord.ui.Button[discord.ui.View]],
    template=r"nightshift:vote:(?P<run>[\w.-]{1,60}):(?P<number>\d+):(?P<side>a|b|tie)",
):
    """A vote. A second one of the same moderator replaces the first."""

    def __init__(self, run_id: str, number: int, side: Side) -> None:
        style = discord.ButtonStyle.secondary if side == "tie" else discord.ButtonStyle.primary
        custom_id = f"nightshift:vote:{run_id}:{number}:{side}"
        super().__init__(discord.ui.Button(label=_label(side), style=style, custom_id=custom_id))
        self.run_id, self.number, self.side = run_id, number, side

    @classmethod
    def from_match(cls, match: re.Match[str]) -> Self:
        return cls(match["run"], int(match["number"]), match["side"])  # type: ignore[arg-type]  # as in the template

    async def check(self, interaction: Interaction) -> None:
        interaction.client.moderators.require_server(interaction)

    async def use(self, interaction: Interaction) -> None:
        guild = server_of(interaction)
        if not await interaction.client.reports.asked(self.run_id, self.number, guild):
            raise Refused(words.BLIND_ELSEWHERE)
        chosen = preference_of(self.run_id, self.number, self.side)
        await interaction.client.moderators.store.call(
            lambda store: store.vote(self.run_id, self.number, chosen, voter_id=interaction.user.id, guild_id=guild.id)
        )
        await interaction.response.send_message(words.BLIND_STORED, ephemeral=True)
