"""A bot under steady use for half an hour, without faults: does it hold on to memory, files or tasks? `make soak`.

Members ask, wait for their answer and ask again; a moderator judges; members are forgotten; sixty times, spread over
the run, another adapter is promoted. The process is measured from outside meanwhile. What breaks a bound ends the
program with exit code 1, and so does everything that `oracle.py` finds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from storage.files.adapter_directory import AdapterDirectory
from storage.run_records import Adapter
from storage.store import Store
from tests.bot.loopback import BOT, GENERAL, Loopback, loopback, until
from tests.torture.bot import SETTINGS
from tests.torture.command import ended, folder_of
from tests.torture.machine import Machine
from tests.torture.program import answer_to

__all__ = ["Bounds", "Sample", "Soak", "broken", "soak"]

_NIGHTS = 60
_EVERY_S = 2.0
_ANSWER_S = 30.0
_MEMBERS, _MODERATOR = (2, 4), 3


@dataclass(frozen=True)
class Sample:
    """The bot at one moment: resident memory and write-ahead log in bytes, open files, threads, asyncio tasks."""

    seconds: float
    memory: int
    files: int
    threads: int
    tasks: int
    wal: int


@dataclass(frozen=True)
class Bounds:
    """How much more there may be at the end than after the warm-up; the log's size is never more than `wal` bytes."""

    memory: float = 0.02
    files: int = 3
    threads: int = 2
    tasks: int = 5
    wal: int = 32_000_000


def broken(samples: Sequence[Sample], bounds: Bounds, warm_s: float) -> list[str]:
    """Which bounds do not hold, each as a sentence: the last tenth is compared with the first after the warm-up."""
    warm = [one for one in samples if one.seconds >= warm_s]
    if len(warm) < 10:
        return [f"only {len(warm)} measurements after the warm-up: it has to run longer"]
    part = max(3, len(warm) // 10)

    def more(name: str) -> tuple[float, float]:
        first, last = ([getattr(one, name) for one in some] for some in (warm[:part], warm[-part:]))
        return statistics.median(first), statistics.median(last)

    found = []
    before, after = more("memory")
    if after > before * (1 + bounds.memory):
        found.append(f"memory grew from {before / 1e6:.1f} to {after / 1e6:.1f} MB ({after / before - 1:+.1%})")
    for name in ("files", "threads", "tasks"):
        before, after = more(name)
        if after > before + getattr(bounds, name):
            found.append(f"{name} grew from {before:.0f} to {after:.0f}")
    if (most := max(one.wal for one in samples)) > bounds.wal:
        found.append(f"the write-ahead log grew to {most / 1e6:.1f} MB")
    return found


class Soak(Machine):
    """A bot, its Discord and the people on it, who are patient: nobody asks before they have their answer."""

    def __init__(self, folder: Path, place: Loopback, seed: int) -> None:
        super().__init__(folder, place, seed)
        self.home.config.write_text(SETTINGS.replace("[discord]", "[discord]\npoll_seconds = 0.5"), encoding="utf-8")
        self.answered: set[str] = set()
        self.missing: list[str] = []
        self.samples: list[Sample] = []
        self._since = time.monotonic()

    async def run(self, seconds: float) -> None:
        """Let everybody do what they do for so long."""
        await self.bot.start()
        self._since, end = time.monotonic(), time.monotonic() + seconds
        async with asyncio.TaskGroup() as people:
            for who in (*_MEMBERS, _MODERATOR):
                people.create_task(self._member(who, end))
            people.create_task(self._moderator(end))
            people.create_task(self._nights(end, seconds / _NIGHTS))
            people.create_task(self._measure(end))

    async def _member(self, who: int, end: float) -> None:
        while time.monotonic() < end:
            self._words += 1
            word = f"word{self._words}z"
            self.oracle.asked[word] = who
            self.done["asked"] += 1
            seen = len(self.place.messages[GENERAL])
            await self.place.say(f"<@{BOT}> tell me {word}", who=who)
            await self._until_answered(word, seen)
            if who in _MEMBERS and self.random.random() < 0.01:
                await self._forget(who)
            await asyncio.sleep(self.random.random() * 0.2)

    async def _until_answered(self, word: str, seen: int) -> None:
        wanted = answer_to(word)

        def there() -> bool:
            # A forgetting makes no message go; what is new stands at the end.
            newest = list(self.place.messages[GENERAL].values())[max(0, seen - 20) :]
            return any(one["content"].startswith(wanted) for one in newest)

        try:
            await until(there, _ANSWER_S)
            self.answered.add(word)
        except TimeoutError:
            self.missing.append(word)

    async def _forget(self, who: int) -> None:
        words = {word for word in self.answered if self.oracle.asked[word] == who}
        used = await self.place.command("privacy", "forget", who=who)
        await self._answered(used)
        if not used.custom_ids:
            return
        confirmed = await self.place.press(used.custom_ids[0], channel=GENERAL, message=used.messages[-1], who=who)
        await self._answered(confirmed)
        if any("deleted" in text.lower() for text in confirmed.said):
            self.oracle.forgotten |= words
            self.done["forgettings acknowledged"] += 1

    async def _moderator(self, end: float) -> None:
        while time.monotonic() < end:
            await self._judge()
            await asyncio.sleep(0.3)

    async def _nights(self, end: float, every_s: float) -> None:
        directory = AdapterDirectory(self.home.adapters)
        while time.monotonic() + every_s < end:
            await asyncio.sleep(every_s)
            self.done["promoted"] += 1
            await asyncio.to_thread(self._promote, directory, f"night-{self.done['promoted']}")

    def _promote(self, directory: AdapterDirectory, name: str) -> None:
        with tempfile.TemporaryDirectory() as made, Store.open(self.home.db) as store:
            Path(made, "adapter_config.json").write_text("{}", encoding="utf-8")
            Path(made, "adapter_model.safetensors").write_bytes(name.encode() * 10_000)
            directory.publish(name, Path(made), {"base_model": "fake-base"})
            row = Adapter(name, None, "fake-base", datetime.now(UTC).isoformat(), directory.manifest(name))
            store.add_adapter(row)
            store.promote(name, kind="gate", actor="soak", reason="{}")

    async def _measure(self, end: float) -> None:
        while time.monotonic() < end:
            await asyncio.sleep(_EVERY_S)
            self.bot.signal(signal.SIGUSR1)  # it says how many tasks it has (program.py)
            self.samples.append(await asyncio.to_thread(self._sample))

    def _sample(self) -> Sample:
        process = Path("/proc", str(self.bot.pid))
        status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines() if ":" in line)
        wal = self.home.db.with_name(self.home.db.name + "-wal")
        tasks = self.home.root.parent / "tasks.txt"
        return Sample(
            seconds=time.monotonic() - self._since,
            memory=int(status["VmRSS"].split()[0]) * 1024,
            files=len(list((process / "fd").iterdir())),
            threads=int(status["Threads"]),
            tasks=int(tasks.read_text() or 0) if tasks.exists() else 0,
            wal=wal.stat().st_size if wal.exists() else 0,
        )

    def swaps(self) -> int:
        """How many promotions the bot put to use."""
        return self.bot.said().count("answers from now on")


async def soak(folder: Path, *, seed: int, minutes: float, bounds: Bounds, monkeypatch: Any) -> list[str]:
    """Run it; returns what is wrong. The first third is the warm-up, in which Discord's and SQLite's caches fill."""
    monkeypatch.setenv("TORTURE_TASKS", str(folder / "tasks.txt"))
    async with loopback(monkeypatch) as place:
        machine = Soak(folder, place, seed)
        try:
            await machine.run(minutes * 60)
            print("looking at everything", flush=True)  # noqa: T201
            found = await machine.check()
        finally:
            await machine.bot.kill()
    # A second look: an answer that came late is no lost one.
    said = place.said()
    found += [f"{word} was not answered" for word in machine.missing if answer_to(word) not in said]
    if machine.swaps() < machine.done["promoted"] - 1:
        found.append(f"{machine.done['promoted']} adapters were promoted, {machine.swaps()} answered")
    found += broken(machine.samples, bounds, warm_s=minutes * 20)
    _report(machine, folder)
    return found


def _report(machine: Soak, folder: Path) -> None:
    first, last = machine.samples[len(machine.samples) // 3], machine.samples[-1]
    (folder / "samples.json").write_text(json.dumps([vars(one) for one in machine.samples]), encoding="utf-8")
    print(f"{dict(machine.done)}, {len(machine.answered)} answered, {machine.swaps()} swaps")  # noqa: T201
    for name in ("memory", "files", "threads", "tasks", "wal"):
        most = max(getattr(one, name) for one in machine.samples)
        print(f"{name}: {getattr(first, name):,} after the warm-up, {getattr(last, name):,} at the end, most {most:,}")  # noqa: T201


def main() -> int:
    """The program behind `make soak`."""
    import pytest

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--memory", type=float, default=0.02, help="how much it may grow after the warm-up")
    parser.add_argument("--folder", type=Path, default=None, help="where home, log and measurements are kept")
    given = parser.parse_args()
    folder = folder_of(given.folder, "soak")
    print(f"seed {given.seed}, {given.minutes:g} minutes, in {folder}", flush=True)  # noqa: T201
    with pytest.MonkeyPatch.context() as monkeypatch:
        bounds = Bounds(memory=given.memory)
        found = asyncio.run(
            soak(folder, seed=given.seed, minutes=given.minutes, bounds=bounds, monkeypatch=monkeypatch)
        )
    return ended(found, "every bound holds")


if __name__ == "__main__":
    sys.exit(main())
