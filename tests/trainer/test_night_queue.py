"""The night's queue: who trains first, what fits, and what is left for the next night."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from storage.async_store import AsyncStore
from storage.news import ServerNews
from storage.store import Store
from trainer.night_queue import Planned, begin, next_run, nights, plan, work_through

FOUR = datetime(2026, 11, 25, 4, tzinfo=UTC)


def order(*news, **how):
    return [one.guild_id for one in plan(news, min_pairs=50, min_new=5, **how)]


def test_most_news_a_minute_train_first():
    """Not the most news: a large server may take the time of ten small ones."""
    large = ServerNews(1, 9000, 100, minutes=200)
    small = ServerNews(2, 60, 10, minutes=2)
    middle = ServerNews(3, 900, 50, minutes=25)
    assert order(large, small, middle) == [2, 3, 1]


def test_servers_without_enough_do_not_train():
    """Too few pairs, or too few of them new; but withdrawn words are news."""
    few, stale = ServerNews(1, 49, 49), ServerNews(2, 500, 4)
    withdrawn = ServerNews(3, 500, 0, withdrawn=True)
    assert order(few, stale, withdrawn) == [3]
    assert plan([ServerNews(1, 50, 0)], min_pairs=50, min_new=0) == ()


def test_what_was_left_goes_first_and_what_has_run_does_not_run_again():
    """In the order of the night before."""
    news = [ServerNews(n, 100, 10 * n, minutes=10) for n in (1, 2, 3, 4)]
    assert order(*news) == [4, 3, 2, 1]
    assert order(*news, first=[1, 2]) == [1, 2, 4, 3]
    assert order(*news, first=[1, 2], without={1, 4}) == [2, 3]
    assert order(*news, first=[9]) == [4, 3, 2, 1]


def test_a_server_that_never_trained_takes_as_long_as_its_pairs_took_elsewhere():
    """So that the night is not promised to a run that nobody has an idea of."""
    known, unknown = ServerNews(1, 100, 10, minutes=20), ServerNews(2, 300, 300)
    assert {one.guild_id: one.minutes for one in plan([known, unknown], min_pairs=1, min_new=1)} == {1: 20, 2: 60}


def test_a_run_begins_only_if_it_ends_in_time_but_the_first_always_does():
    """Otherwise a run longer than a night would never begin."""
    left = [Planned(1, 90), Planned(2, 20)]
    assert next_run(left, 60, begun=False) == left[0]
    assert next_run(left, 60, begun=True) == left[1]
    assert next_run(left, 10, begun=True) is None
    assert next_run(left, 0, begun=False) is None
    assert next_run([], 60, begun=False) is None


class Nights:
    """Nights on a store, with a clock that training moves on."""

    def __init__(self, path, minutes):
        self.path, self.minutes, self.clock, self.trained = path, minutes, FOUR, []
        self.fail_at = self.replaced_at = None

    def night(self, date, hours=1.0):
        self.clock = FOUR + timedelta(days=int(date[-2:]) - 25)
        return asyncio.run(self._night(date, hours))

    async def _night(self, date, hours):
        news = [ServerNews(guild, 100, 10, minutes=took) for guild, took in self.minutes.items()]

        def planned(**how):
            return plan(news, min_pairs=1, min_new=1, **how)

        async with await AsyncStore.open(self.path) as store:
            night = await store.call(begin, date, self.clock, planned)
            night = await work_through(
                store, night, hours, lambda guild: self._train(store, guild, date), self._now, may=self._may
            )
            return [one.guild_id for one in night.left]

    def _now(self):
        return self.clock

    async def _may(self):
        return self.trained[-1] != self.replaced_at

    async def _train(self, store, guild, date):
        if guild == self.fail_at:
            raise RuntimeError("the machine went down")
        run = await store.call(Store.start_run, "schedule", date, 1, {}, guild_id=guild)
        await store.call(Store.finish_run, run.id, "kept", "")
        self.clock += timedelta(minutes=self.minutes[guild])
        self.trained.append(guild)


def test_a_night_that_is_too_short_goes_on_with_the_next(tmp_path):
    """Every server has its turn before one has its second."""
    place = Nights(tmp_path / "n.db", {1: 25, 2: 26, 3: 27, 4: 28})
    assert place.night("2026-11-25") == [3, 4]
    assert place.trained == [1, 2]
    assert place.night("2026-11-26") == [1, 2]
    assert place.trained == [1, 2, 3, 4]
    with Store.open(place.path) as store:
        assert nights(store) == ["2026-11-26"]


def test_a_night_that_was_stopped_goes_on_where_it_was(tmp_path):
    """Until then it is no night that is over; what trained does not train again."""
    place = Nights(tmp_path / "n.db", {1: 5, 2: 6, 3: 7})
    place.night("2026-11-24")
    place.trained.clear()
    place.fail_at = 2
    with pytest.raises(RuntimeError):
        place.night("2026-11-25")
    with Store.open(place.path) as store:
        assert nights(store) == ["2026-11-24"]
    place.fail_at = None
    assert place.night("2026-11-25") == []
    assert place.trained == [1, 2, 3]
    with Store.open(place.path) as store:
        assert nights(store) == ["2026-11-25"]


def test_a_process_that_was_replaced_in_a_run_leaves_the_queue_alone(tmp_path):
    """As one that stood still until another took the lease and went on: it trains nothing more and writes nothing."""
    place = Nights(tmp_path / "n.db", {1: 5, 2: 6, 3: 7})
    place.replaced_at = 2
    place.night("2026-11-25")
    assert place.trained == [1, 2]
    with Store.open(place.path) as store:
        assert nights(store) == []
    place.replaced_at = None
    assert place.night("2026-11-25") == []
    assert place.trained == [1, 2, 3]


def test_before_the_first_queue_the_nights_are_those_of_the_one_voice(tmp_path):
    """Servers may be given voices on any day."""
    with Store.open(tmp_path / "n.db") as store:
        run = store.start_run("schedule", "2026-11-24", 1, {})
        store.finish_run(run.id, "kept", "")
        assert nights(store) == ["2026-11-24"]
