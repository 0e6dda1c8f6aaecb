"""Beyond a single verdict: skipping, reasons, taking back, two moderators at once, reactions."""

from __future__ import annotations

import discord
import pytest

from bot.i18n.en import moderation as words
from bot.i18n.en import texts, waiting
from storage.origins import ORIGINS
from storage.store import Store
from tests.bot.review.test_service import labels, verdicts


def second_moderator(stage):
    """Sam, with the same role as Mo."""
    sam = stage.world.guild.add_member(stage.env.create_user("sam", global_name="Sam"))
    members = stage.env.backend.get_guild(stage.world.guild.id).members
    members[sam.id].role_ids.extend(members[stage.world.moderator.id].role_ids)
    return sam


async def test_skip_folds_the_card_and_the_reply_waits_on(stage):
    """A card can be put aside; it says by whom, keeps its buttons, and no verdict is stored."""
    answer = await stage.ask("Hello?")
    await stage.world.moderator.click(stage.card, label=words.SKIP)
    assert stage.card.embeds[0].title == words.skipped("Mo")
    assert labels(stage.card)[:3] == ["Approve", "Edit", "Reject"]
    assert await verdicts(stage, answer) == []
    assert (await stage.app.store.call(Store.counts, learn_from=ORIGINS)).pending == 1


async def test_undo_on_a_card_makes_the_reply_wait_again(stage):
    """A verdict can be taken back: the card opens again, the counts follow, the record keeps all."""
    answer = await stage.ask("Hello?")
    await stage.world.moderator.click(stage.card, label="Approve")
    await stage.world.moderator.click(stage.card, label=words.UNDO)
    assert stage.card.embeds[0].title == texts.PENDING
    assert labels(stage.card)[0] == "Approve"
    assert [one[0] for one in await verdicts(stage, answer)] == ["approve", "undo"]
    assert (await stage.app.store.call(Store.counts, learn_from=ORIGINS)).pending == 1


async def test_a_rejection_may_be_given_a_reason(stage):
    """Reject counts at once; a private menu then asks why, and the card shows it."""
    answer = await stage.ask("Hello?")
    result = await stage.world.moderator.click(stage.card, label="Reject")
    (menu,) = result.followups
    assert menu.ephemeral
    assert [one["value"] for one in menu.components[0]["components"][0]["options"]] == [
        "wrong",
        "rude",
        "off-topic",
        "unsafe",
        "other",
    ]
    await stage.world.moderator.select(menu, ["off-topic"])
    reply = await stage.reply(answer)
    assert (await stage.app.store.call(Store.latest_review, reply.id)).reason == "off-topic"
    assert stage.card.embeds[0].title == words.ruling("reject", "Mo", "off-topic")


async def test_a_reason_comes_too_late_for_a_reply_approved_meanwhile(stage):
    """The menu of a rejection that no longer stands changes nothing."""
    answer = await stage.ask("Hello?")
    result = await stage.world.moderator.click(stage.card, label="Reject")
    await stage.world.moderator.context_menu(stage.world.general, "Approve", answer)
    late = await stage.world.moderator.select(result.followups[0], ["rude"])
    assert late.response.content == words.NOT_REJECTED
    assert [one[0] for one in await verdicts(stage, answer)] == ["reject", "approve"]


async def test_two_moderators_at_once_are_both_told_and_the_later_verdict_stands(stage):
    """Mo approves while Sam has the form open: Sam's edit stands, both hear of it privately, both are kept."""
    answer = await stage.ask("Hello?")
    sam = second_moderator(stage)
    form = await sam.context_menu(stage.world.general, "Edit", answer)
    mo = await stage.world.moderator.click(stage.card, label="Approve")
    result = await sam.submit_modal(form, {"answer": "Good day."})
    reply = await stage.reply(answer)
    assert words.overruling("Mo", "approve") in result.response.content
    assert [one.content for one in mo.followups] == [words.overruled("Sam", "edit", "approve", reply.id)]
    assert all(one.ephemeral for one in mo.followups)
    assert await verdicts(stage, answer) == [("approve", "Mo", None), ("edit", "Sam", "Good day.")]
    assert stage.card.embeds[0].title == texts.verdict_line("edit", "Sam")


async def test_a_host_whose_clock_is_ahead_tells_moderators_in_private_too(stage, monkeypatch):
    """Whether an interaction is still good is Discord's to say, not the host's clock."""
    monkeypatch.setattr(discord.Interaction, "is_expired", lambda _: True)
    answer = await stage.ask("Hello?")
    mo = await stage.world.moderator.click(stage.card, label="Approve")
    await second_moderator(stage).context_menu(stage.world.general, "Reject", answer)
    reply = await stage.reply(answer)
    assert [one.content for one in mo.followups] == [words.overruled("Sam", "reject", "approve", reply.id)]


async def test_a_moderator_who_cannot_be_told_in_private_is_told_in_the_review_channel(stage):
    """After a restart nobody's interaction is remembered; the review channel says what changed."""
    answer = await stage.ask("Hello?")
    sam = second_moderator(stage)
    await stage.world.moderator.click(stage.card, label="Approve")
    await stage.env.restart_bot(stage.app.new_client())
    await sam.context_menu(stage.world.general, "Reject", answer)
    reply = await stage.reply(answer)
    told = stage.world.review.last_message.embeds[0].description
    assert told == f"Mo: {words.overruled('Sam', 'reject', 'approve', reply.id)}"


async def test_agreeing_disturbs_nobody(stage):
    """The same verdict twice is told to no one."""
    answer = await stage.ask("Hello?")
    sam = second_moderator(stage)
    mo = await stage.world.moderator.click(stage.card, label="Approve")
    result = await sam.context_menu(stage.world.general, "Approve", answer)
    assert result.response.content == waiting.recorded("approve", ["consent"])
    assert mo.followups == []


@pytest.mark.parametrize(("emoji", "verdict"), [("\u2705", "approve"), ("\u274c", "reject")])
async def test_a_moderator_s_reaction_is_a_verdict_where_set(open_stage, emoji, verdict):
    """With review_by_reaction, a check mark approves and a cross rejects; taking it away undoes."""
    async with open_stage(discord={"review_by_reaction": True}) as stage:
        answer = await stage.ask("Hello?")
        await stage.world.moderator.react(answer, emoji)
        assert await verdicts(stage, answer) == [(verdict, "Mo", None)]
        assert stage.card.embeds[0].title == texts.verdict_line(verdict, "Mo")
        await stage.world.moderator.unreact(answer, emoji)
        assert [one[0] for one in await verdicts(stage, answer)] == [verdict, "undo"]


async def test_other_reactions_are_no_verdicts(open_stage):
    """Neither a member's check mark nor a moderator's heart counts."""
    async with open_stage(discord={"review_by_reaction": True}) as stage:
        answer = await stage.ask("Hello?")
        await stage.ada.react(answer, "\u2705")
        await stage.world.moderator.react(answer, "\u2764\ufe0f")
        assert await verdicts(stage, answer) == []


async def test_without_the_setting_reactions_are_only_reactions(stage):
    """By default nothing is asked of Discord about reactions, and nothing counted."""
    answer = await stage.ask("Hello?")
    await stage.world.moderator.react(answer, "\u2705")
    assert await verdicts(stage, answer) == []


async def test_reactions_and_reasons_go_on_after_a_restart(open_stage):
    """Neither the message nor the menu is remembered by the process."""
    async with open_stage(discord={"review_by_reaction": True}) as stage:
        first = await stage.ask("One?")
        rejected = await stage.world.moderator.click(stage.card, label=texts.REJECT)
        second = await stage.ask("Two?")
        await stage.env.restart_bot(stage.app.new_client())
        await stage.world.moderator.react(second, "\u2705")
        assert await verdicts(stage, second) == [("approve", "Mo", None)]
        await stage.world.moderator.select(rejected.followups[0], ["rude"])
        standing = await stage.app.store.call(Store.latest_review, (await stage.reply(first)).id)
        assert (standing.verdict, standing.reason) == ("reject", "rude")


async def test_an_edit_keeps_the_original_beside_it(stage):
    """The pair is the moderator's text; what was said stays, as the worse of the two."""
    stage.engine.say("Any wood will do.")
    answer = await stage.ask("Which wood?")
    form = await stage.world.moderator.click(stage.card, label=texts.EDIT)
    await stage.world.moderator.submit_modal(form, {"answer": "Oak."})
    reply = await stage.reply(answer)
    (pair,) = await stage.app.store.call(lambda store: list(store.pairs()))
    assert (reply.text, pair.completion, pair.edited) == ("Any wood will do.", "Oak.", True)
    assert stage.world.general.last_message.content == "Any wood will do."


async def test_who_moderates_no_longer_undoes_nothing_by_taking_a_reaction_away(open_stage):
    """The verdict was given with the power they had then, and stands; a held answer stays posted."""
    async with open_stage(discord={"review_by_reaction": True}) as stage:
        answer = await stage.ask("Hello?")
        await stage.world.moderator.react(answer, "\u2705")
        stage.env.backend.edit_member(stage.world.guild.id, stage.world.moderator.id, {"role_ids": []})
        await stage.env.settle()
        await stage.world.moderator.unreact(answer, "\u2705")
        assert [one[0] for one in await verdicts(stage, answer)] == ["approve"]


async def test_the_reaction_of_who_has_left_undoes_nothing(open_stage):
    """Nobody can be asked whether they moderate still."""
    async with open_stage(discord={"review_by_reaction": True}) as stage:
        answer = await stage.ask("Hello?")
        await stage.world.moderator.react(answer, "\u2705")
        stage.env.inject_error(
            "GET", f"/guilds/{stage.world.guild.id}/members/{stage.world.moderator.id}", status=404, code=10007
        )
        await stage.world.moderator.unreact(answer, "\u2705")
        assert [one[0] for one in await verdicts(stage, answer)] == ["approve"]


@pytest.mark.parametrize("emoji", ["\U0001f44d", "\U0001f44e", "\U0001f44d\U0001f3fd", "\u2714\ufe0f", "\u274e"])
async def test_thumbs_and_other_marks_are_no_verdicts(open_stage, emoji):
    """Only the check mark and the cross are, as the setting says."""
    async with open_stage(discord={"review_by_reaction": True}) as stage:
        answer = await stage.ask("Hello?")
        await stage.world.moderator.react(answer, emoji)
        assert await verdicts(stage, answer) == []
