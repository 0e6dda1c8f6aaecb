"""The program itself: help, version, home, and how errors reach a person."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
from importlib import metadata

import pytest

from bot.cli import status
from bot.cli.main import main

DAILY = ("run", "chat", "import", "export", "train", "adapters", "status")
COMMANDS = (*DAILY, "demo", "playground", "estimate", "doctor")


def test_help_lists_every_command(nightshift):
    """With `--help`, and when nothing is said at all."""
    said = nightshift("--help")
    assert said.code == 0
    assert all(f"\n  {command} " in said.out for command in COMMANDS)
    assert nightshift().out == said.out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(nightshift, command):
    """`nightshift COMMAND --help` says what it takes."""
    said = nightshift(command, "--help")
    assert said.code == 0
    assert f"nightshift {command}" in said.out
    assert "--home DIRECTORY" in said.out


def test_version_is_the_package_s(nightshift):
    """For bug reports."""
    assert nightshift("--version").out == f"nightshift {metadata.version('nightshift-discord')}\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("bogus",), "No such command 'bogus'"),
        (("--bogus",), "No such option: --bogus"),
        (("status", "--bogus"), "nightshift status --help"),
        (("status", "surplus"), "unexpected extra argument"),
        (("import",), "Missing argument 'FILE...'"),
        (("export",), "Missing argument 'FILE'"),
        (("import", "nowhere.csv"), "'nowhere.csv' does not exist"),
        (("chat", "--once"), "--once"),
        (("chat", "--once", "  "), "the text to answer is empty"),
        (("train", "--force=3"), "--force"),
        (("adapters", "use"), "Missing argument 'ID|base'"),
        (("adapters", "prune", "--keep", "-1"), "--keep"),
        (("adapters", "--json", "verify"), "nightshift adapters list --json"),
        (("estimate", "--rows", "none"), "--rows"),
        (("playground", "--port", "99999999"), "--port"),
        (("--home",), "--home"),
    ],
)
def test_bad_use_is_one_sentence_and_exit_code_2(nightshift, arguments, words):
    """No usage box, no traceback: what is wrong, and where the right words are."""
    nightshift(*arguments).fails_with(2, words)


def test_home_is_taken_before_and_after_the_command(nightshift, tmp_path):
    """The one nearest to the command counts; without any it is NIGHTSHIFT_HOME."""
    before, after = tmp_path / "before", tmp_path / "after"
    nightshift("--home", before, "status")
    assert (before / "nightshift.db").exists()
    nightshift("--home", before, "adapters", "list", "--home", after)
    assert (after / "nightshift.db").exists()
    assert not (tmp_path / "home").exists()
    nightshift("status")
    assert (tmp_path / "home" / "nightshift.db").exists()


@pytest.mark.parametrize("command", ["status", "adapters", "train", "chat", "demo", "playground"])
def test_a_home_that_cannot_be_made_is_said_in_one_sentence(nightshift, tmp_path, command):
    """A file is in the way."""
    (tmp_path / "file").write_text("")
    nightshift(command, "--home", tmp_path / "file" / "home").fails_with(1, "choose another with --home")


def test_a_newer_database_is_left_alone(nightshift, home, store):
    """Its migrations are unknown here; nothing is written."""
    with contextlib.closing(sqlite3.connect(home.db)) as database:
        database.execute(
            "insert into _sqlite_migrations (migration_set, name, applied_at) values ('nightshift', 'm999', '2030')"
        )
        database.commit()
    store.close()
    before = home.db.read_bytes()
    nightshift("status").fails_with(1, "newer Nightshift")
    assert home.db.read_bytes() == before


def test_a_misspelt_setting_is_named(nightshift, home):
    """Otherwise it would silently stay at its default."""
    home.ensure().config.write_text("[model]\nbsae = 'embedded'\n")
    nightshift("status").fails_with(1, "no setting 'bsae'")


def test_a_library_that_is_missing_is_named_with_the_way_out(nightshift, monkeypatch):
    """After an update that was fetched and not installed."""

    def missing(*_args, **_options):
        raise ModuleNotFoundError("No module named 'cronsim'", name="cronsim")

    monkeypatch.setattr(status, "_facts", missing)
    said = nightshift("status")
    said.fails_with(1, "The library cronsim is not installed")


def test_an_unforeseen_error_is_one_sentence_without_its_text(nightshift, monkeypatch):
    """No raw exception text reaches a user; NIGHTSHIFT_DEBUG brings it back for us."""

    def broken(*_):
        raise RuntimeError("secret inner workings")

    monkeypatch.setattr(status, "_facts", broken)
    said = nightshift("status")
    said.fails_with(1, "set NIGHTSHIFT_DEBUG=1")
    assert "RuntimeError" in said.err
    assert "secret" not in said.err
    monkeypatch.setenv("NIGHTSHIFT_DEBUG", "1")
    with pytest.raises(RuntimeError, match="inner workings"):
        nightshift("status")


def program(*arguments, home):
    """The installed program in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", "from bot.cli.main import main; main()", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "NIGHTSHIFT_HOME": str(home)},
    )


def test_the_program_gives_the_shell_its_exit_codes(tmp_path):
    """0 done, 1 failed, 2 invalid usage, as scripts see them."""
    codes = [program(*words, home=tmp_path).returncode for words in (["--help"], ["adapters", "rollback"], ["bogus"])]
    assert codes == [0, 1, 2]


def test_output_that_nobody_reads_to_its_end_makes_no_noise(tmp_path):
    """`nightshift --help | head -1`."""
    line = f"{sys.executable} -c 'from bot.cli.main import main; main()' --help | head -c 1"
    done = subprocess.run(["/bin/sh", "-c", line], capture_output=True, text=True, check=False)
    assert done.stderr == ""


def test_status_loads_no_model_library(tmp_path):
    """It must answer at once, and beside a busy bot."""
    program_text = (
        "import sys; from bot.cli.main import run; run(['status']); "
        "print(sorted({'torch', 'transformers', 'peft', 'datasets', 'discord'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program_text],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "NIGHTSHIFT_HOME": str(tmp_path / "home")},
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_installed_script_is_this_program():
    """`[project.scripts]` in pyproject.toml."""
    (script,) = metadata.entry_points(group="console_scripts", name="nightshift")
    assert script.load() is main
