"""Random faults on a real bot, while people ask, judge and withdraw. Seeded, resumable: `make torture`.

A round is a few acts of people and one fault in the middle of them. After some rounds the bot is left in peace, stopped
and looked at (`oracle.py`), then all goes on from where it was. What was found ends the program with exit code 1.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from storage.files.home import Home
from tests.bot.loopback import BOT, GENERAL, REVIEW, Fault, Loopback, loopback
from tests.torture.bot import SETTINGS, BotProcess
from tests.torture.command import ended, folder_of
from tests.torture.oracle import Oracle

__all__ = ["Machine", "torture"]

_PEOPLE, _MODERATOR = (2, 4), 3
_PEACE_S = 3.0  # without any change on Discord until a bot counts as done
_MENDED_S = 90.0  # what could not be shown is tried again every 15 s at first, then less often


class Machine:
    """One bot, its Discord, the people on it, and what goes wrong."""

    def __init__(self, folder: Path, place: Loopback, seed: int) -> None:
        self.folder, self.place, self.random = folder, place, random.Random(seed)
        self.home = Home(folder / "home").ensure()
        self.home.config.write_text(SETTINGS, encoding="utf-8")
        self.bot = BotProcess(self.home, place, folder / "log.txt")
        self.oracle = Oracle()
        self.done: Counter[str] = Counter()
        self._words = 0

    async def round(self) -> None:
        """A few acts, a fault among them, and a few more."""
        if not self.bot.running:
            await self.bot.start()
        await self._people()
        fault = self.random.choice(list(FAULTS))
        self.done[fault] += 1
        await FAULTS[fault](self)
        await self._people()

    async def check(self) -> list[str]:
        """Leave the bot in peace, look at Discord, stop it, look at the home; returns what is wrong."""
        self.place.faults.clear()
        self.place.storm = None
        if not self.bot.running:
            await self.bot.start()
        await self.place.connected(60)
        found = await self._complaints_that_stay()
        if (code := await self.bot.stop()) not in (0, 130):
            found.append(f"a bot that was asked to end gave exit code {code}")
        return found + self.oracle.stored_complaints(self.home)

    async def _complaints_that_stay(self) -> list[str]:
        """What is wrong on Discord when nothing changes any more, after as long as the bot may take to mend it."""
        before, since, end = "", time.monotonic(), time.monotonic() + _MENDED_S
        while True:
            now = json.dumps([self.place.messages[channel] for channel in (GENERAL, REVIEW)], default=str)
            if now != before:
                before, since = now, time.monotonic()
            if time.monotonic() - since > _PEACE_S:
                found = self.oracle.complaints(self.place)
                if not found or time.monotonic() > end:
                    return found
            await asyncio.sleep(0.1)

    async def _people(self) -> None:
        for _ in range(self.random.randint(1, 3)):
            if not self.bot.running:
                return
            act = self.random.choices((self._ask, self._judge, self._withdraw), (6, 4, 0.4))[0]
            try:
                await act()
            except (ConnectionError, RuntimeError, AssertionError):  # the gateway is away at this moment
                await asyncio.sleep(0.2)
            await asyncio.sleep(self.random.random() * 0.5)

    async def _ask(self) -> None:
        self._words += 1
        word, who = f"word{self._words}z", self.random.choice(_PEOPLE)
        self.oracle.asked[word] = who
        self.done["asked"] += 1
        await self.place.say(f"<@{BOT}> tell me {word}", who=who)

    async def _judge(self) -> None:
        cards = [one for one in self.place.messages[REVIEW].values() if _buttons(one)]
        if not cards:
            return
        card = self.random.choice(cards)
        act, _, reply = self.random.choice(_buttons(card)).removeprefix("nightshift:").partition(":")
        used = await self.place.press(
            f"nightshift:{act}:{reply}", channel=REVIEW, message=int(card["id"]), who=_MODERATOR
        )
        await self._answered(used)
        if used.answered.is_set() and used.message is not None and _shows(used.said, act):
            self.oracle.verdicts.setdefault(int(reply), []).append(act)
            self.done["verdicts acknowledged"] += 1

    async def _withdraw(self) -> None:
        who = self.random.choice(_PEOPLE)
        words = {word for word, asker in self.oracle.asked.items() if asker == who}
        used = await self.place.command("privacy", "forget", who=who)
        await self._answered(used)
        if not used.custom_ids:
            return
        confirmed = await self.place.press(used.custom_ids[0], channel=GENERAL, message=used.messages[-1], who=who)
        await self._answered(confirmed)
        if any("deleted" in text.lower() for text in confirmed.said):
            # What is asked afterwards is new; what is being answered at this moment may be either.
            self.oracle.forgotten |= {word for word in words if self._settled(word)}
            self.done["forgettings acknowledged"] += 1

    def _settled(self, word: str) -> bool:
        return any(text.split()[:1] == [word] and text.count(word) > 11 for text in self.place.said())

    async def _answered(self, used: Any) -> None:
        end = time.monotonic() + 4
        while not used.said and time.monotonic() < end and self.bot.running:  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.05)

    # --- what goes wrong ---

    async def kill(self) -> None:
        await asyncio.sleep(self.random.random())
        await self.bot.kill()

    async def term(self) -> None:
        await self.bot.stop()

    async def pause(self) -> None:
        self.bot.signal(signal.SIGSTOP)
        await asyncio.sleep(self.random.uniform(0.5, 4))
        self.bot.signal(signal.SIGCONT)

    async def full_disk(self) -> None:
        with self.bot.full_disk():
            await self._people()
            await asyncio.sleep(self.random.uniform(0.2, 2))

    async def locked(self) -> None:
        with self.bot.locked_database():
            await self._people()
            await asyncio.sleep(self.random.choice((0.5, 3, 11)))

    async def storm(self) -> None:
        self.place.storm = self.random.choice((0, 500, 502, 503))
        await self._people()
        await asyncio.sleep(self.random.uniform(0.5, 4))
        self.place.storm = None

    async def http_faults(self) -> None:
        for _ in range(self.random.randint(1, 6)):
            self.place.faults.append(
                Fault(
                    self.random.choice(("POST", "PATCH", "GET")),
                    self.random.choice(("/messages", "")),
                    self.random.choice((0, 500, 502, 503)),
                    carried_out=self.random.random() < 0.5,
                )
            )
        await self._people()

    async def gateway(self) -> None:
        await self.place.lose(tell_again=self.random.randint(0, 3))

    async def new_session(self) -> None:
        self.place.forgotten = True
        await self.place.lose()

    def save(self, file: Path) -> None:
        """Keep what is needed to go on in another process."""
        state = {
            "messages": {str(channel): list(all_.values()) for channel, all_ in self.place.messages.items()},
            "asked": self.oracle.asked,
            "verdicts": {str(reply): verdicts for reply, verdicts in self.oracle.verdicts.items()},
            "forgotten": sorted(self.oracle.forgotten),
            "done": dict(self.done),
            "words": self._words,
            "random": self.random.getstate(),
        }
        file.write_text(json.dumps(state), encoding="utf-8")

    def load(self, file: Path) -> None:
        """Go on from what `save` kept."""
        state = json.loads(file.read_text(encoding="utf-8"))
        for channel, messages in state["messages"].items():
            self.place.messages[int(channel)] = {int(one["id"]): one for one in messages}
        verdicts = {int(reply): given for reply, given in state["verdicts"].items()}
        self.oracle = Oracle(state["asked"], verdicts, set(state["forgotten"]))
        self.done, self._words = Counter(state["done"]), state["words"]
        version, numbers, gauss = state["random"]
        self.random.setstate((version, tuple(numbers), gauss))


FAULTS: dict[str, Callable[[Machine], Awaitable[None]]] = {
    "kill -9": Machine.kill,
    "SIGTERM": Machine.term,
    "SIGSTOP": Machine.pause,
    "full disk": Machine.full_disk,
    "locked database": Machine.locked,
    "Discord away": Machine.storm,
    "requests that fail": Machine.http_faults,
    "gateway lost": Machine.gateway,
    "session lost": Machine.new_session,
}


def _buttons(card: dict[str, Any]) -> list[str]:
    items = [item for row in card.get("components") or [] for item in row.get("components", ())]
    names = [item.get("custom_id", "") for item in items]
    return [
        name for name in names if name.startswith(("nightshift:approve:", "nightshift:reject:", "nightshift:undo:"))
    ]


def _shows(said: list[str], act: str) -> bool:
    """Whether a moderator reads that a verdict is recorded."""
    sign = {"approve": "pproved", "reject": "ejected", "undo": "aiting"}[act]
    return any(sign in text for text in said)


async def torture(
    folder: Path, *, seed: int, faults: int, every: int, monkeypatch: Any, minutes: float = 1e9
) -> list[str]:
    """Make `faults` faults, checking after each `every`; returns what is wrong after the first check that finds it."""
    state, end = folder / "state.json", time.monotonic() + minutes * 60
    async with loopback(monkeypatch) as place:
        machine = Machine(folder, place, seed)
        if state.exists():
            machine.load(state)
        try:
            while sum(machine.done[name] for name in FAULTS) < faults and time.monotonic() < end:
                for _ in range(every):
                    await machine.round()
                found = await machine.check()
                print(f"{sum(machine.done[name] for name in FAULTS)} faults: {dict(machine.done)}", flush=True)  # noqa: T201
                if found:
                    machine.save(folder / "failed.json")
                    return found
                machine.save(state)
        finally:
            await machine.bot.kill()
    return []


def main() -> int:
    """The program behind `make torture`."""
    import pytest

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--faults", type=int, default=300, help="how many faults in all")
    parser.add_argument("--every", type=int, default=10, help="faults between two checks")
    parser.add_argument("--minutes", type=float, default=1e9, help="end after this time; start again to go on")
    parser.add_argument("--folder", type=Path, default=None, help="where home, log and state are kept, to go on")
    given = parser.parse_args()
    folder = folder_of(given.folder, "torture")
    print(f"seed {given.seed}, in {folder}", flush=True)  # noqa: T201
    with pytest.MonkeyPatch.context() as monkeypatch:
        options = {"seed": given.seed, "faults": given.faults, "every": given.every, "minutes": given.minutes}
        found = asyncio.run(torture(folder, monkeypatch=monkeypatch, **options))
    return ended(found, "everything acknowledged is there")


if __name__ == "__main__":
    sys.exit(main())
