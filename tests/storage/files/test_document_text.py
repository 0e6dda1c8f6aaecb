"""Documents as people have them: Markdown, text, HTML and PDF, whole or damaged, in English and German."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import semantic_text_splitter

from storage.document_errors import DocumentUnreadable
from storage.files.document_text import is_readable, read_document

PAGE = """<!doctype html><html><head><title>Versand &amp; Rückgabe</title><script>var secret = 1;</script></head><body>
<nav><a href="/">Home</a></nav><main><h1>Versand</h1><p>Wir versenden jeden Dienstag. Die Versandkosten betragen fünf
Euro innerhalb Deutschlands.</p><h2>Rückgabe</h2><p>Du kannst alles innerhalb von 30 Tagen zurückgeben.</p>
<ul><li>Bitte leg den Zettel bei.</li></ul></main></body></html>"""


def pdf(*lines):
    """A PDF of one page with these lines, as small as one can be."""
    text = " ".join(f"BT /F1 12 Tf 72 {720 - 20 * number} Td ({line}) Tj ET" for number, line in enumerate(lines))
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R /Resources 5 0 R >>",
        f"<< /Length {len(text)} >>\nstream\n{text}\nendstream",
        "<< /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >>",
    ]
    body, places = "%PDF-1.4\n", []
    for number, one in enumerate(objects, start=1):
        places.append(len(body))
        body += f"{number} 0 obj\n{one}\nendobj\n"
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    count = len(objects) + 1
    end = f"xref\n0 {count}\n0000000000 65535 f \n{table}trailer << /Size {count} /Root 1 0 R >>\n"
    return f"{body}{end}startxref\n{len(body)}\n%%EOF".encode()


def test_markdown_is_cut_at_its_headings():
    """Each part knows what it stands under; a fence holds no headings."""
    text = "# Rules\n\nBe kind.\n\nRaids\n-----\n\nAt eight.\n\n```\n# no heading\n```\n\n### Loot\n\nBy lot.\n"
    title, chunks = read_document("rules.md", text.encode())
    assert title == "Rules"
    assert [(one.heading, one.text) for one in chunks] == [
        ("Rules", "Be kind."),
        ("Rules > Raids", "At eight.\n\n```\n# no heading\n```"),
        ("Rules > Raids > Loot", "By lot."),
    ]


def test_a_long_text_is_cut_at_sentences():
    """No chunk is longer than the model reads, and no sentence is torn."""
    sentences = [f"Sentence number {number} says something of its own." for number in range(200)]
    _, chunks = read_document("long.txt", " ".join(sentences).encode())
    assert all(len(one.text) <= 500 and one.text.endswith(".") for one in chunks)
    assert " ".join(one.text for one in chunks) == " ".join(sentences)


def test_a_web_page_gives_its_content():
    """Without scripts, with its title."""
    title, chunks = read_document("page.html", PAGE.encode())
    everything = " ".join(f"{one.heading} {one.text}" for one in chunks)
    assert title == "Versand & Rückgabe"
    assert "Versandkosten betragen fünf" in everything
    assert "innerhalb von 30 Tagen" in everything
    assert "leg den Zettel bei" in everything
    assert "secret" not in everything


@pytest.mark.parametrize(
    ("line", "heading"),
    [
        ("## Loot ##", "Loot"),
        ("# C#", "C#"),
        ("# \t Two  words \t", "Two  words"),
        ("# a" + " " * 20_000 + "b", "a" + " " * 20_000 + "b"),
        ("# a" + " #" * 10_000 + " b", "a" + " #" * 10_000 + " b"),
        ("# " + "#" * 20_000, ""),
    ],
)
def test_a_heading_is_read_as_fast_as_it_is_long(line, heading):
    """The # behind it are no part of it; a long one of spaces takes no hours."""
    _, chunks = read_document("rules.md", f"{line}\n\nBy lot.".encode())
    assert [one.heading for one in chunks] == [heading]


@pytest.mark.parametrize(
    ("page", "title"),
    [
        ("<TITLE lang=de>Regeln\n &amp; mehr</Title><title>Two</title>", "Regeln & mehr"),
        ("<title>" * 100_000, ""),
        ("<title " * 100_000, ""),
        ("İ" * 100 + "<title>Oak</title>", "Oak"),
        (" " * 100_000 + "<title>Too late</title>", ""),
    ],
)
def test_a_title_is_sought_at_the_beginning_of_a_page(page, title):
    """One that never ends is none."""
    assert read_document("page.html", f"{page}<body><p>By lot.</p></body>".encode())[0] == title


def test_a_text_of_a_megabyte_is_cut_in_blocks(monkeypatch):
    """The splitter's time grows by the square of what it is given, and no word is lost between two blocks."""
    given = []
    split = semantic_text_splitter.MarkdownSplitter

    class Watched:
        def __init__(self, capacity):
            self.splitter = split(capacity)

        def chunks(self, text):
            given.append(len(text))
            return self.splitter.chunks(text)

    monkeypatch.setattr(semantic_text_splitter, "MarkdownSplitter", Watched)
    for text in ("word " * 200_000, "One two three.\n\n" * 60_000, "x" * 1_000_000):
        _, chunks = read_document("long.md", text.encode())
        assert "".join("".join(one.text.split()) for one in chunks) == "".join(text.split())
    assert max(given) <= 8_000


def test_pdfs_are_read_by_several_threads_at_once():
    """PDFium is not made for that, so one waits for the other."""
    pages = [pdf(*(f"Page {number} line {line}." for line in range(30))) for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        read = list(pool.map(lambda data: read_document("a.pdf", data)[1][0].text, pages))
    assert [f"Page {number} line" in text for number, text in enumerate(read)] == [True] * 40


def test_a_pdf_gives_its_pages():
    """Under the number of the page."""
    _, chunks = read_document("rules.pdf", pdf("The raid begins at eight.", "By the old oak."))
    assert [one.heading for one in chunks] == ["p. 1"]
    assert "The raid begins at eight." in chunks[0].text
    assert "old oak" in chunks[0].text


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_whatever_encoding_a_text_has(encoding):
    """German ones come in all of them."""
    _, chunks = read_document("regeln.txt", "Für die Mühe: fünf Äpfel.".encode(encoding))
    assert [one.text for one in chunks] == ["Für die Mühe: fünf Äpfel."]


@pytest.mark.parametrize(
    ("name", "data"),
    [("a.pdf", b"%PDF-1.4 and nothing"), ("a.pdf", b""), ("a.txt", b"PK\x03\x04"), ("a.docx", b"x"), ("a.exe", b"x")],
)
def test_what_is_no_document_is_refused(name, data):
    """With a sentence that names it."""
    with pytest.raises(DocumentUnreadable, match=rf"^{name} cannot be read: .*\.$"):
        read_document(name, data)


@pytest.mark.parametrize("whole", [b"[3 0 R]", b"/Type /Page "])
def test_a_pdf_with_a_damaged_page_is_refused(whole):
    """It opens, and the page is not there."""
    data = pdf("At eight.")
    assert whole in data
    with pytest.raises(DocumentUnreadable, match=r"^a\.pdf cannot be read: .*\.$"):
        read_document("a.pdf", data.replace(whole, whole.replace(b"3", b"9").replace(b"/Page ", b"/Font ")))


@pytest.mark.parametrize("data", [b"", b"  \n\n", b"<html></html>", b"***\n---\n"])
def test_a_document_without_words_has_no_chunks(data):
    """The store refuses it (`DocumentEmpty`)."""
    assert read_document("a.html", data)[1] == read_document("a.md", data.replace(b"<html></html>", b""))[1] == []


@pytest.mark.parametrize("name", ["a.md", "a.markdown", "a.txt", "a.text", "README", "a.html", "a.htm", "a.xhtml"])
def test_what_is_read_is_called_readable(name):
    """Also by the sentence that refuses the others."""
    assert is_readable(name)
    assert read_document(name, b"<p>Be kind to each other, and be on time.</p>")[1]


def test_what_is_not_read_is_not_called_readable():
    """The sentence names what is."""
    assert not is_readable("a.exe")
    with pytest.raises(DocumentUnreadable, match=r"\.txt, \.text, .*\.pdf and text without an ending can be read"):
        read_document("a.exe", b"")
