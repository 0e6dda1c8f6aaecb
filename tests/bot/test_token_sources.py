"""Where the token is found, in which order, and what is said of one that cannot be used."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.errors import TokenMissing, TokenUnreadable
from bot.settings import DiscordConfig
from bot.token_sources import discord_token

PLAIN = DiscordConfig()
BY_FILE = replace(PLAIN, token_file="token")


@pytest.fixture
def written(home):
    """Writes a token file in the home."""

    def write(text, mode=0o600):
        path = home.root / "token"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        path.chmod(mode)
        return path

    return write


@pytest.mark.parametrize("given", [" good\n", '"good"', "Bot good"])
def test_what_stands_around_a_token_does_not_matter(home, given):
    """It is pasted from a page, a shell or a header."""
    assert discord_token(home, PLAIN, {"DISCORD_TOKEN": given}).value == "good"


def test_a_file_is_read_from_the_home(home, written):
    """With a mark that an editor put before it, too."""
    path = written(b"\xef\xbb\xbffrom-file\n")
    found = discord_token(home, BY_FILE, {})
    assert (found.value, found.source, found.exposed) == ("from-file", str(path), False)


def test_an_absolute_path_and_one_of_the_person_are_taken_as_they_are(home, tmp_path, monkeypatch):
    """`~` is who runs the bot."""
    (tmp_path / "secret").write_text("far")
    assert discord_token(home, replace(PLAIN, token_file=str(tmp_path / "secret")), {}).value == "far"
    monkeypatch.setenv("HOME", str(tmp_path))
    assert discord_token(home, replace(PLAIN, token_file="~/secret"), {}).value == "far"


def test_a_file_that_others_can_read_is_found_out(home, written):
    """`doctor` says so."""
    written("open", 0o644)
    assert discord_token(home, BY_FILE, {}).exposed


def test_systemd_hands_the_token_over_as_a_credential(home, tmp_path):
    """`LoadCredential=discord_token:/path` in the unit."""
    (tmp_path / "discord_token").write_text("from-systemd")
    assert discord_token(home, PLAIN, {"CREDENTIALS_DIRECTORY": str(tmp_path)}).value == "from-systemd"


def test_the_environment_goes_over_the_file_and_the_file_over_the_credential(home, written, tmp_path):
    """As with every setting."""
    written("from-file")
    (tmp_path / "discord_token").write_text("from-systemd")
    everywhere = {"DISCORD_TOKEN": "from-environment", "CREDENTIALS_DIRECTORY": str(tmp_path)}
    assert discord_token(home, BY_FILE, everywhere).value == "from-environment"
    assert discord_token(home, BY_FILE, {**everywhere, "DISCORD_TOKEN": " "}).value == "from-file"


def test_a_credential_of_another_name_is_no_token(home, tmp_path):
    """A unit may load others."""
    (tmp_path / "database_password").write_text("x")
    with pytest.raises(TokenMissing, match="token_file"):
        discord_token(home, PLAIN, {"CREDENTIALS_DIRECTORY": str(tmp_path)})


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "empty"),
        ("a b", "more than a token"),
        ("DISCORD_TOKEN=x\nOTHER=y", "more than"),
        (b"\xff\xfe\x00", "no text"),
    ],
)
def test_a_file_without_a_token_is_named_and_never_shown(home, written, text, why):
    """One sentence, with where a token is to be had."""
    path = written(text)
    with pytest.raises(TokenUnreadable, match=why) as caught:
        discord_token(home, BY_FILE, {})
    assert str(path) in str(caught.value)
    assert "OTHER" not in str(caught.value)


def test_a_file_that_is_not_there_is_named(home):
    """It is not passed over: somebody set it."""
    with pytest.raises(TokenUnreadable, match="no such file"):
        discord_token(home, BY_FILE, {"CREDENTIALS_DIRECTORY": "/nowhere"})


def test_a_token_is_not_in_its_printed_form(home):
    """Nor in a traceback that shows values."""
    assert "good" not in repr(discord_token(home, PLAIN, {"DISCORD_TOKEN": "good"}))
