"""Hold mode: nothing is posted in a held channel before a moderator has seen it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.i18n.en import moderation as words
from bot.i18n.en import texts
from tests.bot.review.test_service import verdicts

DRAFT = "Sand it first, then oil it."


async def hold(stage, *, on=True):
    return await stage.world.moderator.slash(stage.world.general, "hold", on=on)


async def held_answer(stage):
    """A question in a held channel; returns the message that stands for the answer."""
    await hold(stage)
    stage.engine.say(DRAFT)
    return await stage.ask("Sticky oil?")


async def test_a_held_channel_shows_a_notice_and_the_draft_goes_to_review(stage):
    """The asker reads that moderators look first; the card has the draft and says it is held."""
    answer = await held_answer(stage)
    assert answer.content == words.HELD_NOTICE
    assert DRAFT not in "".join(one.content for one in stage.world.general.history())
    assert DRAFT in stage.card.embeds[0].description
    assert stage.card.embeds[0].title == words.HELD


async def test_approving_posts_the_draft(stage):
    """The notice becomes the answer."""
    await held_answer(stage)
    await stage.world.moderator.click(stage.card, label="Approve")
    assert stage.world.general.last_message.content == DRAFT


async def test_a_posted_draft_shows_no_previews_of_its_links(stage):
    """Like any other answer of the bot."""
    await held_answer(stage)
    await stage.world.moderator.click(stage.card, label="Approve")
    assert stage.world.general.last_message.flags.suppress_embeds


async def test_editing_posts_the_moderator_s_text(stage):
    """Only the edited text is ever seen in the channel."""
    await held_answer(stage)
    form = await stage.world.moderator.click(stage.card, label="Edit")
    await stage.world.moderator.submit_modal(form, {"answer": "Wipe it off."})
    assert stage.world.general.last_message.content == "Wipe it off."


async def test_rejecting_posts_nothing_of_the_draft(stage):
    """The asker reads that it was not posted."""
    await held_answer(stage)
    await stage.world.moderator.click(stage.card, label="Reject")
    assert stage.world.general.last_message.content == words.HELD_REFUSED


async def test_taking_an_approval_back_takes_the_text_back(stage):
    """What is posted is always what the latest verdict allows."""
    await held_answer(stage)
    await stage.world.moderator.click(stage.card, label="Approve")
    await stage.world.moderator.click(stage.card, label=words.UNDO)
    assert stage.world.general.last_message.content == words.HELD_NOTICE
    assert stage.card.embeds[0].title == words.HELD


async def test_a_long_text_is_posted_in_parts_and_taken_back_whole(stage):
    """Over 2,000 characters it goes on in a further message, which goes when the text is taken back."""
    await hold(stage)
    stage.engine.say("word " * 600)
    await stage.ask("A story?")
    await stage.world.moderator.click(stage.card, label="Approve")
    first, second = stage.world.general.history()[-2:]
    assert len(first.content) <= 2000
    assert (first.content + " " + second.content).split() == ["word"] * 600
    await stage.world.moderator.click(stage.card, label=words.UNDO)
    assert stage.world.general.last_message.content == words.HELD_NOTICE
    assert len(stage.world.general.history()) == 2


async def test_approving_from_the_queue_posts_too(stage):
    """However the verdict is given, the answer appears."""
    await held_answer(stage)
    page = (await stage.world.moderator.slash(stage.world.general, "review")).response
    assert words.HELD in page.embeds[0].title
    await stage.world.moderator.click(page, label="Approve")
    assert stage.world.general.last_message.content == DRAFT


async def test_an_answer_to_the_ask_command_is_held_too(stage):
    """The question stays above the notice, and above the answer that takes its place."""
    await hold(stage)
    stage.engine.say(DRAFT)
    await stage.ada.slash(stage.world.general, "ask", question="Sticky oil?")
    assert stage.world.general.last_message.content == texts.asked("Sticky oil?") + words.HELD_NOTICE
    await stage.world.moderator.click(stage.card, label="Approve")
    assert stage.world.general.last_message.content == texts.asked("Sticky oil?") + DRAFT


@pytest.mark.parametrize("length", [1, 600])
async def test_a_new_member_is_told_how_learning_works_in_a_held_channel_too(open_stage, settings, length):
    """Below the notice, and below whatever takes its place; it is no part of what is stored."""
    introducing = settings.model_copy(update={"privacy": replace(settings.privacy, introduce=True)})
    async with open_stage(base=introducing) as stage:
        await hold(stage)
        stage.engine.say("word " * length)
        line = texts.introduction(False)
        held = await stage.ask("A story?")
        assert held.content == words.HELD_NOTICE + line
        for label in ("Approve", words.UNDO, "Approve"):
            await stage.world.moderator.click(stage.card, label=label)
            assert stage.world.general.last_message.content.endswith(line)
        assert len(stage.world.general.history()) == 2 + (length > 1)
        assert "opt-in" not in (await stage.reply(held)).text
        stage.engine.say("Again.")
        assert (await stage.ask("Another?")).content == words.HELD_NOTICE


async def test_a_draft_that_begins_with_a_quotation_can_be_taken_back_whole(stage):
    """The first line is the answer's own, not a question above it."""
    await hold(stage)
    stage.engine.say("> Measure twice.\nSo they say.")
    await stage.ask("Which wood?")
    await stage.world.moderator.click(stage.card, label="Approve")
    await stage.world.moderator.click(stage.card, label=words.UNDO)
    assert stage.world.general.last_message.content == words.HELD_NOTICE


async def test_other_channels_and_later_answers_are_not_held(stage):
    """Hold is a channel's setting, and can be switched off."""
    await hold(stage)
    other = stage.world.guild.create_text_channel("lounge")
    assert (await stage.ask("Hello?", channel=other)).content == "You said: Hello?"
    await hold(stage, on=False)
    assert (await stage.ask("Hello?")).content == "You said: Hello?"


async def test_hold_outlives_a_restart_and_is_in_the_audit(stage):
    """It is stored, with who switched it on."""
    await hold(stage)
    await stage.env.restart_bot(stage.app.new_client())
    assert (await stage.ask("Hello?")).content == words.HELD_NOTICE
    (entry,) = await stage.app.store.call(lambda store: store.audit_search(guild_id=stage.world.guild.id))
    assert (entry.actor, entry.action, entry.subject) == ("Mo", "settings.hold", str(stage.world.general.id))


async def test_a_reaction_on_the_notice_approves_nothing(open_stage):
    """Nobody can read the draft there, so a check mark on the notice is no verdict."""
    async with open_stage(discord={"review_by_reaction": True}) as stage:
        answer = await held_answer(stage)
        await stage.world.moderator.react(answer, "\u2705")
        assert await verdicts(stage, answer) == []


async def test_hold_needs_a_review_channel(open_stage):
    """Else the drafts would lie unseen."""
    async with open_stage(discord={"review_channel": "nowhere"}) as stage:
        assert (await hold(stage)).response.content == words.HOLD_NOWHERE
        assert (await stage.ask("Hello?")).content == "You said: Hello?"


async def test_members_cannot_hold(stage):
    """Everybody else hears what it would take."""
    result = await stage.ada.slash(stage.world.general, "hold", on=True)
    assert result.response.content == texts.not_moderator("Moderator")
