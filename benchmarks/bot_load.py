"""The bot under load: 50 members ask 500 questions in a simulated Discord, and what they and the gateway notice of it.

The real client, store, streaming and review cards run; only the model is replaced, by an engine that answers at a set
speed. Each member asks as soon as the answer to their last question stands, all of them at once at the start. SimCord
answers in this process, so its own work counts in every figure. Prints a table, and as the last line the same as JSON.

    make bench-bot
"""

from __future__ import annotations

import argparse
import asyncio
import json
import platform
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import discord

from bot.app import Nightshift
from bot.event_loop import settle_down
from bot.settings import load_settings
from bot.simulation.server import simulate, simulated
from model.chat import Message
from model.errors import QueueFull
from model.protocol import AdapterRef, Completion, EngineStats, Sampling, SwapReport
from storage.files.home import Home
from storage.origins import ORIGINS
from storage.store import Store

TARGET_S = 0.3  # first sign of life, 99th percentile
BLOCKED_S = 0.1  # longest that the gateway's loop may be held up
WORDS = 24


class TimedEngine:
    """Answers `slots` conversations at once, each word after its time; the others wait in a queue."""

    base_id = "timed-base"
    context_tokens = 2048
    adapter: str | None = None

    def __init__(self, *, slots: int, first_word_s: float, word_s: float, max_queue: int = 64) -> None:
        self.first_word_s, self.word_s = first_word_s, word_s
        self._slots = asyncio.Semaphore(slots)
        self._max = slots + max_queue
        self.busy = 0
        self.tasks: set[asyncio.Task[None]] = set()

    def submit(
        self,
        messages: Sequence[Message],
        sampling: Sampling | None = None,  # noqa: ARG002  (this engine draws nothing)
        *,
        channel: str = "",  # noqa: ARG002
    ) -> TimedGeneration:
        if self.busy >= self._max:
            raise QueueFull(self.busy)
        generation = TimedGeneration(messages[-1].content, self.adapter)
        self.busy += 1
        task = asyncio.create_task(self._answer(generation))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return generation

    async def _answer(self, generation: TimedGeneration) -> None:
        try:
            async with self._slots:
                generation.queue_position = 0
                await asyncio.sleep(self.first_word_s)
                for number in range(WORDS):
                    generation.pieces.put_nowait(f"{'' if number == 0 else ' '}word{number}")
                    await asyncio.sleep(self.word_s)
                generation.pieces.put_nowait(f" for {generation.question}")
        finally:
            self.busy -= 1
            generation.pieces.put_nowait(None)

    def count_tokens(self, messages: Sequence[Message]) -> int:
        return sum(len(message.content) // 4 for message in messages)

    def stats(self) -> EngineStats:
        return EngineStats(self.base_id, self.adapter, "timed", 0, self.busy, 0, 0.0, 0)

    async def swap(self, adapter: AdapterRef | None) -> SwapReport:
        self.adapter = adapter.id if adapter else None
        return SwapReport(self.adapter, 0.0, 0.0, 0.0)

    async def sleep(self) -> None: ...

    async def wake(self) -> None: ...

    async def close(self) -> None: ...


class TimedGeneration:
    """One answer of the timed engine."""

    def __init__(self, question: str, adapter: str | None) -> None:
        self.question = question
        self.queue_position = 1
        self.pieces: asyncio.Queue[str | None] = asyncio.Queue()
        self._adapter = adapter
        self._said = ""

    async def __aiter__(self) -> AsyncIterator[str]:
        while (piece := await self.pieces.get()) is not None:
            self._said += piece
            yield piece

    async def wait(self) -> Completion:
        return Completion(self._said, "stop", self._adapter, 1, WORDS, 0.0, 0.0)

    def cancel(self) -> None:
        self.pieces.put_nowait(None)


class Watch(list[Any]):
    """The simulated Discord's log of requests; tells what each means to the members."""

    def __init__(self) -> None:
        super().__init__()
        self.typing_at: dict[int, float] = {}  # by channel, while it shows there
        self.answers: Counter[int] = Counter()  # messages that reply to a question, by question
        self.asked: dict[int, tuple[int, float]] = {}  # channel and time, by question
        self.sign: dict[int, float] = {}  # seconds until the first sign of life, by question

    def append(self, entry: Any) -> None:
        super().append(entry)
        parts = entry.path.split("/")
        if entry.method != "POST" or parts[1] != "channels":
            return
        now, channel = time.perf_counter(), int(parts[2])
        if parts[3] == "typing":
            self.typing_at[channel] = now
        elif parts[3] == "messages":
            self.typing_at.pop(channel, None)  # a message ends the sign
            reference = int((entry.json.get("message_reference") or {}).get("message_id") or 0)
            self.answers[reference] += 1
        for question, (where, since) in self.asked.items():
            if where == channel and question not in self.sign and (parts[3] == "typing" or self.answers[question]):
                self.sign[question] = now - since

    def ask(self, question: int, channel: int) -> None:
        """A member's question stands in a channel."""
        now = time.perf_counter()
        self.asked[question] = channel, now
        if now - self.typing_at.get(channel, 0.0) < 9.0:  # Discord shows it for ten seconds
            self.sign[question] = 0.0


async def in_real_time(client: discord.Client) -> None:
    """Handle the client's messages in tasks of this one's: SimCord gives those it starts itself a clock of its own."""
    arrived: asyncio.Queue[discord.Message] = asyncio.Queue()
    handle = client.on_message  # type: ignore[attr-defined]

    async def on_message(message: discord.Message) -> None:
        arrived.put_nowait(message)

    client.on_message = on_message  # type: ignore[attr-defined]
    async with asyncio.TaskGroup() as tasks:
        while True:
            tasks.create_task(handle(await arrived.get()))


async def heartbeat(late: list[float], held: list[float]) -> None:
    """Every 10 ms: how much later than asked this loop woke up, and how long it was at work meanwhile, in seconds.

    On a machine that does other things too, only the second says what the bot (and SimCord with it) is to blame for.
    """
    while True:
        before, worked = time.perf_counter(), time.thread_time()
        await asyncio.sleep(0.01)
        late.append(time.perf_counter() - before - 0.01)
        held.append(time.thread_time() - worked)


async def member(
    backend: Any, watch: Watch, gateway: asyncio.Lock, user: int, channel: int, *, count: int
) -> list[float]:
    """Ask `count` questions, each when the answer before it stands complete; returns the seconds that each took."""
    me, seconds = backend.bot_user.id, []
    for number in range(count):
        began = time.perf_counter()
        words = f"question {number} of {user}"
        async with gateway:  # one event at a time, as from a socket
            asked = backend.create_message(channel, user, f"<@{me}> {words}").id
            watch.ask(asked, channel)
            await asyncio.sleep(0)
        while not any(  # noqa: ASYNC110  (nothing tells when Discord shows a message)
            one.author_id == me and one.reference and int(one.reference["message_id"]) == asked and words in one.content
            for one in list(backend.messages[channel].values())[-40:]
        ):
            await asyncio.sleep(0.02)
        seconds.append(time.perf_counter() - began)
    return seconds


async def measure(options: argparse.Namespace, home: Home) -> dict[str, Any]:
    """One run; returns its figures."""
    settings = simulated(load_settings(home))
    engine = TimedEngine(slots=options.slots, first_word_s=options.first_word, word_s=options.word)
    async with (
        Nightshift.open(home, settings, engine=engine) as app,
        simulate(app.client, settle_timeout=600.0) as world,
    ):
        answering = asyncio.create_task(in_real_time(app.client))
        backend = world.env.backend
        watch = backend.http_requests = Watch()
        people = [world.guild.add_member(world.env.create_user(f"m{n}")) for n in range(options.members)]
        rooms = [world.guild.create_text_channel(f"room-{n}") for n in range(options.members // 5)]
        direct = options.members // 3  # so many ask in direct messages, the others three to a channel
        places = [one.user.dm_channel.id if n < direct else rooms[n % len(rooms)].id for n, one in enumerate(people)]
        await world.env.settle()
        settle_down()  # as `nightshift run` does
        late: list[float] = []
        held: list[float] = []
        beating = asyncio.create_task(heartbeat(late, held))
        began = time.perf_counter()
        each = options.questions // options.members
        gateway = asyncio.Lock()
        asking = [
            member(backend, watch, gateway, one.id, place, count=each)
            for one, place in zip(people, places, strict=True)
        ]
        seconds = [one for times in await asyncio.gather(*asking) for one in times]
        took = time.perf_counter() - began
        beating.cancel()
        await asyncio.sleep(1)  # the last cards
        answering.cancel()
        stored = (await app.store.call(Store.counts, learn_from=ORIGINS)).pending
        return {
            "members": options.members,
            "questions": len(watch.asked),
            "seconds": took,
            "lost": sum(not watch.answers[one] for one in watch.asked),
            "duplicates": sum(watch.answers[one] > 1 for one in watch.asked),
            "stored": stored,
            "sign_p50_ms": percentile(list(watch.sign.values()), 50) * 1000,
            "sign_p99_ms": percentile(list(watch.sign.values()), 99) * 1000,
            "answer_p50_s": percentile(seconds, 50),
            "answer_p99_s": percentile(seconds, 99),
            "held_p50_ms": percentile(held, 50) * 1000,
            "held_p99_ms": percentile(held, 99) * 1000,
            "held_max_ms": max(held) * 1000,
            "late_p50_ms": percentile(late, 50) * 1000,
            "late_p99_ms": percentile(late, 99) * 1000,
            "late_max_ms": max(late) * 1000,
            "requests": len(watch),
        }


def percentile(values: list[float], percent: int) -> float:
    """By linear interpolation; 0 of nothing."""
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1] if len(values) > 1 else sum(values)


def main() -> int:
    """Print the figures; exit code 1 when something was lost, doubled or late."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--members", type=int, default=50)
    parser.add_argument("--questions", type=int, default=500)
    parser.add_argument("--slots", type=int, default=16, help="answers the engine writes at once")
    parser.add_argument("--first-word", type=float, default=0.2, help="seconds to an answer's first word")
    parser.add_argument("--word", type=float, default=0.03, help="seconds a word")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = asyncio.run(measure(options, Home(Path(folder)).ensure()))
    good = not figures["lost"] and not figures["duplicates"] and figures["stored"] == figures["questions"]
    good = good and figures["sign_p99_ms"] < TARGET_S * 1000 and figures["held_max_ms"] < BLOCKED_S * 1000
    figures |= {"ok": good, "python": platform.python_version(), "discord.py": discord.__version__}
    for name, value in figures.items():
        print(f"{name:>14}  {value:,.1f}" if isinstance(value, float) else f"{name:>14}  {value}")
    print(json.dumps({name: round(value, 3) if isinstance(value, float) else value for name, value in figures.items()}))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
