"""The line below an answer that names the documents it was shown, with links. Plain functions."""

from __future__ import annotations

from bot.discord_io.excerpts import line
from bot.discord_io.markup import as_link_text
from bot.discord_io.sanitize import harmless
from bot.i18n.en import knowledge as texts
from bot.recall.records import Shown
from storage.recall import content_words, words_of

__all__ = ["sources_line", "with_sources"]

_NAMED = 2  # documents
_TITLE = 60


def sources_line(shown: Shown, question: str, answer: str) -> str:
    """The line for an answer; empty where no document was shown.

    Of several, those are named whose words the answer has; the best one where nobody can tell.
    """
    said = set(content_words(answer)) - set(content_words(question))
    used = [one for one in shown.chunks if said & set(words_of(one.found.text))] or list(shown.chunks[:1])
    documents = {one.found.document_id: (_title(one.found.title), one.found.url) for one in used}
    return texts.sources(list(documents.values())[:_NAMED]) if documents else ""


def with_sources(aside: str, sources: str, *, keep: bool) -> str:
    """The lines below an answer with the new sources in place of the old ones; `keep` those where there are none."""
    own, mark, old = aside.partition(texts.SOURCE)
    return own + (sources or (mark + old if keep else ""))


def _title(title: str) -> str:
    return harmless(line(as_link_text(title), _TITLE))
