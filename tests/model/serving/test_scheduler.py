"""The scheduler alone: which request gets a row, which rows decode, and how a gap is closed. No model, no thread."""

from __future__ import annotations

import pytest

from model.errors import QueueFull
from model.protocol import Sampling
from model.serving.detokenize import TextStream
from model.serving.generation import Generation
from model.serving.row import Row
from model.serving.scheduler import Scheduler
from model.serving.throughput import Throughput
from tests.tiny import tiny_tokenizer

PROMPT = 3  # tokens


class NoQueue:
    """Nobody asks these generations for their place."""

    def position(self, generation: Generation) -> int:
        raise NotImplementedError

    notify = position


def request(channel: str = "") -> Generation:
    return Generation(NoQueue(), [1] * PROMPT, Sampling(), channel)


def start(scheduler: Scheduler, *, rows: int = 8, prefilled: int = PROMPT) -> Row:
    entry = scheduler.next_request(rows)
    assert entry is not None
    row = Row(entry.generation, TextStream(tiny_tokenizer()), None, 20, entry.submitted, prefilled=prefilled)
    scheduler.start(row)
    return row


@pytest.fixture
async def scheduler() -> Scheduler:
    """Four rows that decode, and a fifth whose prompt is being computed."""
    made = Scheduler(max_queue=8)
    for _ in range(5):
        made.submit(request(), 0.0)
    for _ in range(4):
        start(made)
    start(made, prefilled=1)
    return made


async def test_a_request_waits_for_a_free_row():
    """Two rows, three requests."""
    scheduler = Scheduler(max_queue=3)
    asked = [request() for _ in range(3)]
    for generation in asked:
        scheduler.submit(generation, 0.0)
    with pytest.raises(QueueFull):
        scheduler.submit(request(), 0.0)
    first, second = start(scheduler, rows=2), start(scheduler, rows=2)
    assert [first.generation, second.generation] == asked[:2]
    assert scheduler.next_request(2) is None
    assert [scheduler.position(generation) for generation in asked] == [0, 0, 1]
    scheduler.remove(first)
    assert start(scheduler, rows=2).generation is asked[2]


async def test_one_prompt_is_computed_at_a_time(scheduler):
    """Free rows stay free until the prompt is done."""
    scheduler.submit(request(), 0.0)
    assert scheduler.prefilling is scheduler.rows[4]
    assert scheduler.next_request(8) is None
    scheduler.rows[4].prefilled = PROMPT
    assert scheduler.prefilling is None
    assert scheduler.next_request(8) is not None


async def test_a_withdrawn_request_gets_no_row():
    """Cancelled while it waits; the next one moves up."""
    scheduler = Scheduler(max_queue=8)
    first, second = request(), request()
    scheduler.submit(first, 1.0)
    scheduler.submit(second, 2.0)
    withdrawn = scheduler.withdraw(first)
    assert withdrawn is not None
    assert withdrawn.submitted == 1.0
    assert scheduler.withdraw(first) is None
    assert (scheduler.position(first), scheduler.position(second), scheduler.queued) == (0, 1, 1)
    assert start(scheduler).generation is second


async def test_a_channel_that_is_answered_lets_another_go_first():
    """The quiet channel asked last and is next."""
    scheduler = Scheduler(max_queue=8)
    for channel in ("loud", "loud", "quiet"):
        scheduler.submit(request(channel), 0.0)
    assert [start(scheduler).generation.channel for _ in range(3)] == ["loud", "quiet", "loud"]


@pytest.mark.parametrize(
    ("ended", "moves", "left"),
    [
        (0, [(3, 0), (4, 3)], [3, 1, 2, 4]),
        (2, [(3, 2), (4, 3)], [0, 1, 3, 4]),
        (3, [(4, 3)], [0, 1, 2, 4]),
        (4, [], [0, 1, 2, 3]),
    ],
)
async def test_the_gap_of_an_ended_row_is_closed(scheduler, ended, moves, left):
    """By the last decoding row, and that gap by the row whose prompt is being computed: it stays last."""
    before = list(scheduler.rows)
    assert scheduler.moves(before[ended]) == moves
    scheduler.remove(before[ended])
    assert scheduler.rows == [before[index] for index in left]
    assert scheduler.decoding == [row for row in scheduler.rows if not row.prefilling]


async def test_the_gap_is_closed_by_one_move_when_every_row_decodes(scheduler):
    """The last row takes it."""
    scheduler.rows[4].prefilled = PROMPT
    assert scheduler.moves(scheduler.rows[1]) == [(4, 1)]


async def test_draining_takes_out_rows_and_queue(scheduler):
    """Nothing is left to answer."""
    scheduler.submit(waiting := request(), 0.0)
    rows, queue = scheduler.drain()
    assert len(rows) == 5
    assert [entry.generation for entry in queue] == [waiting]
    assert (scheduler.rows, scheduler.queued, scheduler.position(waiting)) == ([], 0, 0)


async def test_a_row_counts_its_tokens_and_ends_at_its_limit():
    """Confidence is the mean probability of the tokens; a stop token ends the answer without text."""
    row = Row(request(), TextStream(tiny_tokenizer()), "a", 2, 0.0, prefilled=PROMPT)
    assert row.accept(9, 0.5, {7})[1] is None
    assert row.accept(9, 0.75, {7})[1] == "length"
    assert row.completion("length").confidence == 0.625
    assert row.completion("length").completion_tokens == 2
    assert row.accept(7, 1.0, {7}) == ("", "stop")


def test_throughput_forgets_what_is_older_than_its_window():
    """Thirty tokens within ten seconds are three a second, and none a while later."""
    now = [100.0]
    throughput = Throughput(lambda: now[0])
    throughput.add(10)
    now[0] += 5
    throughput.add(20)
    assert throughput.per_second() == 3.0
    now[0] += 6
    assert throughput.per_second() == 2.0
    now[0] += 60
    assert throughput.per_second() == 0.0
