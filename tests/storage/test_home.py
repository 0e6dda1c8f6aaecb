"""The home: found, made, or refused in one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from storage import Home, HomeUnwritable, find_home


def test_an_explicit_home_wins_over_the_environment(tmp_path, monkeypatch):
    """--home, then NIGHTSHIFT_HOME, then ./nightshift-data."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NIGHTSHIFT_HOME", raising=False)
    assert find_home() == Home(tmp_path / "nightshift-data")
    monkeypatch.setenv("NIGHTSHIFT_HOME", str(tmp_path / "env"))
    assert find_home() == Home(tmp_path / "env")
    assert find_home(Path("here")) == Home(tmp_path / "here")


def test_finding_a_home_makes_nothing(tmp_path):
    """`status` on a mistyped home must not leave a directory behind."""
    find_home(tmp_path / "typo")
    assert not (tmp_path / "typo").exists()


def test_ensure_makes_every_part_privately(tmp_path):
    """The home holds private conversations: only its owner may look."""
    home = Home(tmp_path / "deep" / "home").ensure()
    assert all(part.is_dir() for part in (home.adapters, home.runs, home.models))
    assert home.root.stat().st_mode & 0o077 == 0
    assert sorted(entry.name for entry in home.root.iterdir()) == ["adapters", "models", "runs"]


def test_a_home_below_a_file_is_refused_with_what_to_do(tmp_path):
    """One sentence, with the path and the way out."""
    (tmp_path / "file").write_text("")
    with pytest.raises(HomeUnwritable, match=r"file/home cannot be written .* --home") as caught:
        Home(tmp_path / "file" / "home").ensure()
    assert caught.value.path == tmp_path / "file" / "home"
