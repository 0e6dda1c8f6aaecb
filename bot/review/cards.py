"""How a reply under review looks: the card with its buttons, and the menu of reasons.

Who may give a verdict, and storing it, is in bot/review/service.py. All that a button needs is in its custom id, so it
works after a restart.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from time import time
from typing import Literal, Self, cast

import discord

from bot.discord_io import limits
from bot.discord_io.components import Component, Interaction
from bot.discord_io.excerpts import line, quoted, short
from bot.i18n.en import knowledge, texts, waiting
from bot.i18n.en import moderation as words
from storage.redaction_rules import REDACTED
from storage.reply_records import Reply
from storage.review_records import QueueOrder, Reason, Review

__all__ = [
    "FORM_LIMIT",
    "Act",
    "CardButton",
    "ReasonMenu",
    "blank_card",
    "card",
    "card_asker",
    "card_buttons",
    "card_of",
    "is_blank",
    "jump",
    "reason_menu",
]

FORM_LIMIT = limits.FORM  # characters a form's text field takes
_SHOWN = 1200  # characters of a question or an answer on a card that waits
_FOLDED = 150  # and on one that is done, where each takes a line

Act = Literal["approve", "edit", "reject", "skip", "undo", "show", "recalled"]
WAITING: tuple[Act, ...] = ("approve", "edit", "reject", "skip")
STYLES: dict[Act, discord.ButtonStyle] = {
    "approve": discord.ButtonStyle.success,
    "edit": discord.ButtonStyle.primary,
    "reject": discord.ButtonStyle.danger,
    "skip": discord.ButtonStyle.secondary,
    "undo": discord.ButtonStyle.secondary,
    "show": discord.ButtonStyle.primary,
    "recalled": discord.ButtonStyle.secondary,
}
_COLOURS = {
    None: discord.Colour.blurple(),
    "approve": discord.Colour.green(),
    "edit": discord.Colour.gold(),
    "reject": discord.Colour.dark_grey(),
}


def label(act: Act) -> str:
    """The text on the button."""
    return {
        "approve": texts.APPROVE,
        "edit": texts.EDIT,
        "reject": texts.REJECT,
        "skip": words.SKIP,
        "undo": words.UNDO,
        "show": words.SHOW_AGAIN,
        "recalled": knowledge.SHOW,
    }[act]


def card(
    reply: Reply,
    review: Review | None,
    asker: str,
    *,
    held: bool = False,
    unsure: bool = False,
    skipped_by: str | None = None,
    replaced_by: int | None = None,
    not_shown: str | None = None,
    waits_for: Sequence[str] = (),
) -> discord.Embed:
    """The card of one reply. Once it is done or skipped it is short, so that the channel stays easy to read.

    `replaced_by` is the reply that Discord shows instead now; `not_shown` is why the answer, or what follows from a
    verdict, is not shown yet; `waits_for` is what keeps an approved reply from being learned from at this moment.
    """
    if is_blank(reply):
        return blank_card(reply.id)
    question = next((turn.content for turn in reversed(reply.turns) if turn.role == "user"), "") or texts.NO_WORDS
    if review is None and skipped_by is None:
        body = [quoted(question, _SHOWN), "", short(reply.text, _SHOWN)]
    else:
        body = [quoted(line(question, _FOLDED), _SHOWN), "", line(reply.text, _FOLDED)]
    if review is not None and review.edited_text is not None:
        body += ["", f"**{texts.CARD_CORRECTED}**", line(review.edited_text, _FOLDED)]
    waits = words.UNSURE if unsure else words.HELD if held else texts.PENDING
    title = texts.REMOVED_PARTLY if reply.redacted else waits
    if skipped_by is not None:
        title = words.skipped(skipped_by)
    if review is not None:
        title = words.ruling(review.verdict, review.reviewer, review.reason)
    embed = limits.Embed(title=title, description="\n".join(body), colour=_COLOURS[review.verdict if review else None])
    embed.set_author(name=asker)
    if not_shown is not None:
        embed.add_field(name=f"\u26a0\ufe0f {words.NOT_SHOWN_TITLE}", value=words.NOT_SHOWN[not_shown])
    if waits_for:
        embed.add_field(name=waiting.CARD_TITLE, value=waiting.on_card(waits_for, int(time())))
    footer = [f"{texts.CARD_REPLY} {reply.id}", reply.adapter or texts.BASE_MODEL]
    footer += [words.replaced_by(replaced_by)] if replaced_by is not None else []
    embed.set_footer(text=" \u00b7 ".join(footer))
    return embed


def is_blank(reply: Reply) -> bool:
    """Whether nothing of a reply is left to be shown: its question was removed, and with it the answer."""
    return reply.redacted and reply.turns[-1].content == REDACTED


def blank_card(reply_id: int) -> discord.Embed:
    """What is left of a card whose words were removed: no question, no answer, and not who asked."""
    embed = limits.Embed(title=texts.REMOVED, description=texts.REMOVED_WHY, colour=discord.Colour.dark_grey())
    embed.set_footer(text=f"{texts.CARD_REPLY} {reply_id}")
    return embed


def card_asker(message: discord.Message) -> str:
    """Who asked, as a posted card says it: the store knows people by number only."""
    return (message.embeds[0].author.name if message.embeds else None) or texts.SOMEBODY


def card_buttons(reply: Reply, review: Review | None = None, *, again: bool = False) -> discord.ui.View:
    """What can be done with a reply, and a link to its message. They work as long as the card exists.

    `again`: something is not shown on Discord yet, and can be tried again.
    """
    view = discord.ui.View(timeout=None)
    if reply.redacted:
        return view
    acts: tuple[Act, ...] = WAITING if review is None else ("undo",)
    acts = ("show", *acts) if again else acts
    for act in acts:
        view.add_item(CardButton(act, reply.id))
    if link := jump(reply):
        view.add_item(link)
    return view.add_item(CardButton("recalled", reply.id))


def jump(reply: Reply) -> discord.ui.Button[discord.ui.View] | None:
    """A link to a reply's message."""
    if not (reply.message_id and reply.channel_id):
        return None
    url = f"https://discord.com/channels/{reply.guild_id or '@me'}/{reply.channel_id}/{reply.message_id}"
    return discord.ui.Button(label=texts.CARD_JUMP, url=url)


def card_of(message: discord.Message) -> int | None:
    """The id of the reply that a message is the card of, or None."""
    for row in message.components:
        for item in getattr(row, "children", ()):
            match = CardButton.__discord_ui_compiled_template__.fullmatch(getattr(item, "custom_id", None) or "")
            if match:
                return int(match["reply"])
    return None


class CardButton(
    Component[discord.ui.Button[discord.ui.View]],
    template=r"nightshift:(?P<act>approve|edit|reject|skip|undo|show|recalled):(?P<reply>\d+)",
):
    """A button of a card in the card channel."""

    def __init__(self, act: Act, reply_id: int) -> None:
        super().__init__(
            discord.ui.Button(label=label(act), style=STYLES[act], custom_id=f"nightshift:{act}:{reply_id}")
        )
        self.act = act
        self.reply_id = reply_id

    @classmethod
    def from_match(cls, match: re.Match[str]) -> Self:
        act: Act = match["act"]  # type: ignore[assignment]  # the template allows no other word
        return cls(act, int(match["reply"]))

    async def use(self, interaction: Interaction) -> None:
        await interaction.client.review.open(interaction, self.reply_id, self.act)


class ReasonMenu(
    Component[discord.ui.Select[discord.ui.View]],
    template=r"nightshift:reason:(?P<reply>\d+)(?::(?P<order>[a-z]+):(?P<shown>\d+))?",
):
    """Why a reply was rejected. In a queue it also names the order and the reply shown there."""

    def __init__(self, reply_id: int, page: tuple[QueueOrder, int] | None = None) -> None:
        ending = f":{page[0]}:{page[1]}" if page else ""
        super().__init__(
            discord.ui.Select(
                custom_id=f"nightshift:reason:{reply_id}{ending}",
                placeholder=words.WHY,
                options=[discord.SelectOption(label=label, value=name) for name, label in words.REASONS.items()],
            )
        )
        self.reply_id = reply_id
        self.page = page

    @classmethod
    def from_match(cls, match: re.Match[str]) -> Self:
        page = (cast("QueueOrder", match["order"]), int(match["shown"])) if match["order"] else None
        return cls(int(match["reply"]), page)

    async def use(self, interaction: Interaction) -> None:
        reason = cast("Reason", self.item.values[0])
        await interaction.client.review.explain(interaction, self.reply_id, reason, self.page)


def reason_menu(reply_id: int) -> discord.ui.View:
    """The menu alone, for a private message."""
    return discord.ui.View(timeout=None).add_item(ReasonMenu(reply_id))
