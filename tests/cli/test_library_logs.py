"""What libraries may write into a person's terminal, and into a log."""

from __future__ import annotations

import os
import sys

import pytest

from bot.cli.library_logs import silence_libraries


@pytest.mark.parametrize(
    ("asked", "terminal", "shown"), [(True, True, True), (True, False, False), (False, True, False)]
)
def test_progress_bars_show_only_where_a_person_waits_at_a_terminal(monkeypatch, asked, terminal, shown):
    """In a log, each step of a bar would be written behind the one before."""
    monkeypatch.setenv("TQDM_DISABLE", "1")  # so that it is unset again afterwards, whatever is set below
    monkeypatch.delenv("TQDM_DISABLE")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal, raising=False)
    silence_libraries(progress_bars=asked)
    assert ("TQDM_DISABLE" not in os.environ) is shown
