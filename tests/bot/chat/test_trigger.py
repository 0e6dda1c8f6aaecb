"""Whether a message is for the bot: bot/chat/trigger.py."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.chat.trigger import TriggerFacts, addresses_by_name, is_allowed, trigger_of
from bot.server.guild_settings import GuildSettings

TALK = TriggerFacts(direct=False, mentions_bot=False, names_bot=False, mentions_others=False, places=(10,), roles=(5,))


@pytest.mark.parametrize(
    "text",
    [
        "Nightshift, which wood?",
        "nightshift which wood",
        "Hey Nightshift! Help",
        "which wood, Nightshift?",
        "@Nightshift",
    ],
)
def test_a_name_at_the_beginning_or_the_end_addresses(text):
    """As people do among themselves."""
    assert addresses_by_name(text, "Nightshift")


@pytest.mark.parametrize(
    "text", ["I like Nightshift because it is kind", "nightshifts are hard", "my-nightshifty idea", ""]
)
def test_talk_about_the_bot_does_not_address_it(text):
    """A name in the middle of a sentence is talk about somebody."""
    assert not addresses_by_name(text, "Nightshift")


def test_a_name_with_signs_in_it_is_taken_as_it_is():
    """Display names may hold anything."""
    assert addresses_by_name("C++ (bot): hello", "C++ (bot)")


@pytest.mark.parametrize(
    ("talk", "change", "expected"),
    [
        ("off", {}, None),
        ("off", {"names_bot": True}, None),
        ("off", {"mentions_bot": True}, "asked"),
        ("name", {}, None),
        ("name", {"names_bot": True}, "unprompted"),
        ("always", {}, "unprompted"),
        ("always", {"mentions_others": True}, None),
        ("always", {"mentions_bot": True, "mentions_others": True}, "asked"),
    ],
)
def test_an_opened_channel_decides_what_is_overheard(talk, change, expected):
    """A mention is always a question; the rest is the channel's setting."""
    assert trigger_of(replace(TALK, **change), GuildSettings(talk=talk), direct_messages=True) == expected


@pytest.mark.parametrize("direct_messages", [True, False])
def test_direct_messages_are_a_setting(direct_messages):
    """There are no lists and no channels there."""
    facts = replace(TALK, direct=True, mentions_bot=True)
    expected = "asked" if direct_messages else None
    assert trigger_of(facts, GuildSettings(denied_roles=(5,)), direct_messages=direct_messages) == expected


@pytest.mark.parametrize(
    ("lists", "expected"),
    [
        ({}, True),
        ({"allowed_channels": (10,)}, True),
        ({"allowed_channels": (11,)}, False),
        ({"denied_channels": (10,)}, False),
        ({"allowed_channels": (10,), "denied_channels": (10,)}, False),
        ({"allowed_roles": (5,)}, True),
        ({"allowed_roles": (6,)}, False),
        ({"denied_roles": (5,)}, False),
        ({"allowed_channels": (10,), "allowed_roles": (6,)}, False),
    ],
)
def test_lists_of_channels_and_roles(lists, expected):
    """Denied is denied; where something is allowed, the rest is not."""
    assert is_allowed(GuildSettings(**lists), (10,), (5,)) is expected


def test_a_thread_belongs_to_its_channel():
    """What holds for the channel holds for its threads."""
    assert is_allowed(GuildSettings(allowed_channels=(10,)), (10, 99), ())
    assert not is_allowed(GuildSettings(denied_channels=(10,)), (10, 99), ())
