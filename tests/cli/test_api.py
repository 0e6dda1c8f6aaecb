"""`api`: the endpoint without Discord, as a program of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import openai

from bot.log_file import entries, log_files
from tests.bot.api.conftest import free_port
from tests.tiny import make_tiny_base


def test_it_answers_without_a_token_until_ctrl_c(tmp_path):
    """With the key that it made; exit code 0, and neither the key nor a word of it in the log."""
    base, port, home = make_tiny_base(tmp_path / "base"), free_port(), tmp_path / "home"
    home.mkdir()
    program = "from bot.cli.main import main; main()"
    with subprocess.Popen(
        [sys.executable, "-c", program, "api", "--port", str(port)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "NIGHTSHIFT_HOME": str(home), "NIGHTSHIFT_MODEL__BASE": str(base)},
    ) as running:
        try:
            line = running.stdout.readline()
            key = (home / "api-key").read_text().strip()
            with openai.OpenAI(base_url=line.split()[0], api_key=key, max_retries=0) as client:
                said = [{"role": "user", "content": "albatross"}]
                answer = client.chat.completions.create(model="current", messages=said, max_tokens=4)
            running.send_signal(signal.SIGINT)
            _, errors = running.communicate(timeout=60)
        finally:
            running.kill()
    assert line == f"http://127.0.0.1:{port}/v1 answers with the base model. Ctrl-C ends it.\n"
    assert (answer.model, answer.usage.completion_tokens) == ("base", 4)
    assert running.returncode == 0, errors
    assert "Traceback" not in errors
    (noted,) = [one for one in entries(log_files(home / "logs")) if "Generated 4 tokens" in one.text]
    assert noted.request == answer.id
    everything = b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file() and path.name != "api-key")
    assert b"albatross" not in everything
    assert key.encode() not in everything
