"""A member's say in what is kept of them: /privacy, the first answer, deleted messages, what is let go in time."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import re
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
import simcord

from bot.i18n.en import texts
from bot.settings import load_settings
from bot.simulation.server import post
from storage.origins import ORIGINS
from storage.redactions import REDACTED
from storage.review_errors import ReplyNotFound
from storage.run_records import Adapter
from storage.store import Store
from tests.fake_engine import Endless


async def opt_in(stage, *people):
    for person in people:
        await person.slash(stage.world.general, "privacy opt-in")


async def eligible(stage) -> int:
    return (await stage.app.store.call(Store.counts, learn_from=ORIGINS)).eligible


# --- status, opt in, opt out ---


@pytest.mark.parametrize(
    ("commands", "opted_in"),
    [((), None), (("privacy opt-in",), True), (("privacy opt-in", "privacy opt-out"), False)],
)
async def test_members_decide_about_their_words(stage, commands, opted_in):
    """/privacy opt-in and opt-out take effect at once and /privacy status tells, all privately."""
    for command in commands:
        result = await stage.ada.slash(stage.world.general, command)
        assert result.response.ephemeral
    status = await stage.ada.slash(stage.world.general, "privacy status")
    assert status.response.content == texts.privacy_status(opted_in, False, messages=0, answers=0, adapters=0, days=30)
    assert status.response.ephemeral
    consent = await stage.app.store.call(Store.consent, stage.ada.id)
    assert (consent.opted_in if consent else None) == opted_in


async def test_status_counts_what_is_stored(stage):
    """Messages, answers, and for how long."""
    await stage.ask("My first question?")
    await stage.ask("My second?")
    status = await stage.ada.slash(stage.world.general, "privacy status")
    assert "**2 messages** from you and **2 answers** to you" in status.response.content
    assert "deleted after 30 days" in status.response.content


async def test_privacy_works_in_direct_messages(stage):
    """A member who only writes privately can opt in there."""
    result = await stage.ada.user.slash("privacy opt-in")
    assert result.response.content == texts.privacy_in(operator_consents=False)


async def test_only_an_opted_in_member_s_approved_reply_is_eligible(stage):
    """The whole way: an approved reply counts for training once its asker has opted in, until they opt out."""
    await stage.ask("Hello?")
    await stage.world.moderator.click(stage.card, label="Approve")
    assert await eligible(stage) == 0
    await opt_in(stage, stage.ada)
    assert await eligible(stage) == 1
    await stage.ada.slash(stage.world.general, "privacy opt-out")
    assert await eligible(stage) == 0


async def test_a_bystander_who_did_not_opt_in_keeps_the_conversation_out(stage):
    """Ben only stood by, but his words were shown to the model."""
    await stage.ben.send(stage.world.general, "I like tea")
    await stage.ask("What does he like?")
    await stage.world.moderator.click(stage.card, label="Approve")
    await opt_in(stage, stage.ada)
    assert await eligible(stage) == 0
    await opt_in(stage, stage.ben)
    assert await eligible(stage) == 1


async def test_an_operator_with_permission_is_reported_honestly(open_stage, settings):
    """With consent = "operator", status and opt-out say that every approved reply may be used."""
    async with open_stage(base=settings.model_copy(update={"consent": "operator"})) as stage:
        for command in ("privacy status", "privacy opt-out"):
            result = await stage.ada.slash(stage.world.general, command)
            assert "uses every approved reply" in result.response.content


# --- the first answer ---


@pytest.fixture
def introducing(settings):
    return settings.model_copy(update={"privacy": replace(settings.privacy, introduce=True)})


async def test_the_first_answer_says_in_one_line_how_learning_works(open_stage, introducing):
    """Once for each member, with the command that opts in; nothing of it is stored as the bot's words."""
    line = texts.introduction(operator_consents=False)
    assert len(line.strip().splitlines()) == 1
    assert "/privacy opt-in" in line
    async with open_stage(base=introducing) as stage:
        first = await stage.ask("Hello?")
        assert first.content == f"You said: Hello?{line}"
        assert (await stage.reply(first)).text == "You said: Hello?"
        assert not (await stage.ask("Again?")).content.endswith(line)
        assert (await stage.ask("And I?", who=stage.ben)).content.endswith(line)


async def test_it_is_said_once_even_across_restarts(open_stage, introducing):
    """The store remembers who was told."""
    async with open_stage(base=introducing) as stage:
        await stage.ask("Hello?")
        assert not await stage.app.store.call(Store.introduce, stage.ada.id)


async def test_the_line_is_no_part_of_later_conversations(open_stage, introducing):
    """The model never reads it, so it cannot learn to say it."""
    async with open_stage(base=introducing) as stage:
        first = await stage.ask("Hello?")
        await stage.ada.send(stage.world.general, "Go on", reply_to=first)
        reply = await stage.reply(stage.world.general.last_message)
        assert [turn.content for turn in reply.turns] == ["Hello?", "You said: Hello?", "Go on"]


async def test_who_has_decided_is_not_told_again(open_stage, introducing):
    """Opted in or out before the first question: they know."""
    async with open_stage(base=introducing) as stage:
        await stage.ada.slash(stage.world.general, "privacy opt-out")
        assert (await stage.ask("Hello?")).content == "You said: Hello?"


async def test_members_are_introduced_unless_the_operator_says_otherwise(home):
    """`introduce` is on by default."""
    assert load_settings(home).privacy.introduce


# --- export ---


async def test_export_gives_a_private_file_with_everything_of_a_member_s_and_nothing_of_others(stage):
    """Their messages, the answers to them and their decision, as JSON."""
    await stage.ben.send(stage.world.general, "ben was here")
    await stage.ask("What about my tea?")
    await opt_in(stage, stage.ada)
    result = await stage.ada.slash(stage.world.general, "privacy export")
    assert result.ephemeral
    (message,) = [one for one in (result.response, *result.followups) if one and one.attachments]
    assert message.ephemeral
    assert message.content == texts.EXPORTED
    data = json.load(io.BytesIO(await message.attachments[0].read()))
    (conversation,) = data["conversations"]
    assert [one["content"] for one in conversation["your_messages"]] == ["Ada: What about my tea?"]
    assert "What about my tea?" in conversation["answer_to_you"]
    assert data["learning"]["opted_in"] is True
    assert "ben was here" not in json.dumps(conversation["your_messages"])


async def test_a_large_export_is_packed(stage, monkeypatch):
    """Discord takes files of 10 MB."""
    monkeypatch.setattr("bot.privacy.commands._FILE_LIMIT", 10)
    await stage.ask("What about my tea?")
    result = await stage.ada.slash(stage.world.general, "privacy export")
    (message,) = [one for one in (result.response, *result.followups) if one and one.attachments]
    (file,) = message.attachments
    assert file.filename.endswith(".json.gz")
    assert "my tea" in gzip.decompress(await file.read()).decode()


async def test_the_page_for_members_names_every_command(stage):
    """docs/members.md is what a server hands to its people."""
    page = (Path(__file__).parents[3] / "docs" / "members.md").read_text(encoding="utf-8")
    commands = {f"/{one.qualified_name}" for one in stage.app.client.tree.get_command("privacy").commands}
    assert set(re.findall(r"`(/privacy [a-z-]+)`", page)) == commands


# --- forget ---


async def test_forget_asks_first_and_then_removes_everything(stage):
    """A question with a button; then words, answers and number are in no table, and the audit says it was done."""
    answer = await stage.ask("my secret tea")
    await stage.world.moderator.click(stage.card, label="Approve")
    await opt_in(stage, stage.ada)
    asked = await stage.ada.slash(stage.world.general, "privacy forget")
    assert asked.response.ephemeral
    assert asked.response.content == texts.forget_question(1, 1)
    assert await eligible(stage) == 1  # nothing has happened yet
    done = await stage.ada.click(asked.response.message, label=texts.FORGET_YES)
    assert asked.response.content == texts.forgotten(1, 0)
    assert asked.response.components == []
    assert done.acknowledged
    reply = await stage.reply(answer)
    assert (reply.turns[-1].content, reply.text, reply.asker_id) == (REDACTED, REDACTED, None)
    assert await eligible(stage) == 0
    with sqlite3.connect(stage.app.home.db) as db:
        dump = "\n".join(db.iterdump())
    assert "my secret tea" not in dump
    assert str(stage.ada.id) not in dump
    (entry,) = await stage.app.store.call(Store.audit_search, guild_id=stage.world.guild.id)
    assert entry.action == "privacy.forget"


async def test_the_card_of_a_forgotten_reply_shows_its_words_no_longer(stage):
    """The review channel is a place where words are kept, too."""
    await stage.ask("my secret tea")
    assert "my secret tea" in stage.card.embeds[0].description
    asked = await stage.ada.slash(stage.world.general, "privacy forget")
    await stage.ada.click(asked.response.message, label=texts.FORGET_YES)
    assert "my secret tea" not in stage.card.embeds[0].description


async def test_forget_can_be_thought_over(stage):
    """The other button, or no answer for five minutes, changes nothing."""
    answer = await stage.ask("my tea")
    asked = await stage.ada.slash(stage.world.general, "privacy forget")
    await stage.ada.click(asked.response.message, label=texts.FORGET_NO)
    assert asked.response.content == texts.FORGET_KEPT
    with pytest.raises(simcord.SetupError):
        await stage.ada.click(asked.response.message, label=texts.FORGET_YES)
    again = await stage.ada.slash(stage.world.general, "privacy forget")
    await stage.env.advance_time(301)
    assert again.response.content == texts.FORGET_TIMED_OUT
    assert (await stage.reply(answer)).turns[-1].content == "my tea"


async def test_forget_marks_the_adapters_that_learned(stage):
    """The member is told how many will be retired."""

    def learn(store):
        run = store.start_run("manual", "2026-11-23", 1, {})
        store.record_snapshot(run.id, [1])
        store.add_adapter(Adapter(run.id, run.id, "fake-base", "2026-11-23T04:00:00.000+00:00"))
        return run.id

    await stage.ask("my tea")
    adapter = await stage.app.store.call(learn)
    status = await stage.ada.slash(stage.world.general, "privacy status")
    assert "1 adapter learned" in status.response.content
    asked = await stage.ada.slash(stage.world.general, "privacy forget")
    await stage.ada.click(asked.response.message, label=texts.FORGET_YES)
    assert asked.response.content == texts.forgotten(1, 1)
    assert await stage.app.store.call(Store.marked_adapters) == [adapter]


# --- deleted on Discord ---


async def test_a_deleted_question_is_taken_out_of_the_store(stage):
    """With the answer to it; its card shows the words no longer."""
    question = await stage.ada.send(stage.world.general, f"{stage.me} my secret tea")
    answer = stage.world.general.last_message
    await stage.ada.delete(question)
    reply = await stage.reply(answer)
    assert (reply.turns[-1].content, reply.text) == (REDACTED, REDACTED)
    assert "secret" not in stage.card.embeds[0].description


async def test_a_deleted_message_is_taken_out_of_conversations_that_only_showed_it(stage):
    """Ben's words were context of an answer to Ada."""
    said = await stage.ben.send(stage.world.general, "ben's secret")
    answer = await stage.ask("What did he say?")
    await stage.ben.delete(said)
    assert [turn.content for turn in (await stage.reply(answer)).turns] == [REDACTED, "Ada: What did he say?"]


async def test_messages_deleted_in_bulk_are_taken_out(stage):
    """A moderator's purge; the client's cache need not know the messages."""
    question = await stage.ada.send(stage.world.general, f"{stage.me} my secret tea")
    answer = stage.world.general.last_message
    stage.app.client._connection._messages.clear()
    channel = stage.app.client.get_channel(stage.world.general.id)
    await channel.delete_messages([question, answer])
    await stage.env.settle()
    reply = await stage.reply(answer)
    assert (reply.turns[-1].content, reply.text) == (REDACTED, REDACTED)


async def test_a_message_deleted_while_its_answer_was_written_is_not_stored(stage):
    """The answer comes after the deletion; what it was shown is taken out all the same, and no card is posted."""
    stage.engine.open.clear()
    question = post(stage.world, stage.ada, f"{stage.me} my secret tea")
    await stage.engine.asked.wait()
    stage.env.backend.delete_message(stage.world.general.id, question)
    stage.engine.open.set()
    await stage.env.settle()
    with sqlite3.connect(stage.app.home.db) as db:
        assert "my secret tea" not in "\n".join(db.iterdump())
    assert stage.world.review.history() == []


# --- retention ---


async def test_what_is_old_and_of_no_use_is_gone_at_the_next_start(open_stage):
    """30 days by default: unreviewed and not consented to. What was reviewed or consented to stays."""
    async with open_stage() as stage:
        plain = (await stage.reply(await stage.ask("nobody looked at this"))).id
        judged = (await stage.reply(await stage.ask("this was judged"))).id
        await stage.world.moderator.click(stage.card, label="Approve")
        young = (await stage.reply(await stage.ask("this is new"))).id
        await opt_in(stage, stage.ben)
        agreed = (await stage.reply(await stage.ask("ben agreed", who=stage.ben, channel=None))).id
        home = stage.app.home
    with sqlite3.connect(home.db) as db:
        db.execute("update replies set created_at = '2026-01-01T00:00:00.000+00:00' where id <> ?", [young])
        db.execute("delete from reply_authors where reply_id = ? and user_id <> ?", [agreed, stage.ben.id])
    async with open_stage() as stage:
        for kept in (judged, young, agreed):
            await stage.app.store.call(Store.reply, kept)
        with pytest.raises(ReplyNotFound):
            await stage.app.store.call(Store.reply, plain)


SELDOM = {"poll_seconds": 86_400.0}  # else six hours are 4,320 looks for a new adapter, each a trip to another thread


async def test_retention_goes_on_while_the_bot_runs(open_stage):
    """Not only at the start."""
    async with open_stage(discord=SELDOM) as stage:
        reply = await stage.reply(await stage.ask("nobody looked at this"))
        with sqlite3.connect(stage.app.home.db) as db:
            db.execute("update replies set created_at = '2026-01-01T00:00:00.000+00:00'")
        await stage.env.advance_time(6 * 3600 + 1)
        with pytest.raises(ReplyNotFound):
            await stage.app.store.call(Store.reply, reply.id)


async def test_retention_can_be_switched_off(open_stage, settings):
    """`retention_days = 0` keeps everything, and /privacy status promises nothing."""
    forever = settings.model_copy(update={"privacy": replace(settings.privacy, retention_days=0)})
    async with open_stage(base=forever, discord=SELDOM) as stage:
        reply = await stage.reply(await stage.ask("nobody looked at this"))
        with sqlite3.connect(stage.app.home.db) as db:
            db.execute("update replies set created_at = '2026-01-01T00:00:00.000+00:00'")
        await stage.env.advance_time(6 * 3600 + 1)
        await stage.app.store.call(Store.reply, reply.id)
        status = await stage.ada.slash(stage.world.general, "privacy status")
        assert "deleted after" not in status.response.content


# --- forgotten while something is going on ---


async def forget(stage, who):
    """/privacy forget, and yes."""
    asked = await who.slash(stage.world.general, "privacy forget")
    await who.click(asked.response.message, label=texts.FORGET_YES)


async def forget_at_once(stage, who):
    """The same, for use while an answer is being written: clicks wait for all that is under way."""
    number = post(stage.world, stage.world.members[2], "a message of that moment")
    done = await stage.app.store.call(Store.forget, who.id, number)
    await stage.app.client._forgotten(done.replies)


def bytes_of(stage) -> bytes:
    """Every file of the home, one after the other."""
    return b"".join(one.read_bytes() for one in stage.app.home.root.rglob("*") if one.is_file())


async def test_an_answer_that_is_written_while_its_asker_is_forgotten_keeps_nothing(stage):
    """Neither words nor number are stored again, and no card is posted."""
    stage.engine.open.clear()
    post(stage.world, stage.ada, f"{stage.me} my secret tea")
    await stage.engine.asked.wait()
    await forget_at_once(stage, stage.ada)
    stage.engine.open.set()
    await stage.env.settle()
    assert "my secret tea" in stage.world.general.last_message.content, "who asked is answered"
    assert b"my secret tea" not in bytes_of(stage)
    assert str(stage.ada.id).encode() not in bytes_of(stage)
    assert stage.world.review.history() == []
    assert (await stage.app.store.call(Store.member_data, stage.ada.id)).conversations == 0


@pytest.mark.parametrize("label", [texts.AGAIN, texts.MORE])
async def test_an_answer_that_is_replaced_or_gone_on_with_meanwhile_keeps_nothing(stage, label):
    """The button was pressed before."""
    stage.engine.say(Endless("my secret tea is"))
    answer = await stage.ask("my secret tea?")
    stage.engine.asked.clear()
    stage.engine.open.clear()
    pressed = asyncio.ensure_future(stage.ada.click(answer, label=label))
    await stage.engine.asked.wait()
    await forget_at_once(stage, stage.ada)
    stage.engine.open.set()
    await pressed
    await stage.env.settle()
    assert b"secret tea" not in bytes_of(stage)
    assert str(stage.ada.id).encode() not in bytes_of(stage)
    assert not any("secret" in str(one.embeds[0].description) for one in stage.world.review.history())


async def test_what_a_forgotten_person_said_before_is_not_read_again(stage):
    """It stands on Discord still, and is no part of anybody's conversation any more; what they say now is."""
    await stage.ada.send(stage.world.general, "ada's secret tea")
    await stage.ask("my secret tea")
    await forget(stage, stage.ada)
    await stage.ask("what did she say?", who=stage.ben)
    assert "secret" not in str(stage.engine.seen[-1])
    assert b"secret" not in bytes_of(stage)
    await stage.ada.send(stage.world.general, "hello again")
    await stage.ask("and now?", who=stage.ben)
    assert "hello again" in str(stage.engine.seen[-1])


async def test_an_answer_that_waits_is_written_without_a_forgotten_person_s_words(stage):
    """It has read them already and not begun."""
    await stage.ada.send(stage.world.general, "ada's secret tea")
    stage.engine.open.clear()
    post(stage.world, stage.ben, f"{stage.me} what did she say?")
    await stage.engine.asked.wait()
    assert "secret" in str(stage.engine.seen[-1])
    await forget_at_once(stage, stage.ada)
    stage.engine.open.set()
    await stage.env.settle()
    assert "secret" not in stage.world.general.last_message.content
    assert b"secret" not in bytes_of(stage)


async def test_an_answer_to_somebody_else_that_repeats_forgotten_words_goes(stage):
    """In the store and on its card."""
    await stage.ada.send(stage.world.general, "my code is marzipan")
    stage.engine.say("She said that it is marzipan.")
    await stage.ask("what did she say?", who=stage.ben)
    assert "marzipan" in stage.card.embeds[0].description
    await forget(stage, stage.ada)
    assert "marzipan" not in stage.card.embeds[0].description
    assert b"marzipan" not in bytes_of(stage)


async def test_a_reply_to_the_second_message_of_a_long_answer_asks_whom_it_answered(stage):
    """All its messages are kept, so nobody is passed over when a later one is quoted."""
    stage.engine.say("Your garden is lovely. " * 150)
    await stage.ask("My garden is in Elm Street. How is it?")
    second = stage.world.general.history()[-1]
    assert second.content != (await stage.reply(second)).text
    stage.engine.say("In Elm Street.")
    await stage.ben.send(stage.world.general, f"{stage.me} Which garden?", reply_to=second)
    await stage.world.moderator.click(stage.card, label=texts.APPROVE)
    await opt_in(stage, stage.ben)
    assert await eligible(stage) == 0
    await opt_in(stage, stage.ada)
    assert await eligible(stage) == 1


async def test_a_server_that_teaches_nothing_is_not_told_that_it_does(open_stage, settings):
    """The line under the first answer waits for a server where it is true."""
    introducing = settings.model_copy(update={"privacy": replace(settings.privacy, introduce=True)})
    async with open_stage(base=introducing) as stage:
        other = stage.env.create_guild("Elsewhere")
        channel = other.create_text_channel("general")
        eve = other.add_member(stage.env.create_user("eve"))
        await stage.env.settle()
        await eve.send(channel, f"{stage.me} Which wood?")
        assert texts.introduction(False) not in channel.last_message.content
        assert texts.introduction(False) in (await stage.ask("Which wood?")).content
