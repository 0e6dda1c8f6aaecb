"""What members notice when they ask the bot: bot/chat/answering.py, bot/chat/history.py and bot/client.py at work."""

from __future__ import annotations

import asyncio

import discord

from bot.i18n.en import texts, waiting
from model.chat import Message
from model.errors import QueueFull
from storage.origins import ORIGINS
from storage.store import Store
from tests.fake_engine import Fail


async def test_a_mention_is_answered_as_a_reply(stage):
    """Naming the bot gets an answer that replies to the question."""
    stage.engine.say("Glaze it twice.")
    answer = await stage.ask("How do I finish this bowl?")
    question = stage.world.general.history()[-2]
    assert answer.author.id == stage.app.client.user.id
    assert answer.content == "Glaze it twice."
    assert answer.reference.message_id == question.id


async def test_the_bot_shows_that_it_is_typing(stage):
    """Before the first token, Discord shows that the bot types."""
    await stage.ask("Anybody home?")
    calls = [(entry.method, entry.path) for entry in stage.env.http_requests]
    typing = calls.index(("POST", f"/channels/{stage.world.general.id}/typing"))
    assert typing < calls.index(("POST", f"/channels/{stage.world.general.id}/messages"))


async def test_an_answer_is_sent_early_and_edited_to_its_end(stage):
    """The first words appear at once; the whole text is there in the end, in one message."""
    stage.engine.say("first second third")
    answer = await stage.ask("Go on")
    sent = [e for e in stage.env.http_requests if e.method == "POST" and e.path.endswith("/messages")]
    assert sent[0].json["content"] == "first"
    assert answer.content == "first second third"
    assert len(stage.world.general.history()) == 2


async def test_a_reply_to_the_bot_needs_no_mention(stage):
    """Replying to an answer continues the conversation."""
    stage.engine.say("Oak.", "Because it is hard.")
    answer = await stage.ask("Which wood?")
    await stage.ben.send(stage.world.general, "Why?", reply_to=answer)
    assert stage.world.general.last_message.content == "Because it is hard."


async def test_a_direct_message_is_answered(stage):
    """In a direct message no mention is needed, and the reply is written down without a server."""
    stage.engine.say("Hello, Ada.")
    await stage.ada.send_dm("Hello?")
    answer = stage.ada.user.dm_channel.last_message
    assert answer.content == "Hello, Ada."
    reply = await stage.reply(answer)
    assert (reply.guild_id, reply.asker_id) == (None, stage.ada.id)
    assert stage.world.review.history() == []  # what is said in private stays out of the review channel


async def test_direct_messages_can_be_switched_off(open_stage):
    """With direct_messages = false, the bot is silent there."""
    async with open_stage(discord={"direct_messages": False}) as stage:
        await stage.ada.send_dm("Hello?")
        assert len(stage.ada.user.dm_channel.history()) == 1


async def test_a_typed_name_is_as_good_as_a_mention(stage):
    """`@Nightshift` typed by hand is answered, and the model does not read its own name."""
    await stage.ada.send(stage.world.general, "@Nightshift, which wood?")
    assert stage.engine.seen[-1] == [Message("user", "which wood?")]


async def test_talk_between_members_is_left_alone(stage):
    """Messages that do not address the bot get no answer, nor do replies to other people."""
    first = await stage.ada.send(stage.world.general, "Good morning")
    await stage.ben.send(stage.world.general, "Morning!", reply_to=first)
    await stage.ben.send(stage.world.general, "@everyone look here")
    assert len(stage.world.general.history()) == 3
    assert stage.engine.seen == []


async def test_other_bots_are_never_answered(stage):
    """Two bots cannot talk to each other for ever."""
    robot = stage.world.guild.add_member(stage.env.create_user("robot", bot=True))
    await robot.send(stage.world.general, f"{stage.me} beep?")
    assert stage.engine.seen == []


async def test_the_chain_of_replies_is_the_conversation(stage):
    """A reply shows the model its whole chain, oldest first, and nothing said beside it."""
    stage.engine.say("Oak.", "Ash.")
    answer = await stage.ask("Which wood for a table?")
    await stage.ben.send(stage.world.general, "Lunch, anyone?")
    await stage.ada.send(stage.world.general, "And for a chair?", reply_to=answer)
    assert stage.engine.seen[-1] == [
        Message("user", "Which wood for a table?"),
        Message("assistant", "Oak."),
        Message("user", "And for a chair?"),
    ]


async def test_without_a_chain_the_recent_messages_are_the_conversation(stage):
    """A mention is understood in the light of what was just said; speakers are told apart by name."""
    await stage.ada.send(stage.world.general, "My glue never dries.")
    await stage.ask("what would you do?", who=stage.ben)
    assert stage.engine.seen[-1] == [
        Message("user", "Ada: My glue never dries."),
        Message("user", "Ben: what would you do?"),
    ]


async def test_one_speaker_needs_no_name(stage):
    """With a single person speaking, their messages are shown as they were written."""
    await stage.ada.send(stage.world.general, "My glue never dries.")
    await stage.ask("any idea?")
    assert [one.content for one in stage.engine.seen[-1]] == ["My glue never dries.", "any idea?"]


async def test_channels_never_mix(stage):
    """What is said in one channel, thread or direct message is not shown to the model in another."""
    other = stage.world.guild.create_text_channel("secret-plans")
    await stage.ada.send(other, "The party is on Friday.")
    await stage.ada.send_dm("My password is swordfish.")
    await stage.ask("What do you know?")
    shown = " ".join(one.content for one in stage.engine.seen[-1])
    assert "Friday" not in shown
    assert "swordfish" not in shown


async def test_a_reply_is_written_down_with_everything_it_was_shown(stage):
    """The store holds turns with authors and message ids, the adapter, and where and why the reply was given."""
    stage.engine.adapter = "20261123-a"
    stage.engine.say("Sand it first.")
    await stage.ada.send(stage.world.general, "My oil stays sticky.")
    answer = await stage.ask("Help?", who=stage.ben)
    said, question, _ = stage.world.general.history()
    reply = await stage.reply(answer)
    assert reply.text == "Sand it first."
    assert [(turn.author_id, turn.message_id) for turn in reply.turns] == [
        (stage.ada.id, said.id),
        (stage.ben.id, question.id),
    ]
    assert (reply.adapter, reply.base_model, reply.finish_reason) == ("20261123-a", "fake-base", "stop")
    assert (reply.guild_id, reply.channel_id) == (stage.world.guild.id, stage.world.general.id)
    assert (reply.asker_id, reply.prompt_message_id) == (stage.ben.id, question.id)
    assert reply.conversation == f"discord:{stage.world.general.id}:{question.id}"
    assert (await stage.app.store.call(Store.counts, learn_from=ORIGINS)).pending == 1


async def test_answers_in_one_chain_belong_to_one_conversation(stage):
    """A follow-up shares its conversation with the first question, so both fall on one side of the hold-out."""
    first = await stage.ask("Which wood?")
    await stage.ada.send(stage.world.general, "Why?", reply_to=first)
    second = stage.world.general.last_message
    assert (await stage.reply(first)).conversation == (await stage.reply(second)).conversation


async def test_the_bot_s_own_words_need_nobody_s_consent(stage):
    """Only people's turns carry an author, so only people are asked for consent."""
    first = await stage.ask("Which wood?")
    await stage.ada.send(stage.world.general, "Why?", reply_to=first)
    reply = await stage.reply(stage.world.general.last_message)
    assert [turn.author_id for turn in reply.turns] == [stage.ada.id, None, stage.ada.id]


async def test_nothing_in_an_answer_pings_anyone(stage):
    """Mentions the model writes stay plain text: nobody is notified, not even the one who asked."""
    role = stage.world.guild.roles["Moderator"]
    stage.engine.say(f"@everyone @here {stage.ben.mention} {role.mention} come here")
    answer = await stage.ask("Call them all")
    stored = stage.env.backend.get_message(stage.world.general.id, answer.id)
    assert (stored.mention_everyone, stored.ping_user_ids, stored.ping_role_ids) == (False, [], [])
    for entry in stage.env.http_requests:
        if entry.method in ("POST", "PATCH") and "/messages" in entry.path:
            assert entry.json["allowed_mentions"]["parse"] == []
            assert not entry.json["allowed_mentions"].get("replied_user")


async def test_a_long_answer_comes_in_parts(stage):
    """Over 2,000 characters the answer continues in a second message, and moderators can review either."""
    text = "\n\n".join(f"Paragraph {number}. " + "word " * 80 for number in range(8)).strip()
    stage.engine.say(text)
    await stage.ask("Tell me everything")
    parts = stage.world.general.history()[1:]
    assert len(parts) == 2
    assert all(len(part.content) <= 2000 for part in parts)
    assert "".join(text.split()) == "".join("".join(part.content for part in parts).split())
    assert parts[1].reference.message_id == parts[0].id
    assert (await stage.reply(parts[0])).text.split() == text.split()
    result = await stage.world.moderator.context_menu(stage.world.general, "Approve", parts[1])
    assert result.response.content == waiting.recorded("approve", ["consent"])


async def test_a_failing_answer_says_so_and_the_next_one_works(stage):
    """When the model fails, the asker reads a sentence, nothing is written down, and others are answered."""
    stage.engine.say(Fail(), "All good.")
    failed = await stage.ask("Are you well?")
    assert failed.content == texts.FAILED
    assert (await stage.app.store.call(Store.counts, learn_from=ORIGINS)).pending == 0
    assert (await stage.ask("And now?", who=stage.ben)).content == "All good."


async def test_an_answer_that_breaks_off_keeps_its_words_and_says_so(stage):
    """What was already written stays, with a line that it failed."""
    stage.engine.say(Fail(after=2))
    answer = await stage.ask("Count to three")
    assert answer.content == f"one two\n{texts.FAILED}"


async def test_the_bot_s_notices_are_no_part_of_the_conversation(stage):
    """A failure message is not shown to the model as something it said."""
    stage.engine.say(Fail(), "Fine.")
    await stage.ask("First?")
    await stage.ask("Second?")
    assert [one.role for one in stage.engine.seen[-1]] == ["user", "user"]


async def test_a_full_queue_is_a_polite_refusal(stage):
    """When too many wait, the asker is told to come back, at once."""
    stage.engine.refuse = QueueFull(64)
    assert (await stage.ask("Me too?")).content == texts.BUSY


async def test_a_bare_mention_is_asked_for_a_question(stage):
    """Only the bot's name and nothing else gets a hint."""
    await stage.ada.send(stage.world.general, "Hm.")
    assert (await stage.ask("")).content == texts.ASK_ME
    assert stage.engine.seen == []


async def test_an_answer_without_words_is_not_written_down(stage):
    """A model that says nothing makes the bot say so, and there is nothing to review."""
    stage.engine.say("")
    assert (await stage.ask("Speak!")).content == texts.SILENT
    assert (await stage.app.store.call(Store.counts, learn_from=ORIGINS)).pending == 0


async def test_the_persona_is_shown_but_not_stored(open_stage, settings):
    """The operator's persona leads the prompt; the stored turns leave it to whoever renders them."""
    async with open_stage(base=settings.model_copy(update={"persona": "You are a carpenter."})) as stage:
        answer = await stage.ask("Hello")
        assert stage.engine.seen[-1][0] == Message("system", "You are a carpenter.")
        assert [turn.role for turn in (await stage.reply(answer)).turns] == ["user"]


async def test_old_messages_give_way_to_the_token_budget(open_stage):
    """The newest messages that leave room for the answer are shown."""
    async with open_stage() as stage:
        stage.engine.context_tokens = 200 + 50
        for number in range(6):
            await stage.ada.send(stage.world.general, f"{number} " + "chatter " * 14)
        await stage.ask("so?")
        assert [one.content[0] for one in stage.engine.seen[-1]] == ["3", "4", "5", "s"]


async def test_mentions_are_read_as_names(stage):
    """The model reads names, not numbers, and never the mention that called it."""
    await stage.ask(f"what does {stage.ben.mention} mean?")
    assert stage.engine.seen[-1][-1].content == "what does @Ben mean?"


async def test_a_question_deleted_after_its_answer_began_is_still_answered(stage):
    """If the question is gone when the answer is ready, the answer is posted without a reference."""
    stage.engine.say("first second third")
    stage.engine.pause_after = 1
    asking = asyncio.ensure_future(stage.ask("Too slow?"))
    while len(stage.world.general.history()) < 2:  # noqa: ASYNC110  (nothing tells when Discord shows a message)
        await asyncio.sleep(0)
    stage.env.backend.delete_message(stage.world.general.id, stage.world.general.history()[0].id)
    stage.engine.pause_after = None
    stage.engine.open.set()
    assert (await asking).content == "first second third"


async def test_an_answer_that_is_deleted_while_it_grows_is_given_up(stage):
    """A moderator who removes a growing answer ends it: it is neither posted again nor written down."""
    stage.engine.say("first " + "more " * 50)
    asking = asyncio.ensure_future(stage.ask("Go on"))
    while len(stage.world.general.history()) < 2:  # noqa: ASYNC110  (nothing tells when Discord shows a message)
        await asyncio.sleep(0)
    stage.env.backend.delete_message(stage.world.general.id, stage.world.general.last_message.id)
    await asking
    assert len(stage.world.general.history()) == 1
    assert stage.engine.active == 0


async def test_no_answer_where_the_bot_may_not_write(stage):
    """A channel closed to the bot costs it nothing: it goes on elsewhere."""
    closed = stage.world.guild.create_text_channel(
        "news",
        overwrites={stage.app.client.user: discord.PermissionOverwrite(send_messages=False)},
    )
    await stage.ada.send(closed, f"{stage.me} hello?")
    assert len(closed.history()) == 1
    assert (await stage.ask("Still there?")).content == "You said: Still there?"


async def test_many_questions_at_once_are_all_answered(stage):
    """Questions that arrive together each get their own answer."""
    people = (*stage.world.members, stage.world.moderator)
    questions = [
        stage.env.backend.create_message(stage.world.general.id, one.id, f"{stage.me} I am {one.name}")
        for one in people
    ]
    await stage.env.settle()
    answers = [one for one in stage.world.general.history() if one.author.id == stage.app.client.user.id]
    assert {one.reference.message_id for one in answers} == {question.id for question in questions}
