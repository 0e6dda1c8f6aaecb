"""Every sentence about documents and what was looked up. See bot/i18n/en/texts.py, whose rules hold here too."""

from __future__ import annotations

from collections.abc import Sequence

from bot.i18n.en.texts import ASIDE
from bot.i18n.language import in_every_language

SAVE_AS_FACT = "Save as fact"
FACT_TITLE = "Save as fact"
FACT_LABEL = "What should I know?"
FACT_EMPTY = "This message has no text that I could save."
FACT_SAVED = "Saved. I can use it from the next question on."

CHOOSE_ONE = (
    "Please give me one thing to add: a file, a link to a message, or a channel whose pinned messages I should read."
)
NO_LINK = "That is not a link to a message on this server. Right-click a message and choose *Copy Message Link*."
LINK_INVALID = "The link has to begin with https:// or http://."
CANNOT_READ = "I cannot read that channel, or you cannot."
WITHHELD = "I was asked to forget what that message says, so I cannot store it again."
MESSAGE_GONE = "That message is not on Discord any more, so I cannot store it."
NO_PINS = "That channel has no pinned messages with text."
TOO_LARGE = "That file is too large. I can read files of up to 8 MB."
KIND_UNKNOWN = "I can read Markdown, text, HTML and PDF files (.md, .txt, .html, .pdf)."
UNREADABLE = "I could not read that file. It may be damaged or protected by a password."
EMPTY = "I found no text there. If these are scanned pages, they have to be turned into text first."
DOCUMENT_TOO_LONG = "That document is too long for me. Please split it up."
FULL = "This server cannot have more documents. Please remove one first with `/knowledge remove`."
GONE = "There is no such document here any more."
NAME_ONE = "More than one document has that in its title. Please give the number of the one you mean."
FILE_NOT_REFRESHED = "I cannot read that file again by myself. Please remove it and add the new one."
NONE = "I know no documents of this server yet. Add one with `/knowledge add`."
LIST_TITLE = "What I can look things up in"
TRY_TITLE = "What I would look up"
SHOWN_TITLE = "What I looked up for this answer"
SHOWN_NOTHING = "I looked up nothing for this answer."
SHOWN_HIDDEN = "(from a channel that you cannot read)"
SHOWN_GONE = "(no longer stored)"
SHOW = "Looked up"
SEARCHED_BY_WORDS = "I only compare words at the moment, because there is no embedding model or it is still loading."

SOURCE = f"{ASIDE}\U0001f4da "


def sources(found: Sequence[tuple[str, str | None]]) -> str:
    """The line below an answer that names documents, by title and link."""
    named = ", ".join(f"[{title}](<{url}>)" if url else title for title, url in found)
    return f"{SOURCE}{named}"


def added(title: str, number: int, chunks: int) -> str:
    return f"I can look things up in **{title}** now (document {number}, {_parts(chunks)})."


def refreshed(title: str, chunks: int) -> str:
    return f"I have read **{title}** again ({_parts(chunks)})."


def removed(title: str) -> str:
    return f"I have forgotten **{title}**. Nothing of it is stored any more."


def listed(number: int, title: str, url: str | None, chunks: int, where: str) -> str:
    """One document in the list; `where` is the channel whose readers may be shown it, empty for everyone."""
    name = f"[{title}](<{url}>)" if url else title
    reach = f" \u00b7 only for readers of {where}" if where else ""
    return f"**{number}** \u00b7 {name} \u00b7 {_parts(chunks)}{reach}"


def more(count: int) -> str:
    return f"... and {count:,} more"


def tokens(count: int) -> str:
    return f"{count:,} tokens"


def cost(count: int, pieces: int) -> str:
    what = "1 piece" if pieces == 1 else f"{pieces:,} pieces"
    return f"{what}, {count:,} tokens in all"


def found_nothing(best: float) -> str:
    return f"Nothing fits well enough. The best score was {best:.2f}."


def reply(number: int) -> str:
    return f"Reply {number}"


in_every_language(__name__)


def _parts(chunks: int) -> str:
    return "1 part" if chunks == 1 else f"{chunks:,} parts"
