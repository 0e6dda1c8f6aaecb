"""What of an answer can be seen, and what a cut leaves open: bot/discord_io/markup.py."""

from __future__ import annotations

import pytest

from bot.discord_io.markup import as_link_text, closing, is_visible, open_markup


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n",
        "\u200b",
        "** **",
        "_ _",
        "```\n```",
        "```py\n```",
        "``` ```",
        "||\u200b||",
        "> ",
        "# ",
        "-# \n",
        "⠀",
        "ㅤ",
        "\ufeff\u2060",
        "**\u200b**",
        "~~ ~~",
        "\u202e\u202c",
        "``",
        "\U000e0041",
    ],
)
def test_nothing_to_see(text):
    """Discord draws nothing for it, or an empty box."""
    assert not is_visible(text)


@pytest.mark.parametrize(
    "text", ["?", "...", "\U0001f44d", "<:party:1>", "> yes", "```\nx\n```", "1", "-", "# a", "\u00e9"]
)
def test_something_to_see(text):
    """However short."""
    assert is_visible(text)


@pytest.mark.parametrize(
    ("cut", "end"),
    [
        ("Use ```py\nx = 1", "\n```"),
        ("Use ```py\nx = 1\n", "```"),
        ("**Never mind", "**"),
        ("**Never *mind", "***"),
        ("||secret", "||"),
        ("~~old", "~~"),
        ("say `make", "`"),
        ("`a * b", "`"),
        ("say ``a ` b", "``"),
    ],
)
def test_what_is_open_is_closed(cut, end):
    """Innermost first."""
    assert closing(cut) == end


@pytest.mark.parametrize(
    "text",
    [
        "2 * 3",
        "* one\n* two",
        "snake_case_name",
        "**done**",
        "`a`",
        "```\nx\n```",
        r"\*\*not bold",
        "a ** b",
        "5 * 3 * 2",
        "__init__",
        "`**` opens",
        "_done_",
        "*done*",
        "||a|| and **b**",
        "x = y_ or 2",
    ],
)
def test_what_is_no_markup_is_left_alone(text):
    """Nothing is open."""
    assert open_markup(text) == ()


@pytest.mark.parametrize(
    ("title", "shown"),
    [
        ("Rules", "Rules"),
        ("a [b](c)\nd", "a (b)(c) d"),
        ("*loud* `x`", "\\*loud\\* \\`x\\`"),
        ("  two  words ", "two words"),
    ],
)
def test_the_text_of_a_link_is_shown_as_it_is(title, shown):
    """Whatever a document is called, it ends no link and marks nothing."""
    assert as_link_text(title) == shown
