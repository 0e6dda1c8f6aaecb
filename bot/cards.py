"""How a reply under review looks: the card in the review channel and the form for editing.

Draws what it is given; it neither stores a verdict nor decides who may give one (bot/review.py does).
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any, Self

import discord

from bot import texts
from storage.records import Reply, Review, Verdict

__all__ = ["FORM_LIMIT", "CorrectionForm", "VerdictButton", "card", "card_asker", "card_buttons", "card_of"]

FORM_LIMIT = 4000  # characters a form's text field takes
_SHOWN = 1200  # characters of a question or an answer on a card that waits
_FOLDED = 240  # and on one that has its verdict
_STYLES: dict[Verdict, discord.ButtonStyle] = {
    "approve": discord.ButtonStyle.success,
    "edit": discord.ButtonStyle.primary,
    "reject": discord.ButtonStyle.secondary,
}
_LABELS: dict[Verdict, str] = {"approve": texts.APPROVE, "edit": texts.EDIT, "reject": texts.REJECT}
_COLOURS: dict[Verdict | None, discord.Colour] = {
    None: discord.Colour.blurple(),
    "approve": discord.Colour.green(),
    "edit": discord.Colour.gold(),
    "reject": discord.Colour.dark_grey(),
}

Judge = Callable[[discord.Interaction[Any], int, Verdict, str | None], Awaitable[None]]


def card(reply: Reply, review: Review | None, asker: str) -> discord.Embed:
    """The card of one reply; once there is a verdict it is short, so that the channel stays easy to read."""
    question = next((turn.content for turn in reversed(reply.turns) if turn.role == "user"), "")
    limit = _SHOWN if review is None else _FOLDED
    lines = [_quoted(_short(question, limit)), "", _short(reply.text, limit)]
    if review is not None and review.edited_text is not None:
        lines += ["", f"**{texts.CARD_CORRECTED}**", _short(review.edited_text, limit)]
    embed = discord.Embed(
        title=texts.PENDING if review is None else texts.verdict_line(review.verdict, review.reviewer),
        description="\n".join(lines),
        colour=_COLOURS[None if review is None else review.verdict],
    )
    embed.set_author(name=asker)
    embed.set_footer(text=f"{texts.CARD_REPLY} {reply.id} \u00b7 {reply.adapter or texts.BASE_MODEL}")
    return embed


def card_asker(message: discord.Message) -> str:
    """Who asked, as a posted card says it: the store knows people by number only."""
    return (message.embeds[0].author.name if message.embeds else None) or texts.SOMEBODY


def card_buttons(reply: Reply) -> discord.ui.View:
    """Approve, Edit and Reject, and a link to the message. They work for as long as the message stands."""
    view = discord.ui.View(timeout=None)
    for verdict in _LABELS:
        view.add_item(VerdictButton(verdict, reply.id))
    if reply.message_id and reply.channel_id:
        place = reply.guild_id or "@me"
        url = f"https://discord.com/channels/{place}/{reply.channel_id}/{reply.message_id}"
        view.add_item(discord.ui.Button(label=texts.CARD_JUMP, url=url))
    return view


def card_of(message: discord.Message) -> int | None:
    """The id of the reply that a message is the card of, or None."""
    for row in message.components:
        for item in getattr(row, "children", ()):
            match = VerdictButton.__discord_ui_compiled_template__.fullmatch(getattr(item, "custom_id", None) or "")
            if match:
                return int(match["reply"])
    return None


class VerdictButton(
    discord.ui.DynamicItem[discord.ui.Button[Any]],
    template=r"nightshift:(?P<verdict>approve|edit|reject):(?P<reply>\d+)",
):
    """A verdict's button. All it needs is in its custom id, so it outlives the process that posted it."""

    def __init__(self, verdict: Verdict, reply_id: int) -> None:
        super().__init__(
            discord.ui.Button(
                label=_LABELS[verdict], style=_STYLES[verdict], custom_id=f"nightshift:{verdict}:{reply_id}"
            )
        )
        self.verdict = verdict
        self.reply_id = reply_id

    @classmethod
    async def from_custom_id(
        cls, _interaction: discord.Interaction[Any], _item: discord.ui.Item[Any], match: re.Match[str], /
    ) -> Self:
        verdict: Verdict = match["verdict"]  # type: ignore[assignment]  # the template allows no other word
        return cls(verdict, int(match["reply"]))

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        await interaction.client.desk.open(interaction, self.reply_id, self.verdict)


class CorrectionForm(discord.ui.Modal, title=texts.EDIT_TITLE):
    """The form with the reply's text, to be put right."""

    def __init__(self, reply_id: int, text: str, judge: Judge) -> None:
        super().__init__(timeout=3600)
        self._reply_id = reply_id
        self._judge = judge
        self.answer: discord.ui.TextInput[Self] = discord.ui.TextInput(
            style=discord.TextStyle.paragraph, custom_id="answer", default=text, max_length=FORM_LIMIT
        )
        self.add_item(discord.ui.Label(text=texts.EDIT_LABEL, component=self.answer))

    async def on_submit(self, interaction: discord.Interaction[Any]) -> None:
        await self._judge(interaction, self._reply_id, "edit", self.answer.value)


def _short(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "\u2026"


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}" for line in (text or texts.NO_WORDS).splitlines())
