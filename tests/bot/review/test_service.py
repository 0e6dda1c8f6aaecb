"""What moderators do with replies, and what others may not: bot/review/service.py and bot/review/cards.py at work."""

from __future__ import annotations

import discord
import pytest

from bot.i18n.en import knowledge, texts, waiting
from bot.i18n.en import moderation as words
from storage.origins import ORIGINS
from storage.store import Store


async def verdicts(stage, message) -> list[tuple[str, str, str | None]]:
    reply = await stage.reply(message)
    reviews = await stage.app.store.call(Store.reviews, reply.id)
    return [(one.verdict, one.reviewer, one.edited_text) for one in reviews]


def labels(message) -> list[str]:
    """What the buttons of a message say, of one the bot sent or of an answer to an interaction."""
    rows = [row if isinstance(row, dict) else row.to_dict() for row in message.components]
    return [item["label"] for row in rows for item in row["components"] if item.get("label")]


async def test_each_reply_gets_a_card_with_question_answer_and_adapter(stage):
    """The review channel shows what was asked, what was said and by which adapter, and links to the message."""
    stage.engine.adapter = "20261123-a"
    stage.engine.say("Sand it first.")
    answer = await stage.ask("My oil stays sticky.")
    (embed,) = stage.card.embeds
    assert "My oil stays sticky." in embed.description
    assert "Sand it first." in embed.description
    assert embed.author.name == "Ada"
    assert "20261123-a" in embed.footer.text
    assert embed.title == texts.PENDING
    buttons = {item.label: item for row in stage.card.components for item in row.children}
    assert list(buttons) == ["Approve", "Edit", "Reject", words.SKIP, texts.CARD_JUMP, knowledge.SHOW]
    assert buttons[texts.CARD_JUMP].url == answer.jump_url


async def test_members_do_not_see_the_review_channel_s_cards_in_their_own(stage):
    """The card goes to the review channel only; the public channel holds question and answer."""
    await stage.ask("Hello?")
    assert len(stage.world.general.history()) == 2
    assert len(stage.world.review.history()) == 1


@pytest.mark.parametrize(("label", "verdict"), [("Approve", "approve"), ("Reject", "reject")])
async def test_a_button_records_the_verdict_and_the_card_shows_it(stage, label, verdict):
    """One click is a verdict; the card then says which, and who gave it."""
    answer = await stage.ask("Hello?")
    await stage.world.moderator.click(stage.card, label=label)
    assert await verdicts(stage, answer) == [(verdict, "Mo", None)]
    assert stage.card.embeds[0].title == texts.verdict_line(verdict, "Mo")


async def test_edit_on_a_card_opens_a_form_with_the_text(stage):
    """Edit shows the answer to be put right; the submitted text is stored and the card shows both."""
    stage.engine.say("Sand it frist.")
    answer = await stage.ask("Sticky oil?")
    shown = await stage.world.moderator.click(stage.card, label="Edit")
    assert "Sand it frist." in str(shown.modal)
    await stage.world.moderator.submit_modal(shown, {"answer": "Sand it first."})
    assert await verdicts(stage, answer) == [("edit", "Mo", "Sand it first.")]
    embed = stage.card.embeds[0]
    assert embed.title == texts.verdict_line("edit", "Mo")
    assert "Sand it frist." in embed.description
    assert f"**{texts.CARD_CORRECTED}**\nSand it first." in embed.description
    assert embed.author.name == "Ada"
    assert stage.world.general.last_message.content == "Sand it frist."  # what was said stays said


async def test_an_edit_without_words_is_refused(stage):
    """Blanks cannot be learned from: the moderator is told, and nothing is stored."""
    answer = await stage.ask("Hello?")
    shown = await stage.world.moderator.click(stage.card, label="Edit")
    result = await stage.world.moderator.submit_modal(shown, {"answer": "   "})
    assert result.response.content == texts.EDIT_EMPTY
    assert result.response.ephemeral
    assert await verdicts(stage, answer) == []


@pytest.mark.parametrize(("name", "verdict"), [("Approve", "approve"), ("Reject", "reject")])
async def test_message_commands_record_the_verdict_and_update_the_card(stage, name, verdict):
    """Apps > Approve on the answer itself does the same as the card's button, and answers privately."""
    answer = await stage.ask("Hello?")
    result = await stage.world.moderator.context_menu(stage.world.general, name, answer)
    assert result.response.content == waiting.recorded(verdict, ["consent"] if verdict == "approve" else [])
    assert result.response.ephemeral
    assert await verdicts(stage, answer) == [(verdict, "Mo", None)]
    assert stage.card.embeds[0].title == texts.verdict_line(verdict, "Mo")


async def test_the_edit_message_command_opens_the_form_at_once(stage):
    """Edit on a message answers with the form, and the submitted text with a private confirmation."""
    stage.engine.say("Helo.")
    answer = await stage.ask("Hello?")
    shown = await stage.world.moderator.context_menu(stage.world.general, "Edit", answer)
    assert shown.modal["title"] == texts.EDIT_TITLE
    result = await stage.world.moderator.submit_modal(shown, {"answer": "Hello."})
    assert result.response.content == waiting.recorded("edit", ["consent"])
    assert await verdicts(stage, answer) == [("edit", "Mo", "Hello.")]
    assert stage.card.embeds[0].title == texts.verdict_line("edit", "Mo")


async def test_the_later_verdict_stands(stage):
    """A verdict can be changed by another; the card shows the last, the store keeps all."""
    answer = await stage.ask("Hello?")
    await stage.world.moderator.click(stage.card, label="Approve")
    await stage.world.moderator.context_menu(stage.world.general, "Reject", answer)
    assert [one[0] for one in await verdicts(stage, answer)] == ["approve", "reject"]
    assert stage.card.embeds[0].title == texts.verdict_line("reject", "Mo")
    counts = await stage.app.store.call(Store.counts, learn_from=ORIGINS)
    assert (counts.approved, counts.rejected) == (0, 1)


async def test_a_card_with_its_verdict_is_folded(stage):
    """Question and answer take a line each once the card is done, with Undo for the buttons."""
    stage.engine.say("word " * 300)
    await stage.ask("Tell me a story")
    before = len(stage.card.embeds[0].description)
    await stage.world.moderator.click(stage.card, label="Approve")
    assert len(stage.card.embeds[0].description) < before / 3
    assert labels(stage.card) == [words.UNDO, texts.CARD_JUMP, knowledge.SHOW]


async def test_editing_again_starts_from_the_last_edit(stage):
    """The form shows the newest wording, not the model's."""
    answer = await stage.ask("Hello?")
    shown = await stage.world.moderator.click(stage.card, label="Edit")
    await stage.world.moderator.submit_modal(shown, {"answer": "Better."})
    again = await stage.world.moderator.context_menu(stage.world.general, "Edit", answer)
    assert "Better." in str(again.modal)


async def test_buttons_work_after_a_restart(stage):
    """A card posted by yesterday's process is still good today."""
    answer = await stage.ask("Hello?")
    card = stage.card
    await stage.env.restart_bot(stage.app.new_client())
    await stage.world.moderator.click(card, label="Approve")
    assert await verdicts(stage, answer) == [("approve", "Mo", None)]
    assert stage.card.embeds[0].title == texts.verdict_line("approve", "Mo")


async def test_after_a_restart_the_card_is_found_again(stage):
    """A message command after a restart still updates the old card."""
    answer = await stage.ask("Hello?")
    await stage.ask("Something else?")
    card_id = stage.world.review.history()[0].id
    await stage.env.restart_bot(stage.app.new_client())
    await stage.world.moderator.context_menu(stage.world.general, "Reject", answer)
    card = next(one for one in stage.world.review.history() if one.id == card_id)
    assert card.embeds[0].author.name == "Ada"
    assert card.embeds[0].title == texts.verdict_line("reject", "Mo")


@pytest.mark.parametrize("name", ["Approve", "Edit", "Reject"])
async def test_members_may_not_review_and_are_told_why(stage, name):
    """Everybody else hears privately what it would take, and nothing is stored."""
    answer = await stage.ask("Hello?")
    result = await stage.ada.context_menu(stage.world.general, name, answer)
    assert result.response.content == texts.not_moderator("Moderator")
    assert result.response.ephemeral
    assert result.modal is None
    assert await verdicts(stage, answer) == []


async def test_a_button_checks_its_user_again(stage):
    """Someone who sees the review channel without being a moderator is refused at the button."""
    answer = await stage.ask("Hello?")
    channel = stage.world.review
    guild, everyone = stage.env.backend.get_guild(stage.world.guild.id), stage.world.guild.default_role
    for overwrite in stage.env.backend.get_channel(channel.id).overwrites:
        if overwrite.target_id == everyone.id:
            overwrite.deny = 0
    assert guild is not None
    result = await stage.ada.click(stage.card, label="Approve")
    assert result.response.content == texts.not_moderator("Moderator")
    assert result.response.ephemeral
    assert await verdicts(stage, answer) == []


async def test_losing_the_role_between_form_and_submit_counts(stage):
    """The form's submission is checked as well as its opening."""
    answer = await stage.ask("Hello?")
    shown = await stage.world.moderator.context_menu(stage.world.general, "Edit", answer)
    stage.env.backend.get_guild(stage.world.guild.id).members[stage.world.moderator.id].role_ids.clear()
    result = await stage.world.moderator.submit_modal(shown, {"answer": "Mine now."})
    assert result.response.content == texts.not_moderator("Moderator")
    assert await verdicts(stage, answer) == []


async def test_manage_messages_is_enough_without_the_role(stage):
    """The permission makes a moderator even where a role is configured."""
    role = stage.world.guild.create_role("Helper", permissions=discord.Permissions(manage_messages=True))
    helper = stage.world.guild.add_member(stage.env.create_user("hal", global_name="Hal"), roles=[role])
    answer = await stage.ask("Hello?")
    await helper.context_menu(stage.world.general, "Approve", answer)
    assert await verdicts(stage, answer) == [("approve", "Hal", None)]


async def test_without_a_role_the_permission_decides(open_stage):
    """With no role configured, Manage Messages reviews, and others do not even see the commands."""
    async with open_stage(discord={"moderator_role": None}) as stage:
        role = stage.world.guild.create_role("Helper", permissions=discord.Permissions(manage_messages=True))
        helper = stage.world.guild.add_member(stage.env.create_user("hal", global_name="Hal"), roles=[role])
        answer = await stage.ask("Hello?")
        await helper.context_menu(stage.world.general, "Approve", answer)
        assert await verdicts(stage, answer) == [("approve", "Hal", None)]
        result = await stage.world.moderator.click(stage.card, label=words.UNDO)
        assert result.response.content == texts.not_moderator(None)


async def test_only_the_bot_s_replies_can_be_reviewed(stage):
    """On anybody else's message the command says what it is for."""
    said = await stage.ada.send(stage.world.general, "I made a chair.")
    result = await stage.world.moderator.context_menu(stage.world.general, "Approve", said)
    assert result.response.content == texts.NOT_MY_REPLY


async def test_a_notice_is_not_a_reply(stage):
    """A message of the bot that was never written down cannot be approved."""
    await stage.ada.send(stage.world.general, stage.me)
    hint = stage.world.general.last_message
    result = await stage.world.moderator.context_menu(stage.world.general, "Approve", hint)
    assert result.response.content == texts.NOT_RECORDED


async def test_another_server_s_moderators_have_no_say(stage):
    """A card's id is no key: a moderator of another server cannot use it."""
    answer = await stage.ask("Hello?")
    reply = await stage.reply(answer)
    other = stage.env.create_guild("Elsewhere")
    role = other.create_role("Moderator")
    channel = other.create_text_channel("general")
    stranger = other.add_member(stage.env.create_user("sly"), roles=[role])
    view = discord.ui.View(timeout=None)
    view.add_item(discord.ui.Button(label="Approve", custom_id=f"nightshift:approve:{reply.id}"))
    await stage.app.client.get_channel(channel.id).send("forged", view=view)
    result = await stranger.click(channel.last_message, label="Approve")
    assert result.response.content == texts.OTHER_SERVER
    assert await verdicts(stage, answer) == []


async def test_without_a_review_channel_answers_go_on(open_stage):
    """A server with no review channel gets no cards, and message commands still work."""
    async with open_stage(discord={"review_channel": "nowhere"}) as stage:
        answer = await stage.ask("Hello?")
        await stage.world.moderator.context_menu(stage.world.general, "Approve", answer)
        assert await verdicts(stage, answer) == [("approve", "Mo", None)]
        assert stage.world.review.history() == []


async def test_a_card_that_cannot_be_posted_does_not_hurt_the_answer(stage):
    """When Discord refuses the card, the reply stands and is stored all the same."""
    stage.env.inject_error("POST", f"/channels/{stage.world.review.id}/messages", status=403, code=50013)
    answer = await stage.ask("Hello?")
    assert answer.content == "You said: Hello?"
    await stage.reply(answer)


async def test_a_reply_whose_words_were_removed_cannot_be_approved(stage):
    """After a member asked to be forgotten, the card's button says that nothing is left to review."""
    await stage.ask("My secret is out")
    await stage.app.store.call(Store.forget, stage.ada.id)
    result = await stage.world.moderator.click(stage.card, label="Approve")
    assert result.response.content == texts.REPLY_GONE


async def test_nobody_is_left_waiting_when_a_button_fails(stage, monkeypatch):
    """An unforeseen error inside a button becomes a private sentence without its text."""
    await stage.ask("Hello?")

    async def broken(*args, **kwargs):
        raise RuntimeError("disk on fire")

    monkeypatch.setattr(stage.app.store, "call", broken)
    result = await stage.world.moderator.click(stage.card, label="Approve")
    assert result.response.content == texts.FAILED_COMMAND
    assert result.response.ephemeral
