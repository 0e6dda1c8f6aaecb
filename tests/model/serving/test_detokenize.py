"""Streaming text: whole characters, and stop strings that are never shown."""

from __future__ import annotations

import pytest

from model.serving.detokenize import TextStream
from tests.tiny import tiny_tokenizer


@pytest.fixture(scope="module")
def tokenizer():
    return tiny_tokenizer()


def stream(tokenizer, text, stop=()):
    """Push a text token by token; returns the pieces shown and the stream."""
    out = TextStream(tokenizer, stop)
    pieces = []
    for token in tokenizer.encode(text, add_special_tokens=False):
        pieces.append(out.push(token))
        if out.stopped:
            break
    pieces.append(out.flush())
    return pieces, out


@pytest.mark.parametrize("text", ["plain words", "snow ❄️ and 👩‍🚀 space", "日本語のテキスト", "é" * 20, " leading"])
def test_pieces_add_up_and_never_hold_half_a_character(tokenizer, text):
    """Byte-level tokens split characters; a reader never sees that."""
    pieces, out = stream(tokenizer, text)
    assert "".join(pieces) == out.text == text
    assert all("\ufffd" not in piece for piece in pieces)


def test_bytes_that_are_no_character_do_not_hold_back_the_rest(tokenizer):
    """A model that utters broken bytes still streams."""
    broken = tokenizer.convert_tokens_to_ids(tokenizer.tokenize("é"))[:1]
    out = TextStream(tokenizer)
    shown = "".join(out.push(token) for token in broken + tokenizer.encode(" and so on", add_special_tokens=False))
    assert "and so on" in shown


@pytest.mark.parametrize(("text", "stop", "shown"), [("one END two", "END", "one "), ("aEaENDb", "END", "aEa")])
def test_a_stop_string_cuts_the_text(tokenizer, text, stop, shown):
    """However it is tokenised."""
    pieces, out = stream(tokenizer, text, (stop,))
    assert out.stopped
    assert "".join(pieces) == out.text == shown


def test_the_beginning_of_a_stop_string_that_does_not_come_is_text(tokenizer):
    """Held back, then shown."""
    pieces, out = stream(tokenizer, "the EN", ("END",))
    assert not out.stopped
    assert "".join(pieces) == "the EN"
