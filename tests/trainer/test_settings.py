"""Settings: a file, the environment above it, and one sentence when something is wrong."""

from __future__ import annotations

import dataclasses
import typing

import pytest

from bot.settings import Settings, load_settings
from storage.files.home import Home
from trainer.errors import SettingsInvalid
from trainer.setting_names import from_environment
from trainer.settings import BOT_SECTIONS, TrainerSettings, load_trainer_settings


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
        ("[training]\nepoch = 3", r"no setting 'epoch' \(did you mean 'epochs'\?\)"),
        ("consnet = 'operator'", r"There is no setting 'consnet' \(did you mean 'consent'\?\)"),
        ("[discrod]\nreview_channel = 'review'", r"There is no section \[discrod\] \(did you mean 'discord'\?\)"),
        ("[model]\ntimezone = 'Europe/Berlin'", r"The setting 'timezone' belongs to \[schedule\]; correct"),
        ("epochs = 3", r"The setting 'epochs' belongs to \[training\]; correct"),
        ("[model]\npersona = 'x'", "The setting 'persona' stands at the top of the file, before the first section"),
        ("[zzz]\na = 1", r"There is no section \[zzz\]; correct"),
        ("[model]\nslots = -1", "model.slots cannot be -1"),
        ("[model]\ncontext_tokens = 0", "model.context_tokens cannot be 0"),
        ("[model]\nlora_rank = 0", "model.lora_rank cannot be 0"),
        ("[model]\ndevice = 'gpu'", "model.device cannot be 'gpu'"),
        ("[training]\nmin_holdout = 9\nmax_holdout = 8", "training.min_holdout is above training.max_holdout"),
        ("[training]\nrank = 0", "training.rank cannot be 0"),
        ("[model]\ndevice = 3", "model.device cannot be 3"),
        ("consent = 'all'", "consent cannot be 'all'"),
        ("[gate]\nbanned = ['(']", r"gate.banned cannot be .*'\(' is no regular expression"),
        ("[gate]\nmax_expected_loss = 0", "gate.max_expected_loss cannot be 0.*greater than 0"),
        ("[gate]\ncandidate_evidence = 1.0", "gate.candidate_evidence cannot be 1.0.*greater than 1"),
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
    ("variable", "words"),
    [
        ("NIGHTSHIFT_CONSNET", "did you mean 'NIGHTSHIFT_CONSENT'"),
        ("NIGHTSHIFT_TRAINING__EPOCH", "did you mean 'NIGHTSHIFT_TRAINING__EPOCHS'"),
        ("NIGHTSHIFT_MODLE__BASE", "is no setting"),
        ("nightshift_training__epoch", "is no setting"),
    ],
)
def test_a_misspelt_variable_is_refused(home, monkeypatch, variable, words):
    """As a misspelt line of the file is."""
    monkeypatch.setenv(variable, "1")
    with pytest.raises(SettingsInvalid, match=words):
        load_trainer_settings(home)


def test_the_programs_own_variables_are_no_settings(home, monkeypatch):
    """Where the home is, tracebacks, and the bot's sections."""
    for name in ("NIGHTSHIFT_HOME", "NIGHTSHIFT_DEBUG", "NIGHTSHIFT_DISCORD__REVIEW_CHANNEL"):
        monkeypatch.setenv(name, "1")
    load_trainer_settings(home)


def test_the_bots_sections_are_the_bots():
    """The trainer passes over exactly those."""
    assert set(Settings.model_fields) - set(TrainerSettings.model_fields) == set(BOT_SECTIONS)


def test_what_the_environment_sets_is_named():
    """For `doctor`."""
    environment = {"NIGHTSHIFT_MODEL__BASE": "x", "NIGHTSHIFT_CONSENT": "members", "NIGHTSHIFT_HOME": "y", "PATH": "z"}
    assert from_environment(Settings, environment) == ["consent", "model.base"]


def numbers():
    """Every setting that is a number, by section."""
    for section, info in Settings.model_fields.items():
        if dataclasses.is_dataclass(info.annotation):
            hints = typing.get_type_hints(info.annotation)
            for field in dataclasses.fields(info.annotation):
                if {int, float} & {hints[field.name], *typing.get_args(hints[field.name])} and hints[
                    field.name
                ] is not bool:
                    yield section, field.name


@pytest.mark.parametrize(("section", "name"), list(numbers()))
@pytest.mark.parametrize("value", ["-1e30", "1e30", "nan", "inf", "-inf", "-1", "1" + "0" * 40])
def test_a_number_at_its_extremes_is_refused_in_words(home, section, name, value):
    """Each has a least and a greatest value, and the sentence says which setting it is."""
    if name in ("moderator_role", "review_channel"):
        pytest.skip("an id or a name: what is not there is not found")
    home.config.write_text(f"[{section}]\n{name} = {value}\n")
    with pytest.raises(SettingsInvalid, match=rf"{section}\.{name} cannot be") as caught:
        load_settings(home)
    assert len(str(caught.value)) < 400


def test_a_long_value_is_not_repeated_whole(home):
    """A persona of a book's length makes no book of an error."""
    home.config.write_text(f"persona = '{'x' * 30_000}'\n")
    with pytest.raises(SettingsInvalid, match="persona cannot be") as caught:
        load_settings(home)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[generation]\ntemperature = 1e-40", "generation.temperature cannot be"),
        ("[generation]\nmax_new_tokens = 2048", "leaves no room for a question"),
    ],
)
def test_answers_that_could_not_be_drawn_are_refused(home, text, words):
    """Before a member meets them."""
    home.config.write_text(text)
    with pytest.raises(SettingsInvalid, match=words):
        load_settings(home)


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
