"""After an approval a moderator reads whether the reply is learned from, and what it waits for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.i18n.de import waiting as german
from bot.i18n.en import texts, waiting
from bot.i18n.language import speaking
from storage.origins import LEARNED_BY_DEFAULT


async def approved(stage, answer):
    """What Mo reads who approves an answer by message command."""
    result = await stage.world.moderator.context_menu(stage.world.general, "Approve", answer)
    return result.response.content


def on_card(stage):
    return next((one.value for one in stage.card.embeds[0].fields if one.name == waiting.CARD_TITLE), "")


async def test_a_pair_that_waits_for_consent_says_so_and_one_that_does_not_is_learned_from(open_stage, settings):
    """Ada has not opted in; then she does."""
    async with open_stage(base=settings.model_copy(update={"consent": "members"})) as stage:
        answer = await stage.ask("Which wood?")
        said = await approved(stage, answer)
        assert said == waiting.recorded("approve", ["consent"])
        assert "Not everyone in the conversation has opted in" in said
        assert waiting.FOR["consent"] in on_card(stage)
        await stage.ada.slash(stage.world.general, "privacy opt-in")
        assert await approved(stage, answer) == texts.RECORDED["approve"]
        assert on_card(stage) == ""


async def test_message_content_is_named(open_stage, settings):
    """As the bot comes, on a mention; an edit says it too, and by /ask there is nothing to wait for."""
    training = replace(settings.training, learn_from=LEARNED_BY_DEFAULT)
    base = settings.model_copy(update={"training": training, "consent": "operator"})
    async with open_stage(base=base) as stage:
        answer = await stage.ask("Which wood?")
        assert await approved(stage, answer) == waiting.recorded("approve", ["messages"])
        await stage.world.moderator.click(stage.card, label="Undo")
        assert on_card(stage) == ""
        shown = await stage.world.moderator.click(stage.card, label="Edit")
        await stage.world.moderator.submit_modal(shown, {"answer": "Ash."})
        assert waiting.FOR["messages"] in on_card(stage)
        asked = (await stage.ada.slash(stage.world.general, "ask", question="Which glue?")).response
        assert await approved(stage, asked) == texts.RECORDED["approve"]


async def test_a_server_that_does_not_teach_is_the_only_reason(open_stage, settings):
    """Whatever else is missing would change nothing; the queue says it too."""
    base = settings.model_copy(update={"training": replace(settings.training, servers=(1,)), "consent": "members"})
    async with open_stage(base=base) as stage:
        await stage.ask("Which wood?")
        page = (await stage.world.moderator.slash(stage.world.general, "review")).response
        await stage.world.moderator.click(page, label="Approve")
        assert waiting.waiting(["server"]) in page.content
        assert "opted in" not in page.content
        assert waiting.FOR["server"] in on_card(stage)


@pytest.mark.parametrize("reason", sorted(waiting.FOR))
def test_each_reason_is_said_in_german(reason):
    """To whoever speaks it."""
    with speaking("de"):
        said = waiting.recorded("approve", [reason])
    assert said == f"Freigegeben. Vorerst lerne ich nicht aus ihr: {german.FOR[reason]}"
