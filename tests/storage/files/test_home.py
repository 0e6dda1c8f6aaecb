"""The home: found, made, or refused in one sentence."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from storage.errors import HomeUnwritable
from storage.files.home import Home, find_home
from storage.store import Store


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


def modes(root):
    """The rights of others on everything in a folder, by path."""
    return {path: oct(path.lstat().st_mode & 0o077) for path in [root, *root.rglob("*")] if not path.is_symlink()}


@pytest.fixture
def usual_umask():
    before = os.umask(0o022)
    yield
    os.umask(before)


def test_a_home_that_exists_is_made_private(tmp_path, usual_umask):
    """As one made by hand or by `docker run -v`: folder 755, database 644, adapters beside them."""
    home = Home(tmp_path / "home")
    home.root.mkdir()
    Store.open(home.db).close()
    for file in (
        home.adapters / "a1" / "adapter.bin",
        home.runs / "r1" / "log",
        home.config,
        home.root / "nightshift.db-wal",
    ):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    for path in home.root.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    home.root.chmod(0o755)
    home.ensure()
    assert set(modes(home.root).values()) == {"0o0"}
    assert (home.adapters / "a1").stat().st_mode & 0o700 == 0o700


def test_what_is_made_in_a_home_later_is_private_too(tmp_path, usual_umask):
    """The database with its companions, and files that know nothing of it."""
    home = Home(tmp_path / "home").ensure()
    with Store.open(home.db) as store:
        store.set_state("a", "b")
        (home.runs / "r1").mkdir()
        (home.runs / "r1" / "log").write_text("words")
        assert (home.root / "nightshift.db-wal").exists()
        assert set(modes(home.root).values()) == {"0o0"}


def test_a_database_alone_is_private(db_path, usual_umask):
    """Also where nobody made a home of its folder, and where it was readable before."""
    Store.open(db_path).close()
    assert db_path.stat().st_mode & 0o077 == 0
    db_path.chmod(0o644)
    with Store.open(db_path) as store:
        store.set_state("a", "b")
        assert {path.stat().st_mode & 0o077 for path in db_path.parent.glob(f"{db_path.name}*")} == {0}


def test_a_link_in_a_home_does_not_change_what_it_leads_to(tmp_path, usual_umask):
    """Models are often linked to where they lie for everybody."""
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "weights").touch()
    home = Home(tmp_path / "home")
    home.models.mkdir(parents=True)
    (home.models / "base").symlink_to(shared)
    home.ensure()
    assert (shared / "weights").stat().st_mode & 0o044 == 0o044
    assert shared.stat().st_mode & 0o055 == 0o055
