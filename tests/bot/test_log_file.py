"""The log file: bounded, private, and without secrets."""

from __future__ import annotations

import logging
import stat
from dataclasses import replace

import pytest

from bot.log_file import Entry, entries, log_files, open_log, parse_entries
from bot.settings import LogConfig

TOKEN = "MTIzNDU2Nzg5MDEyMzQ1Njc4.GxYzAb.abcdefghijklmnopqrstuvwxyz0123456789AB"  # noqa: S105 - made up


@pytest.fixture
def log(tmp_path):
    """Opens a log in a folder; the root logger is as before afterwards."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    root.handlers = []

    def opened(secrets=(), **changes):
        open_log(tmp_path / "logs", replace(LogConfig(), **changes), secrets)
        return logging.getLogger("bot.test")

    yield opened
    for one in root.handlers:
        one.close()
    root.handlers = before
    root.setLevel(level)


def written(tmp_path):
    return "".join(path.read_text() for path in log_files(tmp_path / "logs"))


def test_no_secret_reaches_the_log(log, tmp_path, monkeypatch):
    """Neither the bot's token nor another, in a message, an argument or a traceback."""
    monkeypatch.setenv("HF_TOKEN", "a-token-of-the-hub")
    test = log(["a token of no usual shape"])
    test.info("login with %s", TOKEN)
    test.warning("a token of no usual shape, a-token-of-the-hub, hf_abcdefghijklmnopqrstu")
    try:
        int(f"Bearer {TOKEN}")
    except ValueError:
        test.exception("failed at https://discord.com/api/webhooks/123/abcdefghijklmnopqrstuvwxyz")
    text = written(tmp_path)
    assert text.count("[secret]") == 6
    for secret in (TOKEN, "no usual shape", "a-token-of-the-hub", "hf_abc", "abcdefghijklmnopqrstuvwxyz"):
        assert secret not in text
    assert "ValueError: invalid literal for int() with base 10: 'Bearer [secret]'" in text


def test_the_log_begins_anew_and_keeps_so_many_files(log, tmp_path):
    """It never grows beyond what the settings say."""
    test = log(megabytes=0.01, files=2)
    for number in range(2000):
        test.info("entry %d", number)
    files = log_files(tmp_path / "logs")
    assert [path.name for path in files] == ["nightshift.log.2", "nightshift.log.1", "nightshift.log"]
    assert all(path.stat().st_size <= 10_000 for path in files)
    numbers = [int(one.text.rsplit(" ", 1)[1]) for one in entries(files)]
    assert numbers == list(range(numbers[0], 2000))


def test_the_level_and_the_file_can_be_set(log, tmp_path):
    """Without a file nothing is made in the home."""
    log(file=False, level="error").warning("nothing")
    assert not (tmp_path / "logs").exists()


def test_a_log_that_cannot_be_written_keeps_nobody_from_starting(log, tmp_path, capsys):
    """It is said on stderr."""
    (tmp_path / "logs").write_text("a file in its place")
    log().info("still here")
    said = capsys.readouterr().err
    assert "There is no log file" in said
    assert "still here" in said


def test_the_folder_is_the_owners_alone(log, tmp_path):
    """Names of servers and people are in it."""
    log().info("x")
    assert stat.S_IMODE((tmp_path / "logs").stat().st_mode) == 0o700


def test_lines_without_a_time_belong_to_the_entry_before():
    """A traceback; what a file begins with in the middle of one is left out."""
    lines = ["  cut off\n", "2026-11-25 04:00:00,123 ERROR   bot: broke\n", "Traceback\n", "  x\n"]
    lines.append("2026-11-25 04:00:01,000 INFO    bot: fine\n")
    first, second = parse_entries(lines)
    assert (first.level, first.text.count("\n")) == ("error", 2)
    assert second == Entry(second.at, "info", "2026-11-25 04:00:01,000 INFO    bot: fine")
