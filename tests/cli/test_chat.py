"""`chat` on a tiny real model with real adapters."""

from __future__ import annotations

import io
import os
import subprocess
import sys

import pytest

from model.base.loading import load_base
from model.config import ModelConfig
from tests.tiny import make_tiny_adapter, make_tiny_base


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A tiny base and an adapter that changes what it says."""
    root = tmp_path_factory.mktemp("tiny")
    base = make_tiny_base(root / "base")
    loaded = load_base(ModelConfig(base=str(base), device="cpu"), root / "cache")
    return base, make_tiny_adapter(root / "adapter", loaded.model)


@pytest.fixture
def small(monkeypatch, tiny):
    """Settings for the tiny base: a short context and short answers."""
    values = {"MODEL__BASE": str(tiny[0]), "MODEL__DEVICE": "cpu", "MODEL__CONTEXT_TOKENS": "128"}
    for name, value in (values | {"GENERATION__MAX_NEW_TOKENS": "20"}).items():
        monkeypatch.setenv(f"NIGHTSHIFT_{name}", value)


def once(nightshift, *options):
    said = nightshift("chat", "--once", "What is a light?", "--greedy", *options)
    assert said.code == 0, said
    return said.out


def test_greedy_replies_repeat_and_the_adapter_changes_them(nightshift, small, publish, tiny):
    """Base, adapter, base, and back by rollback: the same words each time."""
    bare = once(nightshift)
    adapter = publish("first", tiny[1])
    nightshift("adapters", "use", adapter)
    voiced = once(nightshift)
    assert voiced != bare
    assert once(nightshift, "--adapter", "base") == bare
    nightshift("adapters", "use", "base")
    assert once(nightshift) == bare
    assert once(nightshift, "--adapter", "first") == voiced
    nightshift("adapters", "rollback")
    assert once(nightshift) == voiced


def test_after_a_change_of_base_the_base_answers_alone(nightshift, small, publish, tiny):
    """The adapter in use was made for another: that is said, and one can talk; by name it is refused."""
    bare = once(nightshift)
    nightshift("adapters", "use", publish("first", tiny[1], base_model="other", base_revision="r", template_hash="t"))
    said = nightshift("chat", "--once", "What is a light?", "--greedy")
    assert (said.code, said.out) == (0, bare)
    assert said.err.startswith("The adapter in use, first, does not go with this base (")
    assert "The adapter in use stays" not in said.err
    nightshift("chat", "--once", "hi", "--adapter", "first").fails_with(1, "choose another one with --adapter")


def test_an_unknown_or_damaged_adapter_is_one_sentence(nightshift, small, publish, home, tiny):
    """Said before the model is loaded."""
    nightshift("chat", "--once", "hi", "--adapter", "nobody").fails_with(1, "no adapter nobody")
    nightshift("adapters", "use", publish("first", tiny[1]))
    (home.adapters / "first" / "adapter_model.safetensors").write_bytes(b"")
    nightshift("chat", "--once", "hi").fails_with(1, "damaged")


def test_an_unknown_base_is_one_sentence(nightshift, monkeypatch):
    """It says what can be set instead."""
    monkeypatch.setenv("NIGHTSHIFT_MODEL__BASE", "/nowhere")
    nightshift("chat", "--once", "hi").fails_with(1, "'/nowhere' cannot be loaded")


def test_a_conversation_goes_on_until_the_input_ends(nightshift, small, monkeypatch):
    """More turns than the context holds: the oldest go, the last is answered."""
    monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(["Tell me of the sea and the harbour light."] * 6) + "\n\n"))
    said = nightshift("chat", "--greedy")
    assert said.code == 0
    assert said.err.count("> ") == 8  # six questions, an empty line, the end
    assert "/quit or Ctrl-D" in said.err


def test_a_question_that_is_too_long_is_refused_and_the_next_one_answered(nightshift, small, monkeypatch):
    """The conversation goes on without it."""
    monkeypatch.setattr("sys.stdin", io.StringIO("sea " * 500 + "\nhello?\n"))
    said = nightshift("chat", "--greedy")
    assert said.code == 0
    assert "shorten the conversation" in said.err


def test_a_goodbye_ends_the_conversation(nightshift, small, monkeypatch):
    """The rest of the input is not answered."""
    monkeypatch.setattr("sys.stdin", io.StringIO("/quit\nhello?\n"))
    said = nightshift("chat")
    assert said.code == 0
    assert said.err.count("> ") == 1


def test_stdout_of_the_real_program_is_the_reply_alone(small, tmp_path):
    """Whatever libraries print goes to stderr."""
    done = subprocess.run(
        [sys.executable, "-c", "from bot.cli.main import main; main()", "chat", "--once", "hello?", "--greedy"],
        capture_output=True,
        check=True,
        env={**os.environ, "NIGHTSHIFT_HOME": str(tmp_path / "home")},
    )
    assert done.stdout.endswith(b"\n")
    assert b"Converting" in done.stderr
    assert b"Converting" not in done.stdout
    assert b"kernels" not in done.stdout + done.stderr
