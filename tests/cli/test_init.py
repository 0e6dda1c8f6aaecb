"""`init`: five answers become a file that says what it holds; nothing that is there is touched."""

from __future__ import annotations

import base64
import builtins
import tomllib

import discord
import pytest

from bot.cli import init
from bot.machine import Memory
from bot.model_offers import offers, recommended, table
from bot.server.permissions import BOT_PERMISSIONS
from bot.settings import load_settings
from storage.origins import LEARNED_BY_DEFAULT

GB = 1e9


@pytest.fixture(autouse=True)
def without_hub(monkeypatch):
    """The hub does not answer, and the looks of `doctor` are another file's affair."""
    monkeypatch.setattr(init, "_hub_answers", lambda: False)
    monkeypatch.setattr("bot.cli.doctor._findings", lambda _home: iter(()))


@pytest.fixture
def answer(monkeypatch):
    """What is typed, line by line; what comes after the last line is the end of the input, or an exception."""

    def typed(*lines, then=EOFError):
        waiting = list(lines)

        def read(prompt=""):
            if not waiting:
                raise then
            return waiting.pop(0)

        monkeypatch.setattr(builtins, "input", read)

    return typed


def test_with_yes_the_defaults_are_written_and_can_be_read(nightshift, home):
    """Nothing is asked, and the file is one that the program takes."""
    said = nightshift("init", "--yes", "--timezone", "Europe/Berlin")
    assert said.code == 0, said
    settings = load_settings(home)
    assert (settings.model.base, settings.schedule.cron, settings.schedule.timezone) == (
        "embedded",
        "0 4 * * *",
        "Europe/Berlin",
    )
    assert "# persona" in home.config.read_text()
    assert "Nightshift can work here" in said.out


def test_five_answers_are_asked_for_and_written(nightshift, home, answer):
    """Each in its own words; Enter takes the default."""
    answer("Qwen/Qwen3-4B-Instruct-2507", "de", "3:30", "Europe/Berlin", "token", "")
    said = nightshift("init")
    assert said.code == 0, said
    assert tomllib.loads(home.config.read_text()) == {
        "model": {"base": "Qwen/Qwen3-4B-Instruct-2507"},
        "schedule": {"cron": "30 3 * * *", "timezone": "Europe/Berlin"},
        "discord": {"language": "de", "token_file": "token"},
        "training": {},
        "generation": {},
        "privacy": {},
    }


def test_a_wrong_answer_is_said_in_a_sentence_and_asked_again(nightshift, home, answer):
    """As often as it takes."""
    pasted = f"MTIz.x.{'a' * 60}"
    answer("99", "my model", "1", "klingon", "en", "at noon", "25:00", "off", pasted, "", "perhaps", "n")
    said = nightshift("init")
    assert said.code == 0, said
    for words in (
        "There is no model 99",
        "is no model",
        "no language of the bot",
        "is no time",
        "not the token itself",
    ):
        assert words in said.out
    assert "Please answer yes or no." in said.out
    assert load_settings(home).schedule.enabled is False
    assert "aaaa" not in home.config.read_text()


@pytest.mark.parametrize(
    ("option", "words"),
    [
        (("--model", "no model"), "is no model"),
        (("--model", "99"), "There is no model 99"),
        (("--language", "fr"), "no language of the bot"),
        (("--schedule", "late"), "is no time"),
        (("--timezone", "Mars/Olympus"), "is not known"),
    ],
)
def test_a_wrong_option_ends_it_and_nothing_is_written(nightshift, home, option, words):
    """One sentence, exit code 1."""
    nightshift("init", "--yes", *option).fails_with(1, words)
    assert not home.root.exists()


@pytest.mark.parametrize("then", [EOFError, KeyboardInterrupt])
def test_answers_that_end_early_leave_nothing(nightshift, home, answer, then):
    """Neither a closed input nor Ctrl-C leaves half a file."""
    answer("1", "en", then=then)
    said = nightshift("init")
    assert said.code == (130 if then is KeyboardInterrupt else 1)
    assert not home.root.exists()
    if then is EOFError:
        assert "--yes" in said.err


def test_settings_that_are_there_stay(nightshift, home):
    """Whoever runs it twice loses nothing."""
    home.ensure().config.write_text("persona = 'mine'\n")
    nightshift("init", "--yes").fails_with(1, "is there already and stays as it is")
    assert home.config.read_text() == "persona = 'mine'\n"
    assert sorted(path.name for path in home.root.iterdir()) == ["adapters", "models", "nightshift.toml", "runs"]


def test_the_invitation_has_the_id_of_the_application_and_the_permissions_that_are_used(nightshift, monkeypatch):
    """The first part of a token is that id."""
    token = f"{base64.b64encode(b'123456789012345678').decode().rstrip('=')}.GX.secret-part"
    monkeypatch.setenv("DISCORD_TOKEN", token)
    said = nightshift("init", "--yes")
    wanted = discord.Permissions(**dict.fromkeys(BOT_PERMISSIONS, True)).value
    assert f"client_id=123456789012345678&scope=bot+applications.commands&permissions={wanted}" in said.out
    assert "Embed Links" in said.out
    assert "secret-part" not in said.out


def test_without_a_token_the_invitation_says_what_to_put_in(nightshift):
    """The id stands in the Developer Portal."""
    assert "client_id=APPLICATION_ID" in nightshift("init", "--yes").out


def test_a_problem_that_doctor_finds_is_the_exit_code(nightshift, home, monkeypatch):
    """`nightshift init && nightshift run` stops there; the file stays."""
    from bot.diagnosis.finding import Finding

    monkeypatch.setattr("bot.cli.doctor._findings", lambda _: iter([Finding("broken", "model", "It is not there.")]))
    assert nightshift("init", "--yes").code == 1
    assert home.config.exists()


@pytest.mark.parametrize(
    ("memory", "first"),
    [
        (Memory("RTX 3060", 12.6 * GB, 12 * GB, on_gpu=True), "Qwen/Qwen3-4B-Instruct-2507"),
        (Memory("T4", 15.6 * GB, 15 * GB, on_gpu=True), "Qwen/Qwen3-4B-Instruct-2507"),
        (Memory("RTX 4090", 25.3 * GB, 24 * GB, on_gpu=True), "Qwen/Qwen3-8B"),
        (Memory("RTX 3050", 8.3 * GB, 8 * GB, on_gpu=True), "HuggingFaceTB/SmolLM3-3B"),
        (Memory("H100", 85 * GB, 80 * GB, on_gpu=True), "Qwen/Qwen3-14B"),
        (Memory("the CPU", 16 * GB, 10 * GB, on_gpu=False), "HuggingFaceTB/SmolLM2-360M-Instruct"),
        (Memory("the CPU", 4 * GB, 3 * GB, on_gpu=False), "embedded"),
        (Memory("a tiny card", 2 * GB, 2 * GB, on_gpu=True), "embedded"),
    ],
)
def test_the_first_offer_fits_the_machine_and_needs_no_account(memory, first):
    """It answers while it trains."""
    choice = offers(memory)
    best = recommended(choice, memory)
    assert best.entry.base == first
    assert not best.entry.gated
    assert recommended(choice, memory, hub=False).entry.base == "embedded"


def test_the_list_names_download_memory_and_licence():
    """What does not fit is not in it."""
    memory = Memory("RTX 3060", 12.6 * GB, 12 * GB, on_gpu=True)
    choice = offers(memory)
    text = "\n".join(table(choice, memory, recommended(choice, memory)))
    assert "* 7  Qwen/Qwen3-4B-Instruct-2507" in text
    assert "8.0 GB   5.0 GB  4.0 GB  Apache-2.0" in text
    assert "google/gemma-3-1b-it" in text
    assert "needs an account on the hub" in text
    assert "Qwen/Qwen3-14B" not in text
    assert "Sleeps while it trains." in text


def test_message_content_joins_only_with_discords_permission(nightshift, home):
    """The rule is quoted where it is asked; the default is no."""
    said = nightshift("init", "--yes", "--message-permission")
    assert "Do not use message content obtained" in said.out
    assert {"message", "direct_message"} <= set(load_settings(home).training.learn_from)
    home.config.unlink()
    nightshift("init", "--yes")
    assert set(load_settings(home).training.learn_from) == set(LEARNED_BY_DEFAULT)
    assert "# learn_from = " in home.config.read_text()
