"""Approved replies are shown to similar questions from the next question on, and never where they must not be."""

from __future__ import annotations

import pytest

from model.chat import Message
from storage.pair_records import NewPair
from storage.reply_records import Turn
from storage.store import Store
from tests.bot.conftest import kept_open
from tests.bot.privacy.test_commands import bytes_of, forget

QUESTION = "When does the weekly raid begin?"
SIMILAR = "Does the raid begin today?"
NOTHING = [Message("user", SIMILAR)]
EXAMPLE = [Message("user", QUESTION), Message("assistant", "At eight, by the old oak.")]


async def approve_one(stage, *, channel=None, who=None, answer="At eight, by the old oak."):
    """A member who has opted in asks, and a moderator approves the answer. Returns the answer's message."""
    who = who or stage.ada
    await who.slash(stage.world.general, "privacy opt-in")
    stage.engine.say(answer)
    message = await stage.ask(QUESTION, who=who, channel=channel)
    await stage.world.moderator.click(stage.card, label="Approve")
    return message


async def shown_to(stage, who, *, channel=None, text=SIMILAR):
    """The prompt of a question that is asked now."""
    await stage.ask(text, who=who, channel=channel)
    return stage.engine.seen[-1]


@pytest.fixture
async def stage(open_stage):
    """Without the history of the channel, in which the approved reply would stand anyway."""
    async for opened in kept_open(open_stage(discord={"context_messages": 0})):
        yield opened


async def test_the_next_similar_question_is_shown_an_approved_reply(stage):
    """Before any training."""
    await approve_one(stage)
    assert await shown_to(stage, stage.ben) == [*EXAMPLE, Message("user", SIMILAR)]


async def test_other_questions_are_not(stage):
    """What has nothing to do with it would only cost tokens."""
    await approve_one(stage)
    other = "Who painted the ceiling of that chapel?"
    assert await shown_to(stage, stage.ben, text=other) == [Message("user", other)]


async def test_an_edit_shows_the_moderators_words(stage):
    """And those of a later edit in place of the first."""
    await approve_one(stage)
    form = await stage.world.moderator.click(stage.card, label="Undo")
    form = await stage.world.moderator.click(stage.card, label="Edit")
    await stage.world.moderator.submit_modal(form, {"answer": "At nine."})
    assert Message("assistant", "At nine.") in await shown_to(stage, stage.ben)


async def test_an_undone_approval_is_shown_no_more(stage):
    """From the next question on."""
    await approve_one(stage)
    await stage.world.moderator.click(stage.card, label="Undo")
    assert await shown_to(stage, stage.ben) == NOTHING


async def test_a_reply_without_consent_is_not_shown(stage):
    """Nobody's words go into other prompts unless they agreed; and when they change their mind, it holds at once."""
    await approve_one(stage)
    await stage.ada.slash(stage.world.general, "privacy opt-out")
    assert await shown_to(stage, stage.ben) == NOTHING
    await stage.ada.slash(stage.world.general, "privacy opt-in")
    assert await shown_to(stage, stage.ben) == [*EXAMPLE, *NOTHING]


async def test_forgotten_words_are_shown_no_more(stage):
    """Nor is anything of them left in the file, the index included."""
    await approve_one(stage)
    await shown_to(stage, stage.ben)
    await forget(stage, stage.ada)
    assert await shown_to(stage, stage.ben) == NOTHING
    assert b"weekly" not in bytes_of(stage)


async def test_a_deleted_question_is_shown_no_more(stage):
    """Its author took it back."""
    await stage.ada.slash(stage.world.general, "privacy opt-in")
    stage.engine.say("At eight, by the old oak.")
    asked = await stage.ada.send(stage.world.general, f"{stage.me} {QUESTION}")
    await stage.world.moderator.click(stage.card, label="Approve")
    await stage.ada.delete(asked)
    assert await shown_to(stage, stage.ben) == NOTHING


async def test_the_operators_pairs_are_shown(stage):
    """An import counts like an approval."""
    pair = NewPair((Turn("user", QUESTION),), "At eight, by the old oak.")
    await stage.app.store.call(Store.import_pairs, [pair], "ann")
    assert await shown_to(stage, stage.ben) == [*EXAMPLE, *NOTHING]


async def test_what_a_moderator_imported_waits_for_a_second_one(stage):
    """As it does before it is learned from."""
    pair, guild = NewPair((Turn("user", QUESTION),), "At eight, by the old oak."), stage.world.guild.id
    await stage.app.store.call(lambda store: store.import_pairs([pair], "mo", guild_id=guild, by=5))
    assert await shown_to(stage, stage.ben) == NOTHING
    (held,) = await stage.app.store.call(Store.quarantined)
    await stage.app.store.call(
        lambda store: store.decide_quarantine(held.reply_id, confirmed=True, actor="ann", actor_id=None)
    )
    assert await shown_to(stage, stage.ben) == [*EXAMPLE, *NOTHING]


async def test_a_reply_from_a_hidden_channel_is_shown_there_alone(stage):
    """Neither to who cannot read it, nor to who can, in a channel that others read."""
    world, moderator = stage.world, stage.world.moderator
    await moderator.slash(world.general, "privacy opt-in")
    stage.engine.say("At eight, by the old oak.")
    await moderator.send(world.review, f"{stage.me} {QUESTION}")
    card = next(one for one in world.review.history() if one.embeds and one.components)
    await moderator.click(card, label="Approve")
    assert await shown_to(stage, stage.ben) == NOTHING
    assert await shown_to(stage, moderator) == NOTHING
    assert await shown_to(stage, moderator, channel=world.review) == [*EXAMPLE, *NOTHING]


async def test_a_direct_message_is_shown_nothing(stage):
    """And what is said in one is never shown."""
    await approve_one(stage)
    await stage.ben.send_dm(SIMILAR)
    assert stage.engine.seen[-1] == NOTHING


async def test_an_answer_that_is_replaced_is_not_its_own_example(stage):
    """Or Regenerate would say the same again."""
    message = await approve_one(stage)
    await stage.ada.click(message, label="Regenerate")
    assert stage.engine.seen[-1] == [Message("user", QUESTION)]


async def test_the_conversation_itself_is_not_repeated(stage):
    """Whoever replies to the answer has it in the conversation already."""
    message = await approve_one(stage)
    await stage.ben.send(stage.world.general, f"{stage.me} {SIMILAR}", reply_to=message)
    assert [one.content for one in stage.engine.seen[-1]].count("At eight, by the old oak.") == 1


async def test_what_was_shown_is_kept_with_the_reply(stage):
    """By number: no words are copied."""
    first = await stage.reply(await approve_one(stage))
    second = await stage.reply(await stage.ask(SIMILAR, who=stage.ben))
    (shown,) = await stage.app.store.call(Store.recalled_with, second.id)
    assert (shown.example_id, shown.tokens, len(second.turns)) == (first.id, 12, 1)


async def test_an_answer_that_repeats_a_forgotten_example_goes_with_it(stage):
    """Its author's words are nowhere, whoever asked for them."""
    await stage.ada.slash(stage.world.general, "privacy opt-in")
    stage.engine.say("Fine.")
    await stage.ask("Does the raid begin at the zq12345x?")
    await stage.world.moderator.click(stage.card, label="Approve")
    stage.engine.say("It begins at the zq12345x.", "Nothing of the kind.")
    repeating = await stage.reply(await stage.ask("Does the raid begin at noon?", who=stage.ben))
    other = await stage.reply(await stage.ask("Does the raid begin at ten?", who=stage.ben))
    await forget(stage, stage.ada)
    assert b"zq12345x" not in bytes_of(stage)
    assert (await stage.app.store.call(Store.reply, repeating.id)).redacted
    assert not (await stage.app.store.call(Store.reply, other.id)).redacted
