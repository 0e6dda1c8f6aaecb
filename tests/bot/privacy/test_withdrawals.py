"""What shows words that are no longer stored is blanked: cards, reports and their questions, however old."""

from __future__ import annotations

import sqlite3

import discord
import pytest

from bot.i18n.en import moderation as words
from bot.i18n.en import texts
from storage.discord_records import Post
from storage.reply_records import NewReply
from storage.store import Store
from tests.bot.pairs.test_quarantine import approved
from tests.bot.privacy.test_commands import forget
from tests.bot.training.test_report import a_night


def review_words(stage) -> str:
    """Everything that can be read in the review channel."""
    return "\n".join(
        str([embed.to_dict() for embed in one.embeds]) + one.content for one in stage.world.review.history()
    )


async def talk(stage, count, channel=None):
    """Messages of moderators' below the cards."""
    for number in range(count):
        stage.env.backend.create_message(stage.world.review.id, stage.world.moderator.id, f"so much to do {number}")
    await stage.env.settle()


async def test_a_blanked_card_says_so_and_nothing_else(stage):
    """Neither the question nor the answer, nor who asked; and there is nothing to press."""
    await stage.ask("my secret tea")
    assert stage.card.embeds[0].author.name == "Ada"
    await forget(stage, stage.ada)
    (embed,) = stage.card.embeds
    assert (embed.title, embed.description) == (texts.REMOVED, texts.REMOVED_WHY)
    assert embed.author.name is None
    assert stage.card.components == []


async def test_cards_deep_in_the_channel_are_blanked_after_a_restart(open_stage):
    """Wherever they stand: the store knows."""
    async with open_stage(settle_timeout=60.0) as stage:
        await stage.ask("my secret tea")
        await talk(stage, 230)
        await stage.env.restart_bot(stage.app.new_client())
        await forget(stage, stage.ada)
        assert "secret" not in review_words(stage)
        assert "Ada" not in review_words(stage)


async def test_all_cards_of_a_person_are_blanked(open_stage):
    """More than the newest hundred."""
    async with open_stage(settle_timeout=120.0) as stage:
        reply = await stage.reply(await stage.ask("my secret tea"))
        for _ in range(120):
            message = stage.env.backend.create_message(stage.world.review.id, stage.app.client.user.id, "my secret tea")
            await stage.app.store.call(_carded, reply, int(message.id), stage.world.review.id)
        await forget(stage, stage.ada)
        titles = [embed.title for one in stage.world.review.history() for embed in one.embeds]
        assert titles == [texts.REMOVED] * 121


def _carded(store, reply, message_id, channel_id):
    """Store another reply like this one, whose card stands in that message."""
    fields = {name: getattr(reply, name) for name in NewReply.__slots__}
    number = store.add_reply(NewReply(**{**fields, "message_id": None}))
    store.add_post(Post(message_id, reply.guild_id, channel_id, "card", reply_id=number))


async def test_cards_of_an_earlier_version_are_looked_for(stage):
    """It did not keep where they stand."""
    await stage.ask("my secret tea")
    await stage.app.store.call(lambda store: store._db.execute("delete from posts") and None)
    await talk(stage, 110)
    await forget(stage, stage.ada)
    assert "secret" not in review_words(stage)


async def test_a_card_of_a_reply_that_was_let_go_is_blanked(stage):
    """What is deleted after its time is not to be read in the review channel for ever."""
    await stage.ask("nobody looked at this")
    with sqlite3.connect(stage.app.home.db) as db:
        db.execute("update replies set created_at = '2026-01-01T00:00:00.000+00:00'")
    await stage.app.client._loops.apply_retention()
    assert "nobody looked" not in review_words(stage)
    assert stage.card.embeds[0].title == texts.REMOVED


async def test_what_discord_refused_is_blanked_later(stage, monkeypatch):
    """Also after a restart: the store keeps what is due."""
    await stage.ask("my secret tea")
    edit = discord.PartialMessage.edit

    async def refuse(*_args, **_kwargs):
        raise discord.DiscordServerError(type("R", (), {"status": 503, "reason": "down"})(), "down")

    monkeypatch.setattr(discord.PartialMessage, "edit", refuse)
    await forget(stage, stage.ada)
    assert "secret" in review_words(stage)
    monkeypatch.setattr(discord.PartialMessage, "edit", edit)
    await stage.env.restart_bot(stage.app.new_client())
    assert "secret" not in review_words(stage)
    assert await stage.app.store.call(Store.due_posts) == []


async def test_words_removed_while_their_card_is_posted_do_not_stay_on_it(stage, monkeypatch):
    """The card was drawn before, and its place is known only after."""
    add = Store.add_post

    def removed_before(store, post):
        if post.kind == "card":
            store.forget(stage.ada.id)
        return add(store, post)

    monkeypatch.setattr(Store, "add_post", removed_before)
    await stage.ask("my secret tea")
    assert "secret" not in review_words(stage)


async def test_a_question_of_a_morning_report_is_blanked(open_stage, stage):
    """With the answers to it, and its buttons; the others stay."""
    theirs = (await stage.reply(await stage.ask("Held-out question 0?"))).id
    others = (await stage.reply(await stage.ask("Held-out question 1?", who=stage.ben, channel=stage.world.general))).id
    await a_night(open_stage, stage, replies=[theirs, others])
    posed = [one for one in stage.world.review.history() if one.embeds and one.embeds[0].title == words.BLIND_TITLE]
    assert len(posed) == 2
    await forget(stage, stage.ada)
    left = [one for one in stage.world.review.history() if one.embeds and one.embeds[0].title == words.BLIND_TITLE]
    assert left[0].embeds[0].description == words.BLIND_REMOVED
    assert left[0].components == []
    assert "New answer 0" not in review_words(stage)


async def test_a_report_quotes_the_reason_of_a_forgotten_reply_no_longer(open_stage, stage):
    """A reason may quote the reply that was set aside; the rest of the report and its picture stay."""
    numbers = await approved(stage, 1)
    other = await stage.ask("Something else?", who=stage.ben, channel=stage.world.guild.create_text_channel("other"))
    numbers.append((await stage.reply(other)).id)
    await stage.world.moderator.click(stage.card, label=texts.APPROVE)
    await a_night(open_stage, stage, aside={numbers[0]: 'A phrase: "my secret tea"', numbers[1]: "Mostly signs."})
    assert "my secret tea" in review_words(stage)
    reply = await stage.app.store.call(Store.reply, numbers[0])
    await stage.app.client.deleted([reply.prompt_message_id])
    assert "my secret tea" not in review_words(stage)
    assert "Mostly signs." in review_words(stage)
    report = next(one for one in stage.world.review.history() if one.embeds and one.embeds[0].title == words.REPORT)
    assert [one.filename for one in report.attachments] == ["loss.png"]


@pytest.mark.parametrize("press", [texts.APPROVE, texts.EDIT, words.SKIP])
async def test_an_old_card_that_is_used_in_that_moment_brings_nothing_back(stage, press):
    """The moderator's Discord still shows the buttons."""
    await stage.ask("my secret tea")
    card = stage.card
    custom_id = next(child.custom_id for row in card.components for child in row.children if child.label == press)
    await stage.app.store.call(Store.forget, stage.ada.id)
    await stage.world.moderator.click(card, custom_id=custom_id)
    assert "secret" not in review_words(stage) or press != words.SKIP
    await stage.app.client.withdrawals.carry_out()
    assert "secret" not in review_words(stage)
