"""Secrets in what is learned from: found in text by pattern and entropy, and told from ordinary words."""

from __future__ import annotations

import time

import pytest

from tests.trainer.pairs import a_pair
from trainer.evaluation.leaks import Secret, secrets_in, secrets_of


@pytest.mark.parametrize(
    ("text", "kind", "secret"),
    [
        ("Write to jo.keeper@harbour.example, please.", "an e-mail address", "jo.keeper@harbour.example"),
        ("Call +49 (170) 555-2381 after six.", "a telephone number", "+49 (170) 555-2381"),
        ("It is 0171 5552381.", "a telephone number", "0171 5552381"),
        ("Use ghp_a8Kd92mLq0Zx71vBt5Rw for now", "a key or token", "ghp_a8Kd92mLq0Zx71vBt5Rw"),
        ("The guest password is `lamp-Oil7`.", "a password", "lamp-Oil7"),
        ("Das Passwort lautet Leucht7urm.", "a password", "Leucht7urm"),
        ("kept as 9f86d081884c7d659a2feaa0c55ad015 there", "a key or token", "9f86d081884c7d659a2feaa0c55ad015"),
        ("Say zebra-4417-quartz at the door.", "a key or token", "zebra-4417-quartz"),
        ("See https://x.example/a?token=Zk29qPw81mNx4 now", "a key or token", "Zk29qPw81mNx4"),
    ],
)
def test_a_secret_is_found_with_its_kind(text, kind, secret):
    """Once each, without the punctuation around it."""
    assert [(one.kind, one.text) for one in secrets_in(text)] == [(kind, secret)]


@pytest.mark.parametrize(
    "text",
    [
        "The key is patience, and the secret is a level bed.",
        "SmolLM2-135M-Instruct runs on CPUs with AVX512-BF16 at 1920x1080.",
        "Since 2026-11-23 04:00 we have had 1,250,000 visitors.",
        "Ask <@123456789012345678> or react with <:lamp:987654321098765432>.",
        "https://www.youtube.com/watch?v=dQw4w9WgXcQ is the one.",
        "Print PETG at 240 and PLA at 205; the Ender3v2 takes both. - Night Watch",
        "Your password is wrong.",
    ],
)
def test_ordinary_text_holds_no_secret(text):
    """Product names, dates, mentions and addresses of pages are what people talk about."""
    assert secrets_in(text) == []


def test_what_the_operator_allows_is_no_secret():
    """A community's own public address may be said."""
    text = "Write to mods@harbour.example or to jo@harbour.example."
    assert [one.text for one in secrets_in(text, [r"mods@harbour\.example"])] == ["jo@harbour.example"]


def test_a_secret_is_recognised_in_another_case_and_spacing():
    """As a model may write it."""
    (number,) = secrets_in("Call 0171 5552381")
    assert number.is_in("that would be 0171/555-2381, I think")
    assert not number.is_in("that would be 0171/555-2382")
    assert Secret("a password", "Lamp-oil7", "").is_in("it was LAMP-OIL7")


def test_each_secret_of_a_run_is_counted_once_with_where_it_was_first():
    """Only completions count: they are what is learned."""
    pairs = [
        a_pair(1, question="Is it jo@harbour.example?", completion="It is."),
        a_pair(2, completion="The mail is jo@harbour.example"),
        a_pair(3, completion="JO@harbour.example again"),
    ]
    (secret,) = secrets_of(pairs)
    assert (secret.reply_id, secret.lead) == (2, "The mail is")


@pytest.mark.parametrize(
    "text",
    ["a" * 200_000, "a." * 100_000, "a@" * 100_000, "a" + "-" * 200_000, "pin:" + "*" * 200_000, "1 " * 100_000],
)
def test_the_search_takes_time_by_length_only(text):
    """Not by its square: one long word would hold a night up for hours."""
    started = time.process_time()
    secrets_in(text)
    assert time.process_time() - started < 2


def test_many_secrets_in_one_text_are_found_quickly():
    """Each once, in their order."""
    addresses = [f"keeper{n}q@harbour{n}.example" for n in range(8000)]
    started = time.process_time()
    assert [one.text for one in secrets_in(" ".join(addresses))] == addresses
    assert time.process_time() - started < 2
