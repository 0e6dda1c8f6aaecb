"""`logs`: the newest entries, those that matter, and what comes after."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

import pytest

from bot.cli.logs import _following


def entry(minutes_ago, level, text):
    at = datetime.now().astimezone() - timedelta(minutes=minutes_ago)
    return f"{at:%Y-%m-%d %H:%M:%S},000 {level:<7} bot.client: {text}\n"


@pytest.fixture
def written(home):
    """A log of two files."""
    home.logs.mkdir(parents=True)
    (home.logs / "nightshift.log.1").write_text(entry(300, "INFO", "first") + entry(200, "ERROR", "second\nTraceback"))
    (home.logs / "nightshift.log").write_text(entry(10, "INFO", "third") + entry(5, "WARNING", "fourth"))
    return home.logs


def said(result):
    return [line.rsplit(" ", 1)[1] for line in result.out.splitlines() if "bot.client" in line]


def test_all_files_are_shown_the_oldest_first(nightshift, written):
    """With tracebacks."""
    result = nightshift("logs")
    assert said(result) == ["first", "second", "third", "fourth"]
    assert "\nTraceback\n" in result.out


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        (["--lines", "1"], ["fourth"]),
        (["--level", "warning"], ["second", "fourth"]),
        (["--level", "warning", "--lines", "1"], ["fourth"]),
        (["--since", "1h"], ["third", "fourth"]),
        (["--since", "7m", "--level", "error"], []),
        (["--since", "2020-01-01"], ["first", "second", "third", "fourth"]),
    ],
)
def test_entries_are_chosen_by_number_level_and_time(nightshift, written, options, shown):
    """All of them together."""
    assert said(nightshift("logs", *options)) == shown


def test_without_a_log_it_says_what_writes_one(nightshift):
    """And ends with 1."""
    nightshift("logs").fails_with(1, "`nightshift run` writes one")


@pytest.mark.parametrize("when", ["yesterday", "25:00", "99999999w", "", "0001-01-01T00:00+14:00"])
def test_a_moment_that_is_none_is_a_sentence(nightshift, written, when):
    """With what can be given."""
    nightshift("logs", "--since", when).fails_with(2, "is no moment")


def test_following_goes_on_in_the_file_that_takes_its_place(written):
    """As when the log begins anew."""
    path = written / "nightshift.log"
    following = _following(path, path.stat().st_size, lambda one: one.level != "info")

    def write():
        with path.open("a") as file:
            file.write(entry(0, "INFO", "quiet") + entry(0, "ERROR", "fifth"))
        path.rename(written / "nightshift.log.2")
        path.write_text(entry(0, "ERROR", "sixth"))

    writer = threading.Timer(0.2, write)
    writer.start()
    assert [next(following).rsplit(" ", 1)[1] for _ in range(2)] == ["fifth", "sixth"]
    writer.join()
    following.close()


def test_the_entries_of_one_request_can_be_followed(nightshift, home):
    """Whether they were written as text or as JSON."""
    home.logs.mkdir(parents=True)
    at = datetime.now().astimezone().isoformat(timespec="milliseconds")
    lines = [
        entry(3, "INFO", "first").replace("bot.client", "bot.client [71]"),
        entry(2, "INFO", "second").replace("bot.client", "bot.client [72]"),
        f'{{"at": "{at}", "level": "error", "logger": "bot.client", "message": "third", "request": "71"}}\n',
    ]
    (home.logs / "nightshift.log").write_text("".join(lines))
    assert said(nightshift("logs", "--request", "71")) == ["first", "third"]
    assert "ERROR   bot.client [71]: third" in nightshift("logs", "--level", "error").out
