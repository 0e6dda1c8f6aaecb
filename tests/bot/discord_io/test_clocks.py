"""A host's clock that is wrong makes the bot neither deaf nor forgetful.

The real client on a Discord of this machine's own, whose clock is another.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from bot.chat.rate_limits import QuotaUsed, RateLimits
from bot.discord_io.discord_clock import DiscordClock
from bot.privacy.retention import apply_retention
from bot.server.guild_settings import GuildSettings
from storage.async_store import AsyncStore
from storage.reply_records import NewReply, Turn
from storage.store import Store
from tests.bot.loopback import BOT, until


@pytest.mark.parametrize(
    "ahead", [timedelta(seconds=90), timedelta(minutes=5), timedelta(days=400), timedelta(days=-400)]
)
async def test_a_host_whose_clock_is_wrong_answers_at_once(online, place, ahead):
    """Messages are told apart by their ids; no time on them is compared with the host's."""
    place.behind = ahead
    async with online(place):
        await place.say(f"<@{BOT}> Which wood?")
        await until(lambda: place.said() == ["You said: Which wood?"])


def a_reply(asker=1):
    return NewReply(
        source="discord",
        conversation="discord:1:1",
        turns=(Turn("user", "Hello?", author_id=asker),),
        text="Hello.",
        adapter=None,
        base_model="base",
        guild_id=5,
        asker_id=asker,
        message_id=500,
    )


@pytest.mark.parametrize("ahead", [0, 400, -400])
async def test_a_clock_that_is_wrong_lets_nothing_go(home, monkeypatch, ahead):
    """What was stored a moment ago is not old, whatever the host says when it starts."""

    class Wrong(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) + timedelta(days=ahead)

    monkeypatch.setattr("bot.discord_io.discord_clock.datetime", Wrong)
    clock = DiscordClock()
    clock.heard(format_datetime(datetime.now(UTC), usegmt=True))
    async with await AsyncStore.open(home.db) as store:
        number = await store.call(Store.add_reply, a_reply())
        await apply_retention(store, 30, clock.now())
        assert (await store.call(Store.reply, number)).text == "Hello."


def test_until_discord_has_said_it_the_hosts_time_holds():
    """And what is no date is passed over."""
    clock = DiscordClock()
    clock.heard("yesterday")
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(seconds=5)


async def test_the_running_bot_learns_discords_time(online, place):
    """From the answers to its own requests."""
    async with online(place) as app:
        assert app.client._clock._told is not None


async def test_answers_dated_in_the_future_do_not_use_up_todays_quota(home):
    """They were stored while the clock was ahead; else nobody would be answered until that date."""
    async with await AsyncStore.open(home.db) as store:
        await store.call(Store.add_reply, a_reply())
        await store.call(
            lambda held: held._db.execute("update replies set created_at = '2999-01-01T00:00:00.000+00:00'") and None
        )
        rate_limits = RateLimits(store)
        await rate_limits.admit(5, 1, (), GuildSettings(daily_quota=1))
        await store.call(Store.add_reply, a_reply())
        with pytest.raises(QuotaUsed):
            await rate_limits.admit(5, 1, (), GuildSettings(daily_quota=1))
