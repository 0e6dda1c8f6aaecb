"""The text of a document: Markdown, plain text, HTML or PDF, as chunks at headings and sentences.

Knows no table and no Discord. HTML is read by trafilatura, PDF by pypdfium2; semantic-text-splitter cuts.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePath
from threading import Lock

from storage.document_errors import DocumentUnreadable
from storage.files.encodings import decoded
from storage.recall_records import NewChunk

__all__ = ["ENDINGS", "chunks_of_text", "is_readable", "read_document"]

_MARKDOWN, _TEXT, _HTML, _PDF = (".md", ".markdown"), (".txt", ".text", ""), (".html", ".htm", ".xhtml"), (".pdf",)
ENDINGS = (*_MARKDOWN, *_TEXT, *_HTML, *_PDF)
"""Endings of the files that can be read; a file without one is read as text."""

_CHUNK = (150, 500)
"""Characters of a chunk: whole paragraphs or sentences up to the second, no further cut once it has the first."""
_BLOCK = 8_000
"""Characters that are cut at a time."""
_PAGES = 2000
_HEADING = re.compile(r"^ {0,3}(#{1,6})[ \t]+(.*)")
_UNDERLINE = re.compile(r"^ {0,3}(=+|-+)[ \t]*$")
_FENCE = re.compile(r"^ {0,3}(```|~~~)")
_TITLE = re.compile(r"<title", re.IGNORECASE), re.compile(r"</title", re.IGNORECASE)
_HEAD = 64 * 1024
"""Characters of a web page in which its title is sought."""
_PDFIUM = Lock()  # it is not made for threads: https://pypdfium2.readthedocs.io/en/stable/python_api.html


@dataclass(frozen=True)
class _Section:
    heading: str
    text: str


def is_readable(name: str) -> bool:
    """Whether a file of this name can be read."""
    return PurePath(name).suffix.casefold() in ENDINGS


def read_document(name: str, data: bytes) -> tuple[str, list[NewChunk]]:
    """The title of a file, where it says one, and its chunks.

    Raises:
        DocumentUnreadable: it is none of these kinds, or is damaged.
    """
    suffix = PurePath(name).suffix.casefold()
    if suffix in _PDF:
        return _chunks(_pdf(name, data))
    if suffix in _HTML:
        title, text = _web_page(name, data)
        return title, _chunks(_sections(text))[1]
    if suffix in (*_MARKDOWN, *_TEXT):
        text = _decoded(name, data)
        return _chunks(_sections(text) if suffix in _MARKDOWN else [_Section("", text)])
    raise DocumentUnreadable(name, f"only {', '.join(filter(None, ENDINGS))} and text without an ending can be read")


def chunks_of_text(text: str, *, message_id: int | None = None, author_id: int | None = None) -> list[NewChunk]:
    """The chunks of what was written on Discord, which is Markdown."""
    return [NewChunk(one.text, one.heading, message_id, author_id) for one in _chunks(_sections(text))[1]]


def _chunks(sections: list[_Section]) -> tuple[str, list[NewChunk]]:
    from semantic_text_splitter import MarkdownSplitter

    splitter = MarkdownSplitter(_CHUNK)
    chunks = [
        NewChunk(part.strip(), section.heading)
        for section in sections
        for block in _blocks(section.text)
        for part in splitter.chunks(block)
        if re.search(r"\w", part)
    ]
    return next((one.heading for one in sections if one.heading), "").partition(" > ")[0], chunks


def _blocks(text: str) -> Iterator[str]:
    """A text cut behind a paragraph, a line, a sentence or a word, since the splitter's time grows by the square."""
    start = 0
    while len(text) - start > _BLOCK:
        ends = (text.rfind(mark, start, start + _BLOCK) + len(mark) for mark in ("\n\n", "\n", ". ", " "))
        end = next((one for one in ends if one > start + _BLOCK // 2), start + _BLOCK)
        yield text[start:end]
        start = end
    yield text[start:]


def _sections(text: str) -> list[_Section]:
    """A Markdown text by its headings; each section is named by all that it stands under."""
    sections: list[_Section] = []
    above: list[tuple[int, str]] = []
    lines: list[str] = []
    for level, content in _lines(text):
        if not level:
            lines.append(content)
            continue
        sections.append(_Section(" > ".join(name for _, name in above), "\n".join(lines)))
        above = [*(one for one in above if one[0] < level), (level, content)]
        lines = []
    sections.append(_Section(" > ".join(name for _, name in above), "\n".join(lines)))
    return [one for one in sections if one.text.strip()] or [_Section("", text)]


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Each line with 0, or a heading with its level."""
    fenced, held = False, ""
    for line in text.splitlines():
        heading, underline = _HEADING.match(line), _UNDERLINE.match(line)
        if _FENCE.match(line):
            fenced = not fenced
        if fenced or (heading is None and (underline is None or not held.strip())):
            yield 0, held
            held = line
        elif heading is not None:
            yield 0, held
            yield len(heading[1]), _without_closing(heading[2])
            held = ""
        elif underline is not None:
            yield 1 if underline[1].startswith("=") else 2, held.strip()
            held = ""
    yield 0, held


def _without_closing(heading: str) -> str:
    """A heading without the # behind it, which stand apart from it."""
    text = heading.strip(" \t")
    left = text.rstrip("#")
    return left.rstrip(" \t") if not left or left[-1] in " \t" else text


def _web_page(name: str, data: bytes) -> tuple[str, str]:
    """The title of a page, and what it says, as Markdown."""
    import trafilatura

    source = _decoded(name, data)
    text = trafilatura.extract(
        source, output_format="markdown", include_comments=False, include_tables=True, favor_recall=True
    )
    if not text or len(text) < 0.2 * len(_plain(source)):  # a short page, or one of lists: all of it is its content
        text = max(text or "", _plain(source), key=len)
    return _title(source[:_HEAD]), text


def _title(head: str) -> str:
    """What stands in the first <title>, if it ends."""
    begin, end = _TITLE
    found = begin.search(head)
    start = head.find(">", found.end()) if found is not None else -1
    closing = end.search(head, start) if start >= 0 else None
    return " ".join(html.unescape(head[start + 1 : closing.start()]).split()) if closing is not None else ""


def _decoded(name: str, data: bytes) -> str:
    try:
        return decoded(data)
    except ValueError as error:
        raise DocumentUnreadable(name, str(error)) from error


def _plain(source: str) -> str:
    """All that a page says, one block a line."""
    from lxml import etree
    from lxml import html as pages

    try:
        tree = pages.document_fromstring(source)
    except (etree.ParserError, ValueError):
        return ""
    for gone in tree.xpath("//script|//style|//noscript|//head"):
        gone.drop_tree()
    for level in range(1, 7):
        for heading in tree.xpath(f"//h{level}"):
            heading.text = f"{'#' * level} {heading.text or ''}"
    for block in tree.xpath("//p|//li|//tr|//br|//div|//h1|//h2|//h3|//h4|//h5|//h6"):
        block.tail = f"\n{block.tail or ''}"
    return "\n".join(line.strip() for line in str(tree.text_content()).splitlines() if line.strip())


def _pdf(name: str, data: bytes) -> list[_Section]:
    import pypdfium2

    with _PDFIUM:
        try:
            with pypdfium2.PdfDocument(data) as document:
                if len(document) > _PAGES:
                    raise DocumentUnreadable(name, f"it has more than {_PAGES:,} pages")
                return [_Section(f"p. {number}", _page(document, number - 1)) for number in range(1, len(document) + 1)]
        except pypdfium2.PdfiumError as error:
            why = "it is protected by a password" if "password" in str(error).casefold() else "it is damaged or no PDF"
            raise DocumentUnreadable(name, why) from error


def _page(document: object, index: int) -> str:
    page = document[index]  # type: ignore[index]  # pypdfium2 has no types
    try:
        text = str(page.get_textpage().get_text_range())
    finally:
        page.close()
    joined = re.sub(r"(\w)[-\u00ad\ufffe]\r?\n(\w)", r"\1\2", text)  # words parted at the end of a line
    return joined.replace("\r\n", "\n").replace("\x00", "")
