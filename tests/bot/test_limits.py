"""How much one member may ask: cooldown, daily quota by role, and many at once."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from bot import texts
from bot.guild_settings import Actor
from model.errors import QueueFull

MO = Actor(1, "Mo")


async def limit(stage, **values):
    await stage.app.client.book.change(MO, stage.world.guild.id, 0, values)


async def test_a_member_who_asks_again_too_soon_is_asked_to_wait(stage):
    """With the time left; others are answered, and so are they afterwards."""
    await limit(stage, member_cooldown=30.0)
    await stage.ask("One?")
    await stage.env.advance_time(10)
    refused = await stage.ask("Two?")
    assert refused.content == texts.NOTICE + texts.too_soon(20)
    assert (await stage.ask("Three?", who=stage.ben)).content.startswith("You said")
    await stage.env.advance_time(20)
    assert (await stage.ask("Four?")).content.startswith("You said")
    assert len(stage.engine.seen) == 3


async def test_ask_keeps_to_the_cooldown_too(stage):
    """And says so to the asker alone."""
    await limit(stage, member_cooldown=30.0)
    await stage.ask("One?")
    result = await stage.ada.slash(stage.world.general, "ask", question="Two?")
    assert result.ephemeral
    assert result.response.content == texts.too_soon(30)


async def test_a_member_has_so_many_answers_a_day(stage):
    """Then a sentence says when there are more; a refusal counts for nothing."""
    await limit(stage, daily_quota=2)
    await stage.ask("One?")
    await stage.ask("Two?")
    refused = await stage.ask("Three?")
    assert "2 answers" in refused.content
    assert "<t:" in refused.content
    assert len(stage.engine.seen) == 2
    assert (await stage.ask("Four?", who=stage.ben)).content.startswith("You said")


async def test_the_next_day_begins_with_a_full_quota(stage):
    """By the store's answers of that day."""
    await limit(stage, daily_quota=1)
    await stage.ask("One?")
    stage.app.client.answering.patience._today = lambda: datetime(2999, 1, 1, 12, tzinfo=UTC)
    assert (await stage.ask("Two?")).content.startswith("You said")


async def test_a_restart_forgives_no_quota(stage):
    """Answers are counted in the store."""
    await limit(stage, daily_quota=1)
    await stage.ask("One?")
    await stage.env.restart_bot(stage.app.new_client())
    assert "answers from me" in (await stage.ask("Two?")).content


async def test_a_role_has_its_own_quota(stage):
    """The most generous of a member's roles holds; 0 is no limit."""
    few, none = stage.world.guild.create_role("few"), stage.world.guild.create_role("patron")
    await limit(stage, daily_quota=1, role_quotas={str(few.id): 2, str(none.id): 0})
    people = {
        name: stage.world.guild.add_member(stage.env.create_user(name), roles=roles)
        for name, roles in {"fay": [few], "pat": [few, none]}.items()
    }
    for name, answers in (("fay", 2), ("pat", 3)):
        for _ in range(3):
            await stage.ask("More?", who=people[name])
        mine = [one for one in stage.engine.seen if one]
        assert len(mine) == answers
        stage.engine.seen.clear()


async def test_what_nobody_asked_for_is_refused_in_silence(stage):
    """In a channel that answers everything, a member who talks a lot is not lectured."""
    await limit(stage, member_cooldown=30.0, talk="always")
    await stage.ada.send(stage.world.general, "One")
    await stage.ada.send(stage.world.general, "Two")
    assert len(stage.world.general.history()) == 3


@pytest.mark.parametrize("room", [50, 20])
async def test_fifty_members_at_once_each_get_an_answer_or_a_polite_refusal(open_stage, room):
    """Nobody is left without a word, and nobody gets two."""
    async with open_stage(settle_timeout=60.0) as stage:
        stage.engine.max_queue = room
        people = [stage.world.guild.add_member(stage.env.create_user(f"member{n}")) for n in range(50)]
        backend = stage.env.backend
        for number, one in enumerate(people):
            backend.create_message(stage.world.general.id, one.id, f"{stage.me} question {number}")
        await stage.env.settle()
        said = [one for one in stage.world.general.history() if one.author.id == stage.app.client.user.id]
        asked = {one.id: one for one in stage.world.general.history() if one.author.id != stage.app.client.user.id}
        assert sorted(one.reference.message_id for one in said) == sorted(asked)
        refused = [one for one in said if one.content == texts.BUSY]
        assert len(said) - len(refused) >= min(room, 50)
        assert all("question" in one.content for one in said if one not in refused)


async def test_a_full_queue_is_refused_at_once_by_ask_too(stage):
    """With the same sentence."""
    stage.engine.refuse = QueueFull(64)
    await stage.ada.slash(stage.world.general, "ask", question="Me too?")
    assert texts.BUSY in stage.world.general.last_message.content
