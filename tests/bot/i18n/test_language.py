"""Each person is spoken to in their language: the texts are complete, and the right ones are chosen."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from pathlib import Path
from types import FunctionType

import discord
import pytest
from discord import app_commands

import bot
from bot.i18n.command_translator import CommandTranslator, translatable
from bot.i18n.de import texts as german
from bot.i18n.de.commands import COMMANDS
from bot.i18n.en import knowledge, moderation, quarantine, reasons, texts, undoings, waiting
from bot.i18n.en import settings as administration
from bot.i18n.language import _Texts, known, language, speak, speaking, translation

ENGLISH = (texts, moderation, administration, quarantine, knowledge, undoings, reasons, waiting)
# Read again by the bot itself, or a name: the same in every language.
NEUTRAL = {
    "NOTICE",
    "OWN_MARK",
    "ASIDE",
    "FORWARDED",
    "STATUS_TITLE",
    "asked",
    "asked_and_answered",
    "enclosed",
    "memory",
    "without_aside",
    "SOURCE",
    "sources",
}
# What a parameter may be, where not every text will do.
SAMPLES = {
    "found": [("Rules", "https://example.org")],
    "cause": "refused",
    "verdict": "edit",
    "theirs": "approve",
    "mine": "reject",
    "reason": "rude",
    "order": "oldest",
    "kind": "gate",
    "outcome": "kept",
    "stage": "train",
    "mode": "name",
    "rule": "deny",
    "figures": {"loss": 1.5},
    "roles": [("Carver", 7)],
    "allowed": ["#tools"],
    "missing": ["embed_links"],
    "hidden": ["/review", "/hold"],
    "denied": ["#off-topic"],
    "bad": [(3, "its prompt is empty")],
    "reasons": [("It is much shorter.", 2)],
    "approved": 2,
    "words": "commands",
    "waits_for": ["messages", "consent"],
    "reviews": 4,
}


def names(module):
    """What a module of texts says itself."""
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and isinstance(value, str | dict | FunctionType)
        and getattr(value, "__module__", module.__name__) == module.__name__
        and name != "annotations"
    ]


ALL = [(module, name) for module in ENGLISH for name in names(module) if name not in NEUTRAL]
EVERY = pytest.mark.parametrize(("module", "name"), ALL, ids=[f"{m.__name__}.{n}" for m, n in ALL])


def pair(module, name):
    return vars(module)[name], vars(translation(module.__name__, "de")).get(name)


def sampled(function):
    """What a text says with a telling value for each parameter."""
    values = {}
    for number, parameter in enumerate(inspect.signature(function).parameters.values(), start=11):
        kind = str(parameter.annotation)
        sample = f"<{parameter.name}>" if "str" in kind else kind == "bool" if "bool" in kind else number
        values[parameter.name] = SAMPLES.get(parameter.name, sample)
    return function(**values)


def mentioned(text):
    """What must stand in every language: placeholders, what was filled in, commands, Discord's own marks."""
    return sorted(re.findall(r"\{\w*\}|<[^>]*>|`[^`]*`|#[\w-]+|\b\d+\b|:R>", text))


@EVERY
def test_every_text_is_there_in_german_too(module, name):
    """A constant as a constant, a table with the same rows, a function with the same parameters."""
    english, other = pair(module, name)
    assert other is not None, f"{translation(module.__name__, 'de').__name__} lacks {name}"
    assert type(other) is type(english)
    if isinstance(english, dict):
        assert other.keys() == english.keys()
    if isinstance(english, FunctionType):
        assert inspect.signature(other) == inspect.signature(english)


@EVERY
def test_translations_mention_the_same(module, name):
    """Names, numbers and commands are lost in no language."""
    english, other = pair(module, name)
    if isinstance(english, FunctionType):
        english, other = sampled(english), sampled(other)
    elif isinstance(english, dict):
        english, other = " ".join(english.values()), " ".join(other.values())
    assert mentioned(other.replace("4.000", "4,000")) == mentioned(english)


@EVERY
def test_what_stands_on_buttons_and_forms_fits(module, name):
    """Discord takes 45 characters as the title of a form and the label of a field."""
    if name.endswith(("_TITLE", "_LABEL")):
        assert [text for text in pair(module, name) if len(text) > 45] == []


@pytest.mark.parametrize("module", ENGLISH, ids=lambda module: module.__name__)
def test_german_has_nothing_that_english_lacks(module):
    """A text that was dropped in English goes in German too."""
    assert set(names(translation(module.__name__, "de"))) - set(names(module)) - NEUTRAL == set()


def test_no_text_is_chosen_before_anybody_is_spoken_to():
    """What is asked for while modules are imported would be English for everybody."""
    code = f"""
import sys, pkgutil, importlib
import bot, bot.i18n.language
early = []
def watched(self, name, look=bot.i18n.language._Texts.__getattribute__):
    where = sys._getframe(1).f_code.co_filename
    if name not in {NEUTRAL!r} and not name.startswith("_") and "/bot/" in where:
        early.append((where, name))
    return look(self, name)
bot.i18n.language._Texts.__getattribute__ = watched
for found in pkgutil.walk_packages(bot.__path__, "bot."):
    if "examples" not in found.name:
        importlib.import_module(found.name)
print(early)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


SAYS = {"send", "send_message", "edit_message", "edit_original_response", "finish", "notice", "Refused", "say", "tell"}
SHOWN = {"content", "label", "title", "placeholder", "text", "value"}


@pytest.mark.parametrize("path", sorted(Path(bot.__file__).parent.rglob("*.py")), ids=lambda path: path.stem)
def test_sentences_stand_with_the_texts_and_nowhere_else(path):
    """No call that says something to a person is given words of its own."""
    if {"i18n", "simulation", "cli"} & set(path.parts):
        return
    for call in [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]:
        name = getattr(call.func, "attr", getattr(call.func, "id", ""))
        if name == "describe":  # Discord shows it, translated by bot/i18n/command_translator.py
            continue
        given = [one.value for one in call.keywords if one.arg in SHOWN] + (call.args if name in SAYS else [])
        said = [one.value for one in given if isinstance(one, ast.Constant) and isinstance(one.value, str)]
        assert not [one for one in said if " " in one.strip()], f"{path.name}:{call.lineno}"


def test_every_module_of_texts_is_translated():
    """A new one that does not call `in_every_language` would be English only."""
    root = Path(bot.__file__).parent
    found = set((root / "i18n" / "en").glob("*.py")) - {root / "i18n" / "en" / "__init__.py"}
    assert found == {Path(module.__file__) for module in ENGLISH}
    assert all(isinstance(module, _Texts) for module in ENGLISH)


def test_what_is_not_spoken_here_is_spoken_to_in_english():
    """Regions do not matter; other languages fall back."""
    assert [known(one) for one in ("de", "de-AT", "en-GB", "fr", "", None)] == ["de", "de", "en", "en", "en", "en"]


def test_a_while_in_another_language_ends():
    """A card in the channel's language, then the person's again."""
    speak("de")
    assert texts.APPROVE == german.APPROVE
    with speaking("en-US"):
        assert texts.APPROVE == "Approve"
    assert language() == "de"
    assert texts.APPROVE == german.APPROVE
    speak("en")


# --- on Discord ---


@pytest.fixture
def speaks(monkeypatch):
    """Set the language of everybody's Discord; SimCord has en-US only."""
    from simcord import interactions

    def put(locale: str) -> None:
        def payload(*args, original=interactions.base_payload, **kwargs):
            record, data = original(*args, **kwargs)
            return record, {**data, "locale": locale}

        for module in [one for name, one in sys.modules.items() if name.startswith("simcord")]:
            if hasattr(module, "base_payload"):
                monkeypatch.setattr(module, "base_payload", payload)

    return put


async def test_commands_answer_in_the_member_s_language(stage, speaks):
    """By the language of their Discord; the next one's is not affected."""
    speaks("de")
    result = await stage.ada.slash(stage.world.general, "privacy opt-in")
    assert result.response.content == german.privacy_in(operator_consents=False)
    speaks("en-GB")
    result = await stage.ben.slash(stage.world.general, "privacy opt-in")
    assert result.response.content == texts.privacy_in(operator_consents=False)


async def test_refusals_and_buttons_are_in_the_member_s_language_too(stage, speaks):
    """What they may not do, and what a confirmation asks."""
    speaks("de")
    refused = await stage.ada.slash(stage.world.general, "train now")
    assert refused.response.content == german.not_moderator("Moderator")
    asked = await stage.ada.slash(stage.world.general, "privacy forget")
    await stage.ada.click(asked.response.message, label=german.FORGET_NO)
    assert asked.response.content == german.FORGET_KEPT


async def test_answers_and_cards_speak_the_server_s_language(stage):
    """Where many read, the server's own setting decides."""
    stage.env.backend.edit_guild(stage.world.guild.id, {"preferred_locale": "de"})
    await stage.env.settle()
    await stage.ada.send(stage.world.general, stage.me)
    assert stage.world.general.last_message.content == german.ASK_ME
    await stage.ask("Hallo?")
    assert stage.card.embeds[0].title == german.PENDING


@pytest.mark.parametrize("act", ["APPROVE", "REJECT", "SKIP"])
async def test_a_card_keeps_the_server_s_language_whoever_uses_it(stage, speaks, act):
    """All moderators read it; only what one of them is told alone is in theirs."""
    answer = await stage.ask("Which wood?")
    speaks("de")
    label = getattr(moderation if act == "SKIP" else texts, act)
    await stage.world.moderator.click(stage.card, label=label)
    expected = {
        "APPROVE": texts.verdict_line("approve", "Mo"),
        "REJECT": texts.verdict_line("reject", "Mo"),
        "SKIP": moderation.skipped("Mo"),
    }
    assert stage.card.embeds[0].title == expected[act]
    (first, *_) = [item.label for row in stage.card.components for item in row.children]
    assert first == (texts.APPROVE if act == "SKIP" else moderation.UNDO)
    await stage.ada.click(answer, label=texts.AGAIN)
    assert stage.card.embeds[0].title == texts.PENDING


async def test_a_card_edited_by_a_moderator_keeps_the_server_s_language(stage, speaks):
    """The form is the moderator's, the card everybody's."""
    await stage.ask("Which wood?")
    speaks("de")
    form = await stage.world.moderator.click(stage.card, label=texts.EDIT)
    await stage.world.moderator.submit_modal(form, {"answer": "Oak."})
    assert stage.card.embeds[0].title == texts.verdict_line("edit", "Mo")
    assert texts.CARD_CORRECTED in stage.card.embeds[0].description


async def test_what_is_said_to_everybody_is_in_the_server_s_language(stage, speaks):
    """Also where one member's command or button led to it."""
    speaks("de")
    await stage.ada.slash(stage.world.general, "ask", question="Which wood?")
    answer = stage.world.general.last_message
    assert [item.label for row in answer.components for item in row.children] == [texts.AGAIN, texts.DELETE]
    await stage.ada.click(answer, label=texts.AGAIN)
    answer = stage.world.general.last_message
    assert [item.label for row in answer.components for item in row.children] == [texts.AGAIN, texts.DELETE]
    stage.engine.say("")
    silent = await stage.ada.click(answer, label=texts.AGAIN)
    assert [one.content for one in silent.followups] == [german.SILENT]


async def test_the_operator_can_choose_the_language_of_channels(open_stage):
    """Most servers never set one."""
    async with open_stage(discord={"language": "de"}) as stage:
        await stage.ada.send(stage.world.general, stage.me)
        assert stage.world.general.last_message.content == german.ASK_ME


async def test_what_is_read_again_is_the_same_in_every_language(open_stage, settings):
    """The marks by which the bot knows its own notices do not change with the language."""
    async with open_stage(discord={"language": "de"}) as stage:
        stage.engine.refuse = RuntimeError("no")
        await stage.ask("Hallo?")
        assert stage.world.general.last_message.content == german.FAILED
        stage.engine.refuse = None
        answer = await stage.ask("Und jetzt?")
        assert [turn.role for turn in (await stage.reply(answer)).turns] == ["user", "user"]


async def test_discord_shows_every_command_in_german(stage):
    """Descriptions, parameters, choices and the Apps menu; names that are typed stay the same for everybody."""
    tree = stage.app.client.tree
    wanted = {}

    class Listening(app_commands.Translator):
        async def translate(self, string, locale, context):
            if translatable(context):
                wanted[string.message] = context.location

    listening = Listening()
    commands = [*tree.get_commands(), *tree.get_commands(type=discord.AppCommandType.message)]
    for command in commands:
        await command.get_translated_payload(tree, listening)
    assert sorted(wanted.keys() - COMMANDS.keys()) == []
    assert sorted(COMMANDS.keys() - wanted.keys()) == []
    assert [text for text in COMMANDS.values() if not 1 <= len(text) <= 100] == []
    assert isinstance(tree.translator, CommandTranslator)  # in use since the commands were registered
    payload = await tree.get_command("privacy").get_translated_payload(tree, CommandTranslator())
    assert "de" not in payload.get("name_localizations", {})
    assert payload["description_localizations"]["de"] == COMMANDS[payload["description"]]
