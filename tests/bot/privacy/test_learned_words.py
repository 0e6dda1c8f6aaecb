"""What members read about learning is true where messages are not learned from, which is the default."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.i18n.de import texts as german
from bot.i18n.en import texts
from model.chat import Message
from storage.origins import LEARNED_BY_DEFAULT

QUESTION, ALONE = "When does the weekly raid begin?", {"context_messages": 0}


def taught_by(settings, learn_from, consent="members"):
    return settings.model_copy(
        update={
            "training": replace(settings.training, learn_from=learn_from),
            "consent": consent,
            "privacy": replace(settings.privacy, introduce=True),
        }
    )


async def said(stage, command):
    return (await stage.ada.slash(stage.world.general, command)).response.content


@pytest.mark.parametrize("consent", ["members", "operator"])
async def test_by_default_only_ask_is_named(open_stage, settings, consent):
    """In the introduction, the status, and on opting in and out; with Discord's permission, messages are."""
    operator = consent == "operator"
    async with open_stage(base=taught_by(settings, LEARNED_BY_DEFAULT, consent)) as stage:
        first = await stage.ask("Hello?")
        assert first.content.endswith(texts.introduction(operator, "commands"))
        assert "approved answers to `/ask`, not on messages" in first.content
        status = await said(stage, "privacy status")
        assert texts.LEARNED_WORDS["commands"] in status
        assert ("every approved answer to `/ask`" in status) is operator
        assert texts.LEARNED_WORDS["commands"] in await said(stage, "privacy opt-in")
        assert ("every approved answer to `/ask`" in await said(stage, "privacy opt-out")) is operator
        await stage.app.store.call(lambda store: store.permit_message_content(on=True))
        assert texts.LEARNED_WORDS["commands"] not in await said(stage, "privacy status")
        assert "learn from your messages" in texts.privacy_in(False)
        assert await said(stage, "privacy opt-in") == texts.privacy_in(operator)


@pytest.mark.parametrize("consent", ["members", "operator"])
async def test_what_is_looked_up_is_told_though_it_is_not_learned_from(open_stage, settings, consent):
    """An approved answer to a message teaches nobody, and is an example for others; members read both."""
    operator = consent == "operator"
    async with open_stage(base=taught_by(settings, LEARNED_BY_DEFAULT, consent), discord=ALONE) as stage:
        first = await stage.ask(QUESTION)
        assert "look up every approved answer" in first.content
        await stage.world.moderator.click(stage.card, label=texts.APPROVE)
        for command, shown in [("status", operator), ("opt-in", True), ("opt-out", operator)]:
            told = await said(stage, f"privacy {command}")
            assert (texts.LOOKED_UP[operator] in told) is (operator or command != "opt-out")
            await stage.ask(QUESTION, who=stage.ben)
            assert (Message("assistant", f"You said: {QUESTION}") in stage.engine.seen[-1]) is shown


@pytest.mark.parametrize("language", [texts, german])
@pytest.mark.parametrize("words", ["messages", "commands", "nothing"])
def test_every_text_about_learning_says_what_is_looked_up(language, words):
    """In both languages, wherever the operator decides; a member who opts out reads that it does not help."""
    stored = {"messages": 0, "answers": 0, "adapters": 0, "days": 0}
    for operator in (True, False):
        looked_up = language.LOOKED_UP[operator]
        assert looked_up in language.privacy_status(None, operator, words, **stored)
        assert looked_up in language.privacy_in(operator, words) or (words, operator) == ("messages", False)
        assert (looked_up in language.privacy_out(operator, words)) is operator


async def test_where_members_words_are_never_learned_from_nobody_is_asked_to_opt_in(open_stage, settings):
    """An operator may train on imports alone: there is no introduction then."""
    async with open_stage(base=taught_by(settings, ("import",))) as stage:
        assert (await stage.ask("Hello?")).content == "You said: Hello?"
        assert texts.LEARNED_WORDS["nothing"] in await said(stage, "privacy status")


def test_german_says_the_same():
    """To members who speak it."""
    assert "Antworten auf `/ask`, nicht mit Nachrichten" in german.introduction(False, "commands")
    for kind in ("commands", "nothing"):
        assert german.LEARNED_WORDS[kind] in german.privacy_in(True, kind)
        status = german.privacy_status(None, False, kind, messages=0, answers=0, adapters=0, days=0)
        assert german.LEARNED_WORDS[kind] in status
