"""What the training process is told: settings and paths, no secrets."""

from __future__ import annotations

import sys

import pytest

from trainer import launch
from trainer.environment import without_secrets

TOKEN = "MTIz.abc.def"  # noqa: S105  (nobody's)
SECRETS = [
    "DISCORD_TOKEN",
    "GITHUB_TOKEN",
    "AWS_SECRET_ACCESS_KEY",
    "OPENAI_API_KEY",
    "PGPASSWORD_FILE_PASSWORD",
    "DB_PASSWORD",
    "SSH_AUTH_SOCK",
    "SENTRY_DSN",
    "DATABASE_URL",
    "WEBHOOK",
]
NEEDED = [
    "PATH",
    "PWD",
    "HOME",
    "LD_LIBRARY_PATH",
    "CUDA_VISIBLE_DEVICES",
    "TOKENIZERS_PARALLELISM",
    "NIGHTSHIFT_TRAINING__MAX_TOKENS",
    "NIGHTSHIFT_MODEL__CONTEXT_TOKENS",
    "HF_HOME",
    "HF_TOKEN",
    "KEYBOARD",
]


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_stays_behind(name):
    """By what variables with secrets are called."""
    assert without_secrets({name: "x"}) == {}


@pytest.mark.parametrize("name", NEEDED)
def test_what_training_needs_comes_along(name):
    """Settings that count tokens too, and what fetches a gated base."""
    assert without_secrets({name: "x"}) == {name: "x"}


def test_discords_token_stays_behind_under_any_name():
    """Some keep it in a second variable, or in a whole line of settings."""
    environment = {"DISCORD_TOKEN": f" {TOKEN}\n", "BOT": TOKEN, "LINE": f"login {TOKEN}", "PATH": "/bin"}
    assert without_secrets(environment) == {"PATH": "/bin"}


async def test_the_training_process_does_not_get_the_token(tmp_path, monkeypatch):
    """Looked for in the environment of the process that is really started."""
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\nenv > {tmp_path}/env\nexit 3\n")
    program.chmod(0o700)
    for name in ("DISCORD_TOKEN", "OPENAI_API_KEY"):
        monkeypatch.setenv(name, TOKEN)
    monkeypatch.setenv("NIGHTSHIFT_TRAINING__MAX_TOKENS", "64")
    monkeypatch.setattr(sys, "executable", str(program))
    (tmp_path / "home").mkdir()
    await launch.run_training(tmp_path / "home")
    told = (tmp_path / "env").read_text()
    assert TOKEN not in told
    assert "NIGHTSHIFT_TRAINING__MAX_TOKENS=64" in told
