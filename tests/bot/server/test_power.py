"""How far a moderator's power reaches: the whole server, one channel, and never into a channel they cannot read."""

from __future__ import annotations

import discord
import pytest

from bot.i18n.en import moderation as words
from bot.i18n.en import texts
from storage.pair_records import NewPair
from storage.reply_records import NewReply, Turn
from storage.store import Store
from tests.bot.review.test_service import verdicts
from tests.bot.test_slash_commands import publish
from tests.bot.training.test_report import a_night

WHISPER = "The safe opens with 4711"
HIDDEN = discord.PermissionOverwrite(view_channel=False)
SEEN = discord.PermissionOverwrite(view_channel=True)
KEEPS = discord.PermissionOverwrite(view_channel=True, manage_messages=True)


@pytest.fixture
async def vault(stage):
    """A channel that Ada alone reads, where a question was answered. Moderators of the server do not see it."""
    everyone = stage.world.guild.default_role
    channel = stage.world.guild.create_text_channel(
        "vault", overwrites={everyone: HIDDEN, stage.ada: SEEN, **me(stage)}
    )
    await stage.env.settle()
    await stage.ask(WHISPER, channel=channel)
    return channel


def me(stage):
    return {stage.app.client.user: SEEN}


async def keeper(stage):
    """Kim moderates one channel of her own; gives her and the channel."""
    kim = stage.world.guild.add_member(stage.env.create_user("kim", global_name="Kim"))
    own = stage.world.guild.create_text_channel("kim-s", overwrites={kim: KEEPS})
    await stage.env.settle()
    return kim, own


def everything(result) -> str:
    """All that somebody was shown by an interaction."""
    found = [one for one in (result.response, *result.followups) if one is not None]
    return " ".join(str([one.content, [embed.to_dict() for embed in one.embeds or ()]]) for one in found)


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("train now", {}),
        ("train status", {}),
        ("train cancel", {}),
        ("train history", {}),
        ("adapter list", {}),
        ("adapter use", {"adapter": "base"}),
        ("adapter rollback", {}),
        ("pairs search", {"text": "a"}),
        ("pairs remove", {"pair": "1"}),
        ("pairs export", {}),
        ("pairs import", {"file": ("a.jsonl", b"")}),
        ("pairs quarantine", {}),
        ("stats", {}),
    ],
)
async def test_manage_messages_in_one_channel_moderates_no_server(stage, command, options, tmp_path):
    """What concerns the whole server asks for the permission on the server, and says so."""
    await publish(stage, "second", tmp_path)
    kim, own = await keeper(stage)
    result = await kim.slash(own, command, **options)
    assert result.ephemeral
    assert result.response.content == words.not_server_moderator("Moderator")
    assert stage.engine.swaps == []
    assert await stage.app.store.call(Store.audit_search) == []


async def test_adapters_and_pairs_are_not_offered_to_who_moderates_one_channel(stage):
    """Nor by the list that opens while they type."""
    await stage.ask("Which wood?")
    await stage.world.moderator.click(stage.card, label=texts.APPROVE)
    kim, own = await keeper(stage)
    assert await kim.autocomplete(own, "pairs remove", "pair", "") == []
    assert await kim.autocomplete(own, "adapter use", "adapter", "") == []


async def test_manage_messages_in_a_channel_covers_the_replies_given_there(stage):
    """They judge these, in their queue and by the message's menu, and see no others."""
    elsewhere = await stage.ask("Which oil?")
    kim, own = await keeper(stage)
    answer = await stage.ask("Which wood?", channel=own)
    page = (await kim.slash(own, "review")).response
    assert page.embeds[0].title == words.queue_title(1, "newest")
    assert "Which wood?" in page.embeds[0].description
    await kim.click(page, label=texts.APPROVE)
    assert page.embeds[0].description == words.QUEUE_EMPTY
    assert await verdicts(stage, answer) == [("approve", "Kim", None)]
    refused = await kim.context_menu(stage.world.general, texts.APPROVE, elsewhere)
    assert refused.response.content == texts.not_moderator("Moderator")
    assert await verdicts(stage, elsewhere) == []


@pytest.mark.parametrize("form", ["nightshift:{act}:{id}", "nightshift:queue:newest:{act}:{id}"], ids=["card", "queue"])
@pytest.mark.parametrize("act", ["approve", "edit", "reject", "skip", "undo"])
async def test_a_reply_of_a_channel_out_of_sight_cannot_be_judged(stage, vault, act, form):
    """By neither a moderator of the server nor one of another channel, whatever button they come by."""
    reply = await stage.reply(vault.last_message)
    kim, own = await keeper(stage)
    view = discord.ui.View(timeout=None)
    view.add_item(discord.ui.Button(label="x", custom_id=form.format(act=act, id=reply.id)))
    for who in (kim, stage.world.moderator):
        await stage.app.client.get_channel(own.id).send("forged", view=view)
        result = await who.click(own.last_message, label="x")
        assert WHISPER not in everything(result)
        assert result.modal is None
    assert await stage.app.store.call(Store.reviews, reply.id) == []


async def test_moderators_are_shown_nothing_of_a_channel_they_cannot_read(stage, vault):
    """Not in the queue, not by searching, exporting or removing, and not in the quarantine."""
    mo = stage.world.moderator
    reply = await stage.reply(vault.last_message)
    call = stage.app.store.call
    assert WHISPER not in everything(await mo.slash(stage.world.general, "review"))
    await call(Store.set_consent, stage.ada.id, True)
    await call(Store.add_review, reply.id, "approve", reviewer="Al", reviewer_id=5)
    assert everything(await mo.slash(stage.world.general, "pairs search", text="safe")).count(words.NO_PAIRS) == 1
    assert await mo.autocomplete(stage.world.general, "pairs remove", "pair", "") == []
    gone = await mo.slash(stage.world.general, "pairs remove", pair=str(reply.id))
    assert gone.response.content == words.PAIR_GONE
    assert words.EXPORT_EMPTY in everything(await mo.slash(stage.world.general, "pairs export"))
    run = await call(Store.start_run, "schedule", "2026-11-23", 1, {})
    await call(Store.quarantine, run.id, [(reply.id, "It is short.")])
    page = (await mo.slash(stage.world.general, "pairs quarantine")).response
    assert page.embeds[0].description == words.QUARANTINE_EMPTY


async def test_an_import_of_the_server_is_still_shown_to_its_moderators(stage):
    """It stands in no channel."""
    pairs = [NewPair((Turn("user", "Which oil?"),), "Linseed.")]
    await stage.app.store.call(lambda store: store.import_pairs(pairs, "Al", guild_id=stage.world.guild.id, by=5))
    page = (await stage.world.moderator.slash(stage.world.general, "pairs quarantine")).response
    assert "Which oil?" in page.embeds[0].description


async def test_a_private_channel_gets_no_card_where_others_would_read_it(stage, vault):
    """Nobody who sees the review channel is shown what they cannot read."""
    assert stage.world.review.history() == []
    assert vault.last_message.content.startswith("You said")


@pytest.mark.parametrize("how", ["role", "member"])
async def test_a_private_channel_that_all_reviewers_read_has_its_cards(stage, how):
    """By their role, or each by name."""
    everyone = stage.world.guild.default_role
    guild = stage.app.client.get_guild(stage.world.guild.id)
    target = next(one for one in guild.roles if one.name == "Moderator")
    if how == "member":
        review = stage.world.guild.create_text_channel(
            "moderators", overwrites={everyone: HIDDEN, stage.world.moderator: SEEN, **me(stage)}
        )
        await stage.env.settle()
        stage.app.client.guild_settings._values.setdefault((guild.id, 0), {})["review_channel"] = review.id
        overwrites = {everyone: HIDDEN, stage.ada: SEEN, stage.world.moderator: SEEN, **me(stage)}
    else:
        review = stage.world.review
        overwrites = {everyone: HIDDEN, stage.ada: SEEN, target: SEEN, **me(stage)}
    channel = stage.world.guild.create_text_channel("den", overwrites=overwrites)
    await stage.env.settle()
    await stage.ask("Which wood?", channel=channel)
    assert "Which wood?" in review.last_message.embeds[0].description


@pytest.mark.parametrize("kind", ["a member let in", "a role let in", "a member kept out", "a role kept out"])
async def test_one_reader_too_many_is_enough_to_withhold_a_card(stage, kind):
    """Let into the review channel, or kept out of the other one."""
    guild, everyone = stage.world.guild, stage.world.guild.default_role
    moderators = next(one for one in stage.app.client.get_guild(guild.id).roles if one.name == "Moderator")
    helpers = guild.create_role("Helper")
    guild.add_member(stage.env.create_user("hal", global_name="Hal"), roles=[helpers])
    review = {everyone: HIDDEN, moderators: SEEN, **me(stage)}
    source = {everyone: HIDDEN, moderators: SEEN, stage.ada: SEEN, **me(stage)}
    if kind == "a member let in":
        review[stage.ben] = SEEN
    elif kind == "a role let in":
        review[helpers] = SEEN
    elif kind == "a member kept out":
        source[stage.world.moderator] = HIDDEN
    else:
        review[helpers] = SEEN
        source = {helpers: HIDDEN}
    moderators = guild.create_text_channel("moderators", overwrites=review)
    channel = guild.create_text_channel("den", overwrites=source)
    await stage.env.settle()
    stage.app.client.guild_settings._values.setdefault((guild.id, 0), {})["review_channel"] = moderators.id
    await stage.ask("Which wood?", channel=channel)
    assert moderators.history() == []
    await stage.ask("Which oil?")
    assert len(moderators.history()) == 1


async def test_a_private_thread_gets_no_card_and_is_in_no_queue_of_others(stage):
    """Its members alone read it."""
    guild = stage.app.client.get_guild(stage.world.guild.id)
    parent = guild.get_channel(stage.world.general.id)
    thread = await parent.create_thread(name="whispers", type=discord.ChannelType.private_thread)
    await thread.add_user(discord.Object(stage.ada.id))
    await stage.env.settle()
    (handle,) = stage.world.general.threads
    await stage.ada.send(handle, f"{stage.me} {WHISPER}")
    assert handle.last_message.content.startswith("You said")
    assert stage.world.review.history() == []
    assert WHISPER not in everything(await stage.world.moderator.slash(stage.world.general, "review"))
    await thread.add_user(discord.Object(stage.world.moderator.id))
    assert WHISPER in everything(await stage.world.moderator.slash(stage.world.general, "review"))


async def test_an_archived_thread_is_read_by_who_reads_its_channel(stage):
    """The client does not know it any more; the store remembers whose it was."""
    guild = stage.app.client.get_guild(stage.world.guild.id)
    parent = guild.get_channel(stage.world.general.id)
    await parent.create_thread(name="glue", type=discord.ChannelType.public_thread)
    (thread,) = stage.world.general.threads
    await stage.ada.send(thread, f"{stage.me} It never dries")
    guild._threads.clear()
    assert "never dries" in everything(await stage.world.moderator.slash(stage.world.general, "review"))


async def test_the_morning_report_asks_nothing_from_a_channel_that_its_readers_cannot_read(open_stage, stage, vault):
    """Held-out questions go where the cards go."""
    secret = (await stage.reply(vault.last_message)).id
    public = (await stage.reply(await stage.ask("Which wood?"))).id
    await a_night(open_stage, stage, replies=(secret, public))
    shown = [one.embeds[0].description for one in stage.world.review.history() if one.embeds[0].title]
    assert any("Held-out question 1?" in one for one in shown)
    assert not any("Held-out question 0?" in one for one in shown)


async def test_hold_says_where_the_drafts_of_a_private_channel_wait(stage):
    """In the queue of who reads it, without cards."""
    kim = stage.world.guild.add_member(stage.env.create_user("kim", global_name="Kim"))
    overwrites = {stage.world.guild.default_role: HIDDEN, kim: KEEPS, stage.ada: SEEN, **me(stage)}
    channel = stage.world.guild.create_text_channel("den", overwrites=overwrites)
    await stage.env.settle()
    result = await kim.slash(channel, "hold", on=True)
    assert result.response.content == words.HOLD_ON_UNSEEN
    await stage.ask("Which wood?", channel=channel)
    assert stage.world.review.history() == []
    page = (await kim.slash(channel, "review")).response
    assert words.HELD in page.embeds[0].title
    await kim.click(page, label=texts.APPROVE)
    assert channel.last_message.content == "You said: Which wood?"


async def test_the_places_of_a_server_are_found_without_reading_its_replies(stage):
    """As many steps as places."""
    general = stage.world.general.id
    await stage.ask("One?")
    await stage.ask("Two?")
    reply = NewReply(
        source="discord",
        conversation="c",
        turns=(Turn("user", "a"),),
        text="b",
        adapter=None,
        base_model="m",
        finish_reason="stop",
        guild_id=stage.world.guild.id,
        channel_id=7,
    )
    await stage.app.store.call(Store.add_reply, reply)
    assert await stage.app.store.call(Store.places, stage.world.guild.id) == [7, general]
