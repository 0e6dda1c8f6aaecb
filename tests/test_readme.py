"""Every command that README.md shows is run here, or is named below with the reason why it is not."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^ *\$ (.+)$", README, flags=re.MULTILINE)
ELSEWHERE = {
    "git clone https://github.com/nightshift-discord/nightshift && cd nightshift": "needs the network",
    "make demo": ".ci/run runs it",
    "make setup": ".ci/run runs it, as a part of `make lint`",
    "export DISCORD_TOKEN=...": "a real token",
    ".venv/bin/nightshift run": "tests/torture runs it on a Discord of this machine",
    'nightshift import shawgpt-youtube-comments.csv --append-signature " -ShawGPT"': "benchmarks/article.py, that file",
    "nightshift train": "benchmarks/article.py; tests/cli/test_training.py runs a night",
    'nightshift chat --once "Great content, thank you!" --greedy': "benchmarks/article.py; tests/cli/test_chat.py",
    'nightshift chat --once "Great content, thank you!" --greedy --adapter base': "as above",
    "nightshift adapters rollback": "tests/cli/test_adapters.py, with adapters",
}
RUN = {".venv/bin/nightshift init": 0}


def test_every_command_is_run_or_named():
    """A command that is added to the page is added here."""
    assert COMMANDS
    assert set(COMMANDS) == {*ELSEWHERE, *RUN}


@pytest.mark.parametrize("command", RUN)
def test_a_command_does_what_the_page_says(command, tmp_path, monkeypatch, capsys):
    """Without answers from anybody, in a directory of its own."""
    from bot.cli.main import run

    monkeypatch.setenv("NIGHTSHIFT_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("DISCORD_TOKEN", raising=False)
    monkeypatch.chdir(tmp_path)
    _, *arguments = shlex.split(command)
    assert run([*arguments, "--yes"]) == RUN[command]
    said = capsys.readouterr().out
    assert "https://discord.com/oauth2/authorize" in said
    assert (tmp_path / "home" / "nightshift.toml").exists()


def test_every_inline_command_of_the_program_exists():
    """`nightshift status`, `nightshift adapters use base` and the like."""
    import typer

    from bot.cli.main import app

    group = typer.main.get_command(app)
    for text in re.findall(r"`nightshift ([a-z-]+)[^`]*`", README):
        assert text in group.commands, text
