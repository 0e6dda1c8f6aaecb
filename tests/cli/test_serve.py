"""`run`, `playground`: what stops them from starting, and how they end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from tests.tiny import make_tiny_base


def test_run_without_a_token_says_where_to_get_one(nightshift, home):
    """And makes nothing."""
    nightshift("run").fails_with(1, "DISCORD_TOKEN")
    assert not home.root.exists()


@pytest.mark.parametrize(("chosen", "holds"), [(None, "passive"), ("active", "active")])
def test_a_bot_lets_the_model_s_threads_rest_while_they_wait(nightshift, monkeypatch, home, chosen, holds):
    """Else they take the cores from Discord's heartbeat; who has chosen otherwise is not overruled."""
    (home.ensure().root / "api-key").write_text("no key")
    for command in ("run", "api"):  # which end for want of a token, and of a key
        _wait_policy(monkeypatch, chosen)
        nightshift(command).fails_with(1, "")
        assert os.environ["OMP_WAIT_POLICY"] == holds


def _wait_policy(monkeypatch, chosen):
    monkeypatch.setenv("OMP_WAIT_POLICY", chosen or "")  # put back afterwards
    if chosen is None:
        monkeypatch.delenv("OMP_WAIT_POLICY")


def test_the_playground_prints_its_address_and_ends_with_ctrl_c(tmp_path):
    """Exit code 0, no traceback, nothing left running."""
    base = make_tiny_base(tmp_path / "base")
    with subprocess.Popen(
        [sys.executable, "-c", "from bot.cli.main import main; main()", "playground"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "NIGHTSHIFT_HOME": str(tmp_path / "home"), "NIGHTSHIFT_MODEL__BASE": str(base)},
    ) as program:
        try:
            said = ""
            while "http://" not in said and (line := program.stdout.readline()):
                said += line
            program.send_signal(signal.SIGINT)
            rest, errors = program.communicate(timeout=60)
        finally:
            program.kill()
    assert "http://127.0.0.1:" in said, errors
    assert program.returncode == 0, errors
    assert "Traceback" not in errors + rest
