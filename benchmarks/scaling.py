"""A thousand servers with a voice each on one engine, simulated: waits, voices that are not in memory, nights that fit.

    .venv/bin/python -m benchmarks.scaling [--servers 1000] [--messages 100000] [--voices 64] [--load 0.53]

Nothing is computed by a model: an engine's clock moves by what its steps, prompts and adapters took where they were
measured (docs/lab/performance.md). The queue is the engine's own, and so is the order of the nights. The figures of
a seed are the same every time.
"""

from __future__ import annotations

import argparse
import random
from bisect import bisect_left
from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import quantiles

from benchmarks.scaling_nights import nights
from benchmarks.scaling_traffic import Traffic, arrivals
from model.errors import QueueFull
from model.serving.queue import FairQueue

__all__ = ["Figures", "Machine", "serve"]


@dataclass(frozen=True)
class Machine:
    """One engine.

    Attributes:
        rows: replies at once.
        voices: adapters in memory.
        queue: requests that may wait; one more is refused.
        load_s: reading an adapter from the disk to the device, beside the replies.
        prompt_s: reading one prompt, during which no step is made.
        rates: (replies at once, tokens/s of all of them), measured.
        mixed: speed of rows with an adapter each, as a share of rows with the same.
    """

    rows: int = 32
    voices: int = 64
    queue: int = 64
    load_s: float = 0.53
    prompt_s: float = 0.025
    rates: tuple[tuple[int, float], ...] = ((1, 325.0), (8, 1828.0), (32, 3109.0))
    mixed: float = 0.93

    def step_s(self, rows: int) -> float:
        """Seconds of one step: between two measured numbers of rows, in a straight line."""
        steps = [(count, count / rate) for count, rate in self.rates]
        at = bisect_left(steps, (rows, 0.0))
        if at == 0 or at == len(steps):
            return steps[min(at, len(steps) - 1)][1] / self.mixed
        (low, before), (high, after) = steps[at - 1], steps[at]
        return (before + (after - before) * (rows - low) / (high - low)) / self.mixed


@dataclass
class Figures:
    """What came of it; waits are seconds from the question to the first token."""

    waits: list[float] = field(default_factory=list)
    misses: int = 0
    refused: int = 0
    tokens: int = 0
    seconds: float = 0.0
    busy_s: float = 0.0


class _Bank:
    """Voices in memory: the one used longest ago goes first, but none that is answering. One is loaded at a time."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._rows: OrderedDict[int, int] = OrderedDict()
        self._missing: OrderedDict[int, deque[float]] = OrderedDict()
        self._loading: tuple[int, float] | None = None
        self.ready: deque[tuple[int, float]] = deque()

    def begin(self, server: int) -> bool:
        """Begin a reply with a server's voice; False where it is not in memory."""
        if server not in self._rows:
            return False
        self._rows[server] += 1
        self._rows.move_to_end(server)
        return True

    def end(self, server: int) -> None:
        """Its reply ended."""
        self._rows[server] -= 1

    def miss(self, server: int, asked: float) -> bool:
        """Wait for a voice; whether nobody waited for it before."""
        first = server not in self._missing
        self._missing.setdefault(server, deque()).append(asked)
        return first

    def turn(self, now: float) -> None:
        """Take what was loaded by now, and load the next."""
        if self._loading is not None and self._loading[1] <= now:
            server = self._loading[0]
            self._rows[server], self._loading = 0, None
            self.ready.extend((server, asked) for asked in self._missing.pop(server))
        if self._loading is None and self._missing and self._room():
            self._loading = next(iter(self._missing)), now + self._machine.load_s

    @property
    def until(self) -> float:
        """When the voice that is being loaded is there."""
        return self._loading[1] if self._loading else float("inf")

    def _room(self) -> bool:
        if len(self._rows) < self._machine.voices:
            return True
        waiting = {server for server, _ in self.ready}
        idle = next((one for one, rows in self._rows.items() if not rows and one not in waiting), None)
        if idle is None:
            return False
        del self._rows[idle]
        return True


def serve(traffic: Traffic, machine: Machine, seconds: float) -> Figures:
    """Answer the questions of so many seconds of the busiest hour."""
    draw, asked = random.Random(traffic.seed + 1), deque(arrivals(traffic, seconds))
    queue: FairQueue[tuple[int, float]] = FairQueue(machine.queue)
    bank, found, now = _Bank(machine), Figures(), 0.0
    rows: list[list[int]] = []  # tokens to come, server
    while asked or rows or len(queue) or bank.ready or bank.until < float("inf"):
        while asked and asked[0][0] <= now:
            _push(queue, asked.popleft(), found)
        bank.turn(now)
        while len(rows) < machine.rows and (taken := _next(queue, bank, rows, found)) is not None:
            now += machine.prompt_s
            found.busy_s += machine.prompt_s
            found.waits.append(now - taken[1])
            rows.append([max(1, round(draw.expovariate(1 / traffic.answer_tokens))), taken[0]])
        bank.turn(now)  # for those that turned out to miss their voice
        now = _step(rows, bank, machine, found, now) if rows else _skip(asked, bank, now)
    found.seconds = now
    return found


def _push(queue: FairQueue[tuple[int, float]], one: tuple[float, int], found: Figures) -> None:
    at, server = one
    try:
        queue.push(str(server), (server, at))
    except QueueFull:
        found.refused += 1


def _next(
    queue: FairQueue[tuple[int, float]], bank: _Bank, rows: Sequence[Sequence[int]], found: Figures
) -> tuple[int, float] | None:
    """The next question whose voice is in memory: (server, when it was asked)."""
    if bank.ready:
        server, at = bank.ready.popleft()
        bank.begin(server)
        return server, at
    while (one := queue.pop([str(server) for _, server in rows])) is not None:
        if bank.begin(one[0]):
            return one
        found.misses += bank.miss(*one)
    return None


def _step(rows: list[list[int]], bank: _Bank, machine: Machine, found: Figures, now: float) -> float:
    """One token for every reply."""
    step = machine.step_s(len(rows))
    found.tokens += len(rows)
    found.busy_s += step
    for row in rows:
        row[0] -= 1
        if not row[0]:
            bank.end(row[1])
    rows[:] = [row for row in rows if row[0]]
    return now + step


def _skip(asked: deque[tuple[float, int]], bank: _Bank, now: float) -> float:
    """To the next thing that happens."""
    return max(now, min(bank.until, asked[0][0] if asked else float("inf")))


def main() -> None:
    """Print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--servers", type=int, default=1000)
    parser.add_argument(
        "--messages", type=int, nargs="+", default=[100_000, 500_000, 1_000_000], help="in a day, of all"
    )
    parser.add_argument("--voices", type=int, nargs="+", default=[8, 64, 256], help="adapters in memory")
    parser.add_argument("--load", type=float, default=0.53, help="seconds to bring a voice into memory")
    parser.add_argument("--minutes", type=float, default=20.0, help="of the busiest hour")
    parser.add_argument("--hours", type=float, default=6.0, help="of a night")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print("| messages a day | voices in memory | wait p50 / p99 | misses | refused | tokens/s | busy |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for messages in options.messages:
        traffic = Traffic(options.servers, messages, seed=options.seed)
        for voices in options.voices:
            print(
                _line(
                    messages, voices, serve(traffic, Machine(voices=voices, load_s=options.load), options.minutes * 60)
                )
            )
    print("\n| messages a day | runs due, night 30 | runs made | longest wait, nights |\n| --- | --- | --- | --- |")
    for messages in options.messages:
        last = nights(Traffic(options.servers, messages), hours=options.hours, count=30)[-1]
        print(f"| {messages:,} | {last.due} | {last.made} | {last.longest_wait} |")


def _line(messages: int, voices: int, found: Figures) -> str:
    cuts, asked = quantiles(found.waits, n=100), len(found.waits) + found.refused
    waits = f"{cuts[49]:.2f} / {cuts[98]:.2f} s"
    rest = f"{found.tokens / found.seconds:,.0f} | {found.busy_s / found.seconds:.0%}"
    return f"| {messages:,} | {voices} | {waits} | {found.misses / asked:.1%} | {found.refused / asked:.1%} | {rest} |"


if __name__ == "__main__":
    main()
