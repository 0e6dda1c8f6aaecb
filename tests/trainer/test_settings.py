"""Settings: a file, the environment above it, and one sentence when something is wrong."""

from __future__ import annotations

import pytest

from storage.home import Home
from trainer.errors import SettingsInvalid
from trainer.settings import load_trainer_settings


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path)


def test_without_a_file_everything_is_at_its_default(home):
    """A fresh home needs no settings."""
    settings = load_trainer_settings(home)
    assert settings.model.base == "embedded"
    assert settings.training.min_pairs == 50
    assert settings.schedule.cron == "0 4 * * *"


def test_the_environment_wins_over_the_file_value_by_value(home, monkeypatch):
    """The rest of the section still comes from the file."""
    home.config.write_text("[training]\nepochs = 3\nrank = 8\n")
    monkeypatch.setenv("NIGHTSHIFT_TRAINING__EPOCHS", "7")
    training = load_trainer_settings(home).training
    assert (training.epochs, training.rank) == (7.0, 8)


def test_sections_of_the_bot_are_passed_over(home):
    """One file serves both."""
    home.config.write_text("[discord]\nreview_channel = 'review'\n[gate]\nsamples = 2\n")
    assert load_trainer_settings(home).gate.samples == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[training]\nepoch = 3", "no setting 'epoch'"),
        ("[training]\nrank = 0", "training.rank cannot be 0"),
        ("[model]\ndevice = 3", "model.device cannot be 3"),
        ("consent = 'all'", "consent cannot be 'all'"),
        ("[gate]\nbanned = ['(']", r"gate.banned cannot be .*'\(' is no regular expression"),
        ("[gate]\ncanaries = ['']", "gate.canaries.*a canary prompt is empty"),
        ("[gate]\ncanaries = 'none.txt'", "gate.canaries names .*none.txt, which cannot be used: No such file"),
        ("[training", "not valid TOML"),
    ],
)
def test_a_wrong_setting_is_named_in_one_sentence(home, text, words):
    """Nothing is silently left at its default."""
    home.config.write_text(text)
    with pytest.raises(SettingsInvalid, match=words) as caught:
        load_trainer_settings(home)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "prompts"),
    [
        ("# mine\nWho are you?\n\nSay it.\n", ("Who are you?", "Say it.")),
        ('{"prompt": "Who are you?", "kind": "everyday"}\n', ("Who are you?",)),
    ],
)
def test_canary_prompts_are_read_from_a_file_beside_the_settings(home, text, prompts):
    """One a line, or JSON lines."""
    (home.root / "canaries.txt").write_text(text)
    home.config.write_text("[gate]\ncanaries = 'canaries.txt'\n")
    assert load_trainer_settings(home).gate.canaries == prompts


def test_canary_prompts_may_stand_in_the_settings_themselves(home):
    """For one or two, a list is enough."""
    home.config.write_text("[gate]\ncanaries = ['Who are you?']\nbanned = ['discord\\.gg/']\n")
    gate = load_trainer_settings(home).gate
    assert (gate.canaries, gate.banned) == (("Who are you?",), (r"discord\.gg/",))


def test_a_file_of_canary_prompts_with_a_broken_line_is_refused(home):
    """The sentence names the line."""
    (home.root / "canaries.txt").write_text("Who are you?\n{broken\n")
    home.config.write_text("[gate]\ncanaries = 'canaries.txt'\n")
    with pytest.raises(SettingsInvalid, match=r"line 2 is no JSON object with .prompt."):
        load_trainer_settings(home)
