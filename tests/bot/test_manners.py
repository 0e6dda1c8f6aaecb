"""What generated text may not do: bot/manners.py."""

from __future__ import annotations

import pytest

from bot.manners import polite


@pytest.mark.parametrize("call", ["@everyone", "@here", "@Everyone", "hey @here!"])
def test_a_call_to_everybody_loses_its_effect(call):
    """The words stay, the mention goes."""
    shown = polite(call)
    assert "@everyone" not in shown.lower()
    assert "@here" not in shown.lower()
    assert shown.replace("\u200b", "") == call


def test_a_role_is_not_mentioned():
    """A role's mention would light up for all who have it."""
    assert "<@&" not in polite("Ask <@&1234567890> about it")


@pytest.mark.parametrize(
    ("invite", "shown"),
    [
        ("discord.gg/abc", "discord[.]gg/abc"),
        ("https://discord.gg/abc-1", "https://discord[.]gg/abc-1"),
        ("Join https://discord.com/invite/abc now", "Join https://discord[.]com/invite/abc now"),
        ("DISCORDAPP.COM/INVITE/abc", "DISCORDAPP[.]COM/INVITE/abc"),
        ("discord . gg / abc", "discord[.]gg / abc"),
    ],
)
def test_an_invitation_cannot_be_followed(invite, shown):
    """It can still be read, so nobody wonders what was meant."""
    assert polite(invite) == shown


@pytest.mark.parametrize(
    "text",
    ["Write to ada@example.org.", "See https://discord.com/developers/docs.", "everyone is here", "a\n\n  b  "],
)
def test_harmless_text_comes_back_as_it_is(text):
    """Nothing else is touched, white space included."""
    assert polite(text) == text


def test_a_second_time_changes_nothing():
    """A text that grows is made polite again and again."""
    text = "@everyone discord.gg/abc <@&1>"
    assert polite(polite(text)) == polite(text)
