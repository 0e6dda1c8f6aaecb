"""A base on the Hugging Face hub that cannot be had: each reason has its own way out. The hub is a server here."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

PROGRAM = """
import sys
from model.base.files import resolve_base
from model.errors import BaseNotFound
try:
    print(resolve_base(sys.argv[1]))
except BaseNotFound as error:
    print(error)
"""


CODES = {"gated": (403, "GatedRepo"), "gone": (404, "RepoNotFound"), "old": (404, "RevisionNotFound")}


class Hub(BaseHTTPRequestHandler):
    """Answers as the hub does, by the name of the model."""

    def do_HEAD(self) -> None:
        status, code = CODES[self.path.split("/")[2]]
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self) -> None:
        self.do_HEAD()

    def log_message(self, *_arguments: object) -> None:
        """Nothing is printed."""


@pytest.fixture
def resolve(tmp_path):
    """Asks for a base in a process whose hub is here; returns what it says."""
    server = HTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()

    def ask(name: str, token: str = "") -> str:
        away = {**os.environ, "HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}", "HF_HOME": str(tmp_path)}
        away.pop("HF_TOKEN", None)
        away |= {"HF_TOKEN": token} if token else {}
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, name], env=away, capture_output=True, text=True, timeout=100, check=True
        )
        return done.stdout

    yield ask
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_gated_model_says_where_to_accept_the_licence_and_which_token_to_set(resolve):
    """The first thing that goes wrong with Llama and Gemma."""
    assert "accept its licence at https://huggingface.co/owner/gated" in resolve("owner/gated")
    assert "then set HF_TOKEN" in resolve("owner/gated")
    assert "is of an account that has not done so" in resolve("owner/gated", "hf_x")


def test_a_model_that_is_not_there_says_so(resolve):
    """A misspelt name, or a private one."""
    assert "no model of this name, or it is private" in resolve("owner/gone")


def test_a_revision_that_is_not_there_is_named(resolve):
    """`owner/name@revision`."""
    assert "has no revision v9 of it" in resolve("owner/old@v9")
