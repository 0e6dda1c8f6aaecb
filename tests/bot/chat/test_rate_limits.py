"""How much one member may ask: cooldown, daily quota by role, and many at once."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import UTC, datetime

import pytest

from bot.chat.rate_limits import AT_ONCE, QuotaUsed, RateLimits, TooMany
from bot.i18n.en import texts
from bot.server.guild_settings import Actor, GuildSettings
from bot.settings import load_settings
from model.errors import QueueFull
from storage.async_store import AsyncStore
from tests.fake_engine import Endless

MO = Actor(1, "Mo")


async def limit(stage, **values):
    await stage.app.client.guild_settings.change(MO, stage.world.guild.id, 0, values)


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
    stage.app.client.answering.rate_limits._today = lambda: datetime(2999, 1, 1, 12, tzinfo=UTC)
    assert (await stage.ask("Two?")).content.startswith("You said")


async def test_a_restart_forgives_no_quota(stage):
    """Answers are counted in the store."""
    await limit(stage, daily_quota=1)
    await stage.ask("One?")
    await stage.env.restart_bot(stage.app.new_client())
    assert "1 answer per day" in (await stage.ask("Two?")).content


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


async def flood(stage, who, channel, count):
    """So many questions at once, none of which is answered yet."""
    stage.engine.open.clear()
    for number in range(count):
        stage.env.backend.create_message(channel.id, who.id, f"{stage.me} Question {number}?")
    await stage.env.settle()


def notices(channel):
    return [one for one in channel.history() if one.content.startswith(texts.NOTICE)]


async def test_one_person_s_flood_leaves_room_for_everybody_else(open_stage):
    """A few of theirs are answered, they are told once, and the next person is answered at once."""
    async with open_stage(settle_timeout=2.0) as stage:
        await flood(stage, stage.ada, stage.world.general, 100)
        assert len(stage.engine.seen) == AT_ONCE
        assert [one.content for one in notices(stage.world.general)] == [texts.NOTICE + texts.too_many(AT_ONCE)]
        await stage.ask("Which wood?", who=stage.ben)
        assert len(stage.engine.seen) == AT_ONCE + 1
        stage.engine.open.set()
        await stage.env.settle()


async def test_a_person_has_no_more_places_in_direct_messages(open_stage):
    """They are the same person everywhere."""
    async with open_stage(settle_timeout=2.0) as stage:
        stage.engine.open.clear()
        for number in range(AT_ONCE):
            await stage.ask(f"Question {number}?")
        await stage.ada.send_dm("One more?")
        assert len(stage.engine.seen) == AT_ONCE
        stage.engine.open.set()
        await stage.env.settle()


async def test_one_server_s_crowd_leaves_room_for_others(home):
    """Of 64 places it takes at most four fifths; another server still finds some."""
    async with await AsyncStore.open(home.db) as store:
        rate_limits = RateLimits(store, capacity=64)
        settings = GuildSettings()
        with ExitStack() as stack:
            for person in range(52):
                stack.enter_context(await rate_limits.admit(1, person, (), settings))
            with pytest.raises(TooMany, match="Too many questions"):
                await rate_limits.admit(1, 100, (), settings)
            for person in range(200, 208):
                stack.enter_context(await rate_limits.admit(2, person, (), settings))
            stack.enter_context(await rate_limits.admit(None, 300, (), settings))
        stack.close()
        await rate_limits.admit(1, 100, (), settings)


async def test_the_place_of_a_refused_question_is_free_again(home):
    """Whatever it was refused for."""
    async with await AsyncStore.open(home.db) as store:
        rate_limits = RateLimits(store, capacity=64)
        with await rate_limits.admit(1, 7, (), GuildSettings(daily_quota=1)):
            for _ in range(2 * AT_ONCE):
                with pytest.raises(QuotaUsed):
                    await rate_limits.admit(1, 7, (), GuildSettings(daily_quota=1))
        with await rate_limits.admit(1, 7, (), GuildSettings(daily_quota=1)):
            pass


async def test_whoever_goes_on_asking_is_told_once_a_minute(stage):
    """Not below each of their questions."""
    await limit(stage, daily_quota=1)
    for _ in range(5):
        await stage.ask("More?")
    assert len(notices(stage.world.general)) == 1
    await stage.env.advance_time(61)
    await stage.ask("More?")
    assert len(notices(stage.world.general)) == 2


async def test_going_on_is_no_new_answer(stage):
    """Neither the cooldown nor the day's quota concern it; another answer is one."""
    stage.engine.say(Endless("Oak is"), "hard.")
    await limit(stage, member_cooldown=30.0, daily_quota=1)
    answer = await stage.ask("Which wood?")
    await stage.ada.click(answer, label=texts.MORE)
    assert len(stage.engine.seen) == 2
    refused = await stage.ada.click(answer, label=texts.AGAIN)
    assert refused.response.content in {texts.too_soon(30), texts.too_soon(29)}
    assert len(stage.engine.seen) == 2


@pytest.mark.parametrize(("quota", "said"), [(1, "1 answer per day"), (2, "2 answers"), (1500, "1,500 answers")])
def test_a_used_quota_is_said_in_english(quota, said):
    """Also when it is one."""
    assert said in texts.quota_used(quota, 0)


def test_there_is_a_cooldown_by_default(home):
    """A short one, that a conversation does not meet."""
    assert 1 <= load_settings(home).discord.member_cooldown_seconds <= 5
