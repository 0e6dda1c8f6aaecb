"""What members read about learning is true where messages are not learned from, which is the default."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.i18n.de import texts as german
from bot.i18n.en import texts
from storage.origins import LEARNED_BY_DEFAULT


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
        assert "approved answers to `/ask`, not from messages" in first.content
        status = await said(stage, "privacy status")
        assert texts.LEARNED_WORDS["commands"] in status
        assert ("every approved answer to `/ask`" in status) is operator
        assert texts.LEARNED_WORDS["commands"] in await said(stage, "privacy opt-in")
        assert ("every approved answer to `/ask`" in await said(stage, "privacy opt-out")) is operator
        await stage.app.store.call(lambda store: store.permit_message_content(on=True))
        assert texts.LEARNED_WORDS["commands"] not in await said(stage, "privacy status")
        assert "learn from your messages" in texts.privacy_in(False)
        assert await said(stage, "privacy opt-in") == texts.privacy_in(operator)


async def test_where_members_words_are_never_learned_from_nobody_is_asked_to_opt_in(open_stage, settings):
    """An operator may train on imports alone: there is no introduction then."""
    async with open_stage(base=taught_by(settings, ("import",))) as stage:
        assert (await stage.ask("Hello?")).content == "You said: Hello?"
        assert texts.LEARNED_WORDS["nothing"] in await said(stage, "privacy status")


def test_german_says_the_same():
    """To members who speak it."""
    assert "Antworten auf `/ask`, nicht aus Nachrichten" in german.introduction(False, "commands")
    for kind in ("commands", "nothing"):
        assert german.LEARNED_WORDS[kind] in german.privacy_in(True, kind)
        status = german.privacy_status(None, False, kind, messages=0, answers=0, adapters=0, days=0)
        assert german.LEARNED_WORDS[kind] in status
