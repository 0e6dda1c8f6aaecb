"""The log file: bounded, private, and without secrets."""

from __future__ import annotations

import asyncio
import json
import logging
import stat
from dataclasses import replace

import pytest

from bot.log_file import entries, log_files, open_log
from bot.log_formats import Entry, figures, parse_entries
from bot.request_id import answering
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
    lines[3:3] = ["2026-13-45 04:00:00,123 ERROR   quoted: no such day\n", "[" * 100_000 + "\n"]
    lines.insert(3, '{"at": "0001-01-01T00:00:00+14:00", "level": "info", "logger": "x", "message": "y"}\n')
    lines.insert(3, '{"at": ' + "[" * 100_000 + "\n")
    first, second = parse_entries(lines)
    assert (first.level, first.text.count("\n")) == ("error", 6)
    assert second == Entry(second.at, "info", "2026-11-25 04:00:01,000 INFO    bot: fine")


def test_a_line_carries_the_request_that_is_being_answered(log, tmp_path):
    """Also in tasks that its task starts, and nothing of one request gets into another's lines."""
    test = log()

    async def answer(request):
        with answering(request):
            await asyncio.sleep(0)
            await asyncio.create_task(asyncio.sleep(0))
            test.info("here")
        test.info("after")

    async def both():
        await asyncio.gather(answer(71), answer(72))

    asyncio.run(both())
    found = [(one.request, one.text.split()[-1]) for one in entries(log_files(tmp_path / "logs"))]
    assert sorted(found) == [("", "after"), ("", "after"), ("71", "here"), ("72", "here")]


def test_json_has_one_object_a_line_and_no_secret(log, tmp_path):
    """The traceback and the figures are in it; what reads the log shows it as text."""
    test = log(['no "usual" token'], format="json")
    with answering("42"):
        test.info("took %s", "long", extra=figures(seconds=1.5, message="theirs"))
    try:
        int(f'{TOKEN} and no "usual" token')
    except ValueError:
        test.exception("failed\nin two lines")
    lines = written(tmp_path).splitlines()
    first, second = map(json.loads, lines)
    assert (first["message"], first["request"], first["seconds"], first["level"]) == ("took long", "42", 1.5, "info")
    assert "Traceback" in second["error"]
    assert TOKEN not in lines[1]
    assert "usual" not in second["error"].splitlines()[-1]
    shown = list(entries(log_files(tmp_path / "logs")))
    assert shown[0].text.endswith(" INFO    bot.test [42]: took long")
    assert shown[1].text.endswith("'[secret] and [secret]'")


def test_a_file_may_hold_both_kinds(log, tmp_path):
    """After the setting was changed; a line that only looks like JSON belongs to the entry before it."""
    made = "2026-11-25 04:00:00,123 ERROR   bot.client [9]: broke\n"
    json_line = '{"at": "2026-11-25T04:00:01.000+00:00", "level": "info", "logger": "bot", "message": "fine"}\n'
    first, second = parse_entries([made, '{"a": 1}\n', json_line])
    assert (first.request, first.text.splitlines()[-1]) == ("9", '{"a": 1}')
    assert (second.level, second.text[24:]) == ("info", "INFO    bot: fine")
