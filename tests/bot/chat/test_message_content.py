"""message_content = false: everything that Discord shows an application without the privileged intent works.

SimCord withholds the text of other messages, on the gateway and where they are fetched, as Discord does.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace

import discord
import pytest
from simcord.backend.models import AllowedMentions

from bot.i18n.en import texts
from storage.origins import LEARNED_BY_DEFAULT
from storage.store import Store
from tests.bot.review.test_service import verdicts

GRANTED = discord.Intents.all()
GRANTED.message_content = False


@pytest.fixture
def open_blind(open_stage, settings):
    """A bot that Discord has granted no message content, and that learns from what it learns from by default."""
    training = replace(settings.training, learn_from=LEARNED_BY_DEFAULT)
    base = settings.model_copy(update={"training": training, "consent": "operator"})

    @asynccontextmanager
    async def opening():
        async with open_stage(base=base, discord={"message_content": False}, approved_intents=GRANTED) as stage:
            yield stage

    return opening


def shown(stage):
    """What the model was shown last."""
    return [message.content for message in stage.engine.seen[-1]]


async def test_mentions_replies_direct_messages_and_commands_are_answered(open_blind):
    """Each with its own words and the bot's; nobody else's reach the model."""
    async with open_blind() as stage:
        general = stage.world.general
        await stage.ben.send(general, "The shed is green.")
        answer = await stage.ask("Which wood?")
        assert shown(stage) == ["Which wood?"]
        await stage.ada.send(general, f"{stage.me} Why?", reply_to=answer)
        assert shown(stage) == ["Which wood?", answer.content, "Why?"]
        await stage.ada.send(general, "And for a chair?", reply_to=general.last_message)
        assert shown(stage)[-1] == "And for a chair?"
        await stage.ada.send_dm("Is ash hard?")
        assert shown(stage) == ["Is ash hard?"]
        await stage.ada.slash(general, "ask", question="Is elm hard?")
        assert shown(stage)[-1].endswith("Is elm hard?")
        assert "shed" not in str(stage.engine.seen)


async def test_a_reply_whose_words_are_withheld_is_asked_for_a_mention(open_blind):
    """One that pings nobody, or replies to an answer to /ask: the question before it must not be answered again."""
    async with open_blind() as stage:
        answer = await stage.ask("Which wood?")
        backend, general = stage.env.backend, stage.world.general
        reference = {"channel_id": str(general.id), "message_id": str(answer.id)}
        backend.create_message(
            general.id,
            stage.ada.id,
            "Why?",
            reference=backend.normalize_message_reference(general.id, reference),
            allowed_mentions=AllowedMentions(replied_user=False),
        )
        await stage.env.settle()
        assert general.last_message.content == texts.ASK_ME
        asked = (await stage.ada.slash(general, "ask", question="Is elm hard?")).response
        await stage.ada.send(general, "Why?", reply_to=asked)
        assert general.last_message.content == texts.ASK_ME
        assert len(stage.engine.seen) == 2


async def test_buttons_menus_and_review_work(open_blind):
    """Regenerate below an answer, and a moderator's verdict by the context menu."""
    async with open_blind() as stage:
        answer = await stage.ask("Which wood?")
        await stage.ada.click(answer, custom_id="nightshift:again")
        assert shown(stage) == ["Which wood?"]
        await stage.world.moderator.context_menu(stage.world.general, "Approve", answer)
        assert await verdicts(stage, answer) == [("approve", "Mo", None)]


async def test_what_is_asked_by_command_is_learned_from_and_mentions_wait(open_blind):
    """The words of a mention came through the API, with the intent or without."""
    async with open_blind() as stage:
        for question in ("Is ash hard?", "Is elm hard?"):
            asked = (await stage.ben.slash(stage.world.general, "ask", question=question)).response
            await stage.world.moderator.context_menu(stage.world.general, "Approve", asked)
        mentioned = await stage.ask("Which wood?")
        await stage.world.moderator.context_menu(stage.world.general, "Approve", mentioned)
        pairs = (await stage.app.status()).pairs
        assert (pairs.eligible, pairs.excluded) == (2, 1)
        last = await stage.reply(mentioned)
        assert last.turns[-1].origin == "message"
        assert await stage.app.store.call(Store.message_content_permitted) is False
