"""What counts is what messages say when the answer begins: attachments, edits, deletions before the first token."""

from __future__ import annotations

import asyncio

import pytest

from model.chat import Message


@pytest.fixture
def waiting(stage):
    """Asks a question whose answer waits for its first token; returns the task."""
    stage.engine.open.clear()

    async def ask(text="Which wood?"):
        stage.env.backend.create_message(stage.world.general.id, stage.ada.id, f"{stage.me} {text}")
        await stage.engine.asked.wait()
        return stage.world.general.history()[-1]

    return ask


async def until(condition):
    """Let the bot run until a condition holds."""
    async with asyncio.timeout(8):
        while not condition():  # noqa: ASYNC110  (nothing tells when Discord shows something)
            await asyncio.sleep(0.001)


@pytest.mark.parametrize(
    ("name", "shown"),
    [("cat.png", "[image: cat.png]"), ("clip.mp4", "[video: clip.mp4]"), ("plan.zip", "[file: plan.zip]")],
)
async def test_attachments_are_named(stage, name, shown):
    """The model cannot see them, but knows that they are there."""
    await stage.ada.send(stage.world.general, f"{stage.me} what is this?", attachments=[(name, b"...")])
    assert stage.engine.seen[-1] == [Message("user", f"what is this?\n{shown}")]


async def test_an_attachment_alone_is_a_question(stage):
    """A picture and the bot's name need no words."""
    await stage.ada.send(stage.world.general, stage.me, attachments=[("cat.png", b"...")])
    assert stage.engine.seen[-1] == [Message("user", "[image: cat.png]")]


async def test_a_question_edited_before_its_answer_begins_is_answered_as_it_is_then(stage, waiting):
    """A correction in time is shown to the model."""
    question = await waiting()
    stage.env.backend.edit_message(stage.world.general.id, question.id, {"content": f"{stage.me} Which glue?"})
    await until(lambda: len(stage.engine.seen) == 2)
    stage.engine.open.set()
    await stage.env.settle()
    assert stage.world.general.last_message.content == "You said: Which glue?"
    assert len(stage.world.general.history()) == 2
    reply = await stage.reply(stage.world.general.last_message)
    assert [turn.content for turn in reply.turns] == ["Which glue?"]


async def test_a_question_deleted_before_its_answer_begins_gets_none(stage, waiting):
    """Whoever takes it back need not be answered, and nothing is stored."""
    question = await waiting()
    stage.env.backend.delete_message(stage.world.general.id, question.id)
    await until(lambda: not stage.app.client.answering._generations)
    stage.engine.open.set()
    await stage.env.settle()
    assert stage.world.general.history() == []
    assert stage.engine.active == 0


async def test_words_deleted_before_an_answer_begins_are_not_in_it(stage, waiting):
    """A message of the conversation that is taken back is not shown to the model."""
    said = await stage.ben.send(stage.world.general, "My password is swordfish")
    await waiting()
    assert "swordfish" in stage.engine.seen[-1][0].content
    stage.env.backend.delete_message(stage.world.general.id, said.id)
    await until(lambda: len(stage.engine.seen) == 2)
    stage.engine.open.set()
    await stage.env.settle()
    assert [one.content for one in stage.engine.seen[-1]] == ["Which wood?"]
    assert stage.world.general.last_message.content == "You said: Which wood?"


async def test_words_edited_in_the_chain_are_read_anew(stage):
    """The chain of replies is asked for again, not remembered."""
    first = await stage.ask("Which wood?")
    (asked, _) = stage.world.general.history()
    stage.engine.open.clear()
    stage.engine.asked.clear()
    backend = stage.env.backend
    reference = {"channel_id": str(first.channel.id), "message_id": str(first.id)}
    backend.create_message(stage.world.general.id, stage.ada.id, "Why?", reference=reference)
    await stage.engine.asked.wait()
    backend.edit_message(stage.world.general.id, asked.id, {"content": f"{stage.me} Which glue?"})
    await until(lambda: len(stage.engine.seen) == 3)
    stage.engine.open.set()
    await stage.env.settle()
    assert [one.content for one in stage.engine.seen[-1]] == ["Which glue?", "You said: Which wood?", "Why?"]


async def test_other_edits_disturb_nobody(stage, waiting):
    """A message outside the context restarts nothing."""
    other = stage.world.guild.create_text_channel("other")
    elsewhere = await stage.ben.send(other, "Hm")
    await waiting()
    stage.env.backend.edit_message(other.id, elsewhere.id, {"content": "Hmm"})
    stage.engine.open.set()
    await stage.env.settle()
    assert len(stage.engine.seen) == 1


async def test_an_answer_that_is_being_written_is_no_part_of_another(stage):
    """Half a sentence of the bot's would be read as something it said."""
    stage.engine.say("first second third")
    stage.engine.pause_after = 1
    backend = stage.env.backend
    backend.create_message(stage.world.general.id, stage.ada.id, f"{stage.me} one?")
    await until(lambda: len(stage.world.general.history()) == 2)
    backend.create_message(stage.world.general.id, stage.ben.id, f"{stage.me} two?")
    await until(lambda: len(stage.engine.seen) == 2)
    stage.engine.pause_after = None
    stage.engine.open.set()
    await stage.env.settle()
    assert [one.content for one in stage.engine.seen[-1]] == ["Ada: one?", "Ben: two?"]


# --- copies that discord.py keeps of what is replied to ---


async def reply_to_own_reply(stage):
    """Ben says something, Ada replies to it; gives both messages."""
    said = await stage.ben.send(stage.world.general, "My password is swordfish")
    return said, await stage.ada.send(stage.world.general, "Oh!", reply_to=said)


async def test_a_message_deleted_after_it_was_replied_to_is_not_shown(stage):
    """The reply to it carries a copy of what it said when the reply was sent."""
    said, oh = await reply_to_own_reply(stage)
    await stage.ben.delete(said)
    answer = await stage.ask("what was that?", reply_to=oh)
    assert "swordfish" not in str(stage.engine.seen[-1])
    assert "swordfish" not in str((await stage.reply(answer)).turns)


@pytest.mark.parametrize("act", ["edit", "delete"])
async def test_a_message_that_left_the_cache_is_asked_for_again(stage, act):
    """What happens to a message that discord.py no longer remembers changes none of its copies."""
    said, oh = await reply_to_own_reply(stage)
    messages = stage.app.client._connection._messages
    messages.remove(next(one for one in messages if one.id == said.id))
    if act == "edit":
        stage.env.backend.edit_message(stage.world.general.id, said.id, {"content": "Nothing, really"})
    else:
        stage.env.backend.delete_message(stage.world.general.id, said.id)
    await stage.env.settle()
    await stage.ask("what was that?", reply_to=oh)
    assert "swordfish" not in str(stage.engine.seen[-1])
    assert ("Nothing, really" in str(stage.engine.seen[-1])) == (act == "edit")


async def test_a_message_deleted_while_the_others_are_read_is_not_shown(stage, monkeypatch):
    """It was read already when it went; what was read is read again."""
    said = await stage.ben.send(stage.world.general, "My password is swordfish")
    answering, heard = stage.app.client.answering, []
    withheld = answering._withheld

    async def deleted_before(spoken):
        heard.append(str(spoken))
        if len(heard) == 1:
            stage.env.backend.delete_message(stage.world.general.id, said.id)
            await until(lambda: said.id in stage.app.client._deleted_messages._lately)
        return await withheld(spoken)

    monkeypatch.setattr(answering, "_withheld", deleted_before)
    await stage.ask("what did he say?")
    assert len(heard) == 2
    assert [one.content for one in stage.engine.seen[-1]] == ["what did he say?"]
