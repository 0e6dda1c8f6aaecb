"""/pairs undo-moderator: what a moderator decided since a time is taken back, and put back by a button."""

from __future__ import annotations

from datetime import UTC, datetime

import discord
import pytest

from bot.i18n.en import texts
from bot.i18n.en import undoings as words
from tests.bot.pairs.test_commands import approved

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.fixture
def boss(stage):
    """Somebody who may manage the server, and moderates it."""
    permissions = discord.Permissions(manage_guild=True, manage_messages=True)
    role = stage.world.guild.create_role("Boss", permissions=permissions)
    return stage.world.guild.add_member(stage.env.create_user("boss", global_name="Boss"), roles=[role])


async def undo(stage, boss, since="1h", **options):
    """What the command answers."""
    result = await boss.slash(
        stage.world.general, "pairs undo-moderator", moderator=stage.world.moderator, since=since, **options
    )
    answer = (result.followups or [result.response])[-1]
    assert answer.ephemeral
    return answer


async def test_a_moderator_s_verdicts_are_taken_back_and_put_back(stage, boss):
    """The cards show it, the pairs are gone and come back, and both are in the audit."""
    await approved(stage, "Is oak hard?", "Is pine soft?")
    answer = await undo(stage, boss)
    assert answer.content == words.undone("Mo", 2, 0, 0)
    assert await stage.app.store.call(lambda store: list(store.pairs())) == []
    assert stage.card.embeds[0].title != texts.verdict_line("approve", "Mo")
    await boss.click(answer, label=words.PUT_BACK)
    assert len(await stage.app.store.call(lambda store: list(store.pairs()))) == 2
    assert stage.card.embeds[0].title == texts.verdict_line("approve", "Mo")
    log = await stage.app.store.call(lambda store: store.audit_search(guild_id=stage.world.guild.id))
    assert [(one.actor, one.action) for one in log] == [
        ("Boss", "pairs.redo_moderator"),
        ("Boss", "pairs.undo_moderator"),
    ]


async def test_only_administrators_take_back_what_others_decided(stage, boss):
    """A moderator who went wrong would use it first."""
    await approved(stage, "Is oak hard?")
    assert texts.NOT_ADMINISTRATOR in (await undo(stage, stage.world.moderator)).content
    assert len(await stage.app.store.call(lambda store: list(store.pairs()))) == 1


async def test_nothing_to_take_back_and_a_time_that_is_none_are_said(stage, boss):
    """In a sentence, with examples of times."""
    assert words.NOTHING in (await undo(stage, boss)).content
    assert words.BAD_SINCE in (await undo(stage, boss, since="soon")).content
