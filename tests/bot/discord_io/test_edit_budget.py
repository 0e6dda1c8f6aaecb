"""How often the bot edits in one channel: bot/discord_io/edit_budget.py and the streams that share it."""

from __future__ import annotations

import asyncio

from bot.discord_io.edit_budget import EditBudget, EditBudgets
from bot.discord_io.streaming import MessageStream


class Clock:
    """Time that passes only when told."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_five_edits_at_once_and_then_one_a_second():
    """The budget is spent, then each edit waits for its own second."""
    edit_budget = EditBudget(clock=Clock())
    assert [edit_budget.take() for _ in range(7)] == [0, 0, 0, 0, 0, 1, 2]


def test_an_edit_that_can_be_left_out_leaves_one_for_a_last_one():
    """Growing answers do not delay finished ones."""
    edit_budget = EditBudget(clock=Clock())
    for _ in range(4):
        assert edit_budget.has_spare
        edit_budget.take()
    assert not edit_budget.has_spare
    assert edit_budget.take() == 0


def test_the_budget_fills_again():
    """After five quiet seconds it is as new."""
    clock = Clock()
    edit_budget = EditBudget(clock=clock)
    for _ in range(5):
        edit_budget.take()
    assert not edit_budget.full
    clock.now += 5
    assert edit_budget.full


def test_each_channel_has_its_own_budget():
    """A busy channel slows no other."""
    edit_budgets = EditBudgets(clock=Clock())
    for _ in range(5):
        edit_budgets.of(1).take()
    assert not edit_budgets.of(1).has_spare
    assert edit_budgets.of(2).has_spare


class Post:
    def __init__(self, content: str, log: list[float], clock: Clock) -> None:
        self.content, self._log, self._clock = content, log, clock

    async def edit(self, *, content: str) -> None:
        self.content = content
        self._log.append(self._clock())


async def test_answers_in_one_channel_share_its_edits_and_all_get_their_last():
    """Eight answers grow at once: no five seconds see more than ten edits, and every text is complete in the end."""
    clock, log, posts = Clock(), [], []
    edit_budget = EditBudget(clock=clock)

    async def send(content: str, _first: Post | None) -> Post:
        posts.append(Post(content, log, clock))
        return posts[-1]

    async def sleep(seconds: float) -> None:
        until = clock.now + seconds
        while clock.now < until:  # noqa: ASYNC110  (a clock that is told the time has nobody to tell)
            await asyncio.sleep(0)

    async def write(number: int) -> None:
        stream = MessageStream(send, interval=1.0, edit_budget=edit_budget, clock=clock, sleep=sleep)
        for words in range(1, 20):
            await stream.update(f"{number} " * words)
            await sleep(0.3)
        await stream.finish(f"{number} done")

    async def tick() -> None:
        while True:
            await asyncio.sleep(0)
            clock.now += 0.05

    ticking = asyncio.ensure_future(tick())
    await asyncio.gather(*map(write, range(8)))
    ticking.cancel()
    assert sorted(post.content for post in posts) == [f"{number} done" for number in range(8)]
    assert max(sum(start <= at < start + 5 for at in log) for start in log) <= 10
