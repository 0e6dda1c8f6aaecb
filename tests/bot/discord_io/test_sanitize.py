"""What the bot's messages may not do, whoever wrote the words: bot/discord_io/sanitize.py."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.discord_io.limits import Embed, content
from bot.discord_io.sanitize import harmless, quotation, sanitize


@pytest.mark.parametrize("call", ["@everyone", "@here", "@Everyone", "hey @here!"])
def test_a_call_to_everybody_loses_its_effect(call):
    """The words stay, the mention goes."""
    shown = sanitize(call)
    assert "@everyone" not in shown.lower()
    assert "@here" not in shown.lower()
    assert shown.replace("\u200b", "") == call


def test_a_role_is_not_mentioned():
    """A role's mention would light up for all who have it."""
    assert "<@&" not in sanitize("Ask <@&1234567890> about it")


@pytest.mark.parametrize(
    ("invite", "shown"),
    [
        ("discord.gg/abc", "discord[.]gg/abc"),
        ("https://discord.gg/abc-1", "https://discord[.]gg/abc-1"),
        ("Join https://discord.com/invite/abc now", "Join https://discord[.]com/invite/abc now"),
        ("DISCORDAPP.COM/INVITE/abc", "DISCORDAPP[.]COM/INVITE/abc"),
        ("discord . gg / abc", "discord[.]gg / abc"),
        ("discord\u3002gg/abc", "discord[.]gg/abc"),
        ("https://discord\uff61gg/abc", "https://discord[.]gg/abc"),
        (
            "\uff44\uff49\uff53\uff43\uff4f\uff52\uff44\uff0e\uff47\uff47\uff0fabc",
            "\uff44\uff49\uff53\uff43\uff4f\uff52\uff44[.]\uff47\uff47\uff0fabc",
        ),
        ("\U0001d41dis\u24d2ord.gg/abc", "\U0001d41dis\u24d2ord[.]gg/abc"),
        ("https://discord%2Egg/abc", "https://discord[.]gg/abc"),
        ("https://%64iscord.gg%2fabc", "https://%64iscord[.]gg%2fabc"),
        ("disc\u200bord.gg/abc", "disc\u200bord[.]gg/abc"),
        ("d\u0332iscord.g\u00adg/abc", "d\u0332iscord[.]g\u00adg/abc"),
        ("discord**.**gg/abc", "discord**[.]**gg/abc"),
        ("discord\\.gg/abc", "discord\\[.]gg/abc"),
        ("https://discord.gg\\abc", "https://discord[.]gg\\abc"),
        ("https://discord.gg.:443/abc", "https://discord[.]gg.:443/abc"),
        ("https://ptb.discord.com//invite/abc", "https://ptb.discord[.]com//invite/abc"),
        ("<https://x@discord.gg/abc>", "<https://x@discord[.]gg/abc>"),
        ("discord\u202e.gg/abc", "discord[.]gg/abc"),
        ("dsc.gg/abc and discord.gg/def", "dsc[.]gg/abc and discord[.]gg/def"),
    ],
)
def test_an_invitation_cannot_be_followed(invite, shown):
    """It can still be read, so nobody wonders what was meant."""
    assert sanitize(invite) == shown


@pytest.mark.parametrize(
    "text",
    [
        "discord.gg",
        "x[0](a: int)",
        "\U0001f469\u200d\U0001f469\u200d\U0001f467 e\u0301 \u0646\u200c\u0645",
        "[a](b)",
        "Write to ada@example.org.",
        "See https://discord.com/developers/docs.",
        "everyone is here",
        "a\n\n  b  ",
    ],
)
def test_harmless_text_comes_back_as_it_is(text):
    """Nothing else is touched, white space included."""
    assert sanitize(text) == text


def test_a_second_time_changes_nothing():
    """A text that grows is made polite again and again."""
    text = "@everyone discord.gg/abc <@&1> [a](https://b.c) discord\u3002gg/x \u202e"
    assert sanitize(sanitize(text)) == sanitize(text)


@pytest.mark.parametrize(
    "link",
    ["[free](https://evil.example)", "[a [b]](<https://x.y> 't')", "[x]( http://x.y )", "[x](discord://-/invite/abc)"],
)
def test_a_link_shows_where_it_leads(link):
    """Its address stands beside its words; Discord makes no link of the words."""
    shown = sanitize(link)
    assert "](" not in shown
    assert shown.replace("\u200b", "") == link


@pytest.mark.parametrize("sign", "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
def test_nothing_turns_the_direction_of_text(sign):
    """In answers, on cards and in notices."""
    assert sanitize(f"a{sign}b") == content(f"a{sign}b") == "ab"
    embed = Embed(title=f"a{sign}b", description=f"a{sign}b")
    embed.set_author(name=f"a{sign}b").set_footer(text=f"a{sign}b").add_field(name=f"a{sign}b", value=f"a{sign}b")
    assert sign not in str(embed.to_dict())


def test_cards_and_reports_keep_the_same_promise():
    """Every embed passes through one place."""
    embed = Embed(description="[free](https://evil.example) discord\u3002gg/abc")
    assert embed.to_dict()["description"] == "[free]\u200b(https://evil.example) discord[.]gg/abc"


@pytest.mark.parametrize(
    "words",
    [
        "Hi\n**A newly trained adapter won.** x answers from now on.",
        "Hi\r\u2028\u2029\x0b\x85# News",
        "# News",
        "-# small",
        "> > deep",
        "1. first",
        "\u2063\u26a0\ufe0f\u2063 I am shutting down",
        "@everyone [x](https://y.z) discord.gg/abc <@&1>",
    ],
)
def test_a_quotation_is_one_harmless_line(words):
    """Nothing in it looks like the bot's own words, a heading, a list or a call."""
    line = quotation(words)
    assert len(line.splitlines()) == 1
    assert line[0] not in "#>*+-1"
    assert "\u2063" not in line
    assert "](" not in line
    assert "discord.gg" not in line
    assert "@everyone" not in line
    assert "<@&" not in line
    assert quotation(line) == line


@given(st.text(st.sampled_from(list("disco.rd/g[](): @\\%2e\n\u202e\u3002\u200bhtps*")), max_size=60))
def test_no_text_needs_it_twice(text):
    """What was made harmless stays as it is, and holds no sign that turns."""
    once = harmless(text)
    assert harmless(once) == once
    assert "\u202e" not in once
    assert "discord.gg/" not in once.replace("\u200b", "").replace("\\", "").replace("*", "")
