"""Moments as people give them to a command."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from bot.moments import moment_of, past_moment

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("3d", "2026-11-21T12:00:00.000+00:00"),
        (" 90 M ", "2026-11-24T10:30:00.000+00:00"),
        ("2026-11-20", "2026-11-20T00:00:00.000+00:00"),
        ("2026-11-20 14:30", "2026-11-20T14:30:00.000+00:00"),
        ("2026-11-20T14:30+02:00", "2026-11-20T12:30:00.000+00:00"),
        ("tomorrow", None),
        ("2026-12-01", None),
        ("", None),
        ("999999w", None),
        ("-3d", None),
        ("0001-01-01T00:00+14:00", None),
        ("9999-12-31T23:00-14:00", None),
        ("20261120", "2026-11-20T00:00:00.000+00:00"),
    ],
)
def test_a_time_is_a_while_ago_or_a_date(text, moment):
    """As people write it; what is to come, or before all dates, is none."""
    assert past_moment(text, NOW) == moment


def test_a_date_is_of_the_zone_that_is_given():
    """Unless it names its own; how long ago is the same everywhere."""
    berlin = ZoneInfo("Europe/Berlin")
    assert moment_of("2026-11-20 14:30", NOW, berlin) == datetime(2026, 11, 20, 13, 30, tzinfo=UTC)
    assert moment_of("2026-11-20 14:30Z", NOW, berlin) == datetime(2026, 11, 20, 14, 30, tzinfo=UTC)
    assert moment_of("2 Min", NOW, berlin) == datetime(2026, 11, 24, 11, 58, tzinfo=UTC)
