"""What is said of each setting is what its class says."""

from __future__ import annotations

import tomllib

import pytest

from bot.settings import Settings
from trainer.setting_descriptions import describe, toml_value

ALL = {f"{one.section}.{one.name}": one for one in describe(Settings)}


def test_every_setting_has_a_sentence_and_a_kind():
    """Whoever adds one says what it is for, in a string below it."""
    assert [name for name, one in ALL.items() if not one.sentence.endswith(".")] == []
    assert len(ALL) > 80


@pytest.mark.parametrize(
    ("name", "kind", "default", "bounds"),
    [
        ("training.epochs", "number", "none", "from 0.01 to 100,000"),
        ("training.servers", "list of whole number", "[]", "above 0 and below 2^63, at most 1,000 entries"),
        ("discord.review_channel", "whole number or text", "none", ""),
        (".persona", "text", '""', "at most 20,000 characters"),
        (".consent", '"members" or "operator"', '"members"', ""),
        ("gate.confidence", "number", "0.95", "above 0.5 and below 1"),
        ("schedule.enabled", "true or false", "true", ""),
    ],
)
def test_kind_default_and_bounds_are_read_from_the_class(name, kind, default, bounds):
    """Also through names of types, choices and what may be none."""
    one = ALL[name]
    assert (one.kind, one.default, one.bounds) == (kind, default, bounds)


@pytest.mark.parametrize(
    "value", ["plain", 'quo"ted', "back\\slash", "two\nlines", "tab\t", "\x7f", "Grüße 🌙", True, 3, 0.5]
)
def test_a_value_is_written_as_toml_reads_it(value):
    """What `nightshift init` writes is what was answered."""
    assert tomllib.loads(f"x = {toml_value(value)}") == {"x": value}


def test_a_list_is_written_as_toml_reads_it():
    """Ids of servers, say."""
    assert tomllib.loads(f"x = {toml_value((1, 'a'))}") == {"x": [1, "a"]}
