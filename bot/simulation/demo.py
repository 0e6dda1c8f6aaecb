"""`nightshift demo`: one whole night in a simulated Discord, unattended, with nothing pretended.

The real client, the real model, real training in its own process: members ask, a moderator judges with the real
buttons, the night comes, the better adapter is swapped in while a reply is in flight, and the same held-out questions
are asked again. State lives in `<home>/demo` and starts blank each time; only converted base models are shared.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from bot.app import Nightshift
from bot.settings import Settings
from bot.simulation.demo_report import Report
from bot.simulation.example_data import EXAMPLES, Example, load_examples, shared_signature
from bot.simulation.server import BOT_NAME, World, post, simulate, simulated, train_in_simulation
from storage.files.home import Home
from storage.files.pair_files import BadRow, read_pairs
from storage.pair_records import NewPair
from storage.store import Store
from trainer.result import RunResult

__all__ = ["run_demo"]

_EDITED, _APPROVED, _REJECTED = 5, 1, 2  # of the first examples, asked in the channel; the rest is imported
_FACT, _FACT_AGAIN = "When does the workshop close on Fridays?", "When will the workshop close on Friday?"
_FACT_ANSWER, _FACT_WORD = "The workshop closes at six on Fridays.", "six"
_ANSWER_TOKENS = 64
_IN_FLIGHT_TRIES, _IN_FLIGHT_PAUSE = 3000, 0.01  # seconds between looks for the reply in flight
_STEP_SECONDS = 1800.0  # one step may hold the whole training run


async def run_demo(home: Home, settings: Settings, console: Console | None = None) -> int:
    """Play the night; returns the exit code, 0 only if every stage worked. Writes `report.json` in the home."""
    console = console or Console()
    examples = load_examples("voice")
    report = Report(signature=shared_signature([example.reply for example in examples]))
    began = time.perf_counter()
    place = _blank_home(home)
    settings = _demo_settings(settings)
    console.rule("[bold]Nightshift demo")
    console.print(f"Loading {settings.model.base} in 4 bits (the first time it is converted, about half a minute) ...")
    night = _Night(place, console, report)
    async with (
        Nightshift.open(place, settings, train=night.train) as app,
        simulate(app.client, settle_timeout=_STEP_SECONDS) as world,
    ):
        night.enter(app, world)
        await night.play(examples, load_examples("held-out"))
    report.seconds = round(time.perf_counter() - began, 1)
    report.write(home.root / "report.json")
    report.show(console)
    console.print(f"{report.seconds:.0f} s in all. The report: {home.root / 'report.json'}")
    console.print(f"Talk to what it became:  nightshift --home {place.root} chat")
    return 0 if report.passed else 1


def _blank_home(home: Home) -> Home:
    root = home.root / "demo"
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    home.models.mkdir(parents=True, exist_ok=True)
    place = Home(root)
    place.models.symlink_to(home.models.resolve(), target_is_directory=True)
    return place.ensure()


def _demo_settings(settings: Settings) -> Settings:
    """Greedy and short, so that the two rounds of questions differ by the adapter alone."""
    generation = replace(settings.generation, temperature=0.0, repetition_penalty=1.0, max_new_tokens=_ANSWER_TOKENS)
    model = replace(settings.model, base="embedded")
    chosen = {"generation": generation, "model": model, "consent": "members", "persona": ""}
    place = simulated(settings.model_copy(update=chosen))
    # Each question stands alone: what was asked before it in the channel would be part of the prompt.
    return place.model_copy(update={"discord": replace(place.discord, context_messages=0)})


class _Night:
    """The story, stage by stage."""

    def __init__(self, home: Home, console: Console, report: Report) -> None:
        self._home, self._console, self._report = home, console, report
        self._result: RunResult | None = None
        self._in_flight: Any = None

    def enter(self, app: Nightshift, world: World) -> None:
        """Be in the server from now on."""
        self._app, self._world = app, world

    async def play(self, examples: Sequence[Example], held_out: Sequence[Example]) -> None:
        """All stages in order; the report says which worked."""
        report, checks = self._report, self._report.checks
        questions = [example.prompt for example in held_out]
        chatted = _EDITED + _APPROVED + _REJECTED
        self._say(f"Evening: members ask {len(questions)} questions that nobody will teach it the answers to")
        before = await self._ask_all(questions)
        self._say(f"Members opt in; {chatted} chats are judged by a moderator with the real buttons and forms")
        await self._opt_in()
        self._say("A moderator puts one more answer right; before any training, somebody asks the same in other words")
        await self._teach_a_fact()
        await self._review(examples[:chatted])
        imported, bad = await self._import(examples[chatted:])
        self._say(f"{imported} more pairs of the community's voice are imported")
        checks["every pair of the voice is taken in"] = bad == 0 and imported == len(examples) - chatted
        counts = (await self._app.status()).pairs
        checks["what was approved and edited may be learned from"] = counts.eligible == (
            imported + _EDITED + _APPROVED + 1
        )
        self._say(f"Night: QLoRA on {counts.eligible} approved pairs, in a process of its own")
        await self._world.moderator.slash(self._world.general, "train now")
        await self._world.env.settle()
        self._take_result()
        await self._take_in_flight()
        self._say("Morning: the same questions again")
        after = await self._ask_all(questions)
        report.judge(before, after, questions)
        checks["no reply failed"] = report.replies_failed == 0
        checks["nobody signed before, at least 8 in 10 replies are signed after"] = (
            report.signature_rate_before == 0 and report.signature_rate_after >= 0.8
        )

    async def train(
        self, home: Path, *, force: bool, trigger: str, local_date: str | None, server: int | None = None
    ) -> RunResult:
        """The real run; when it is over, a question is under way before the bot looks for the new adapter."""
        self._result = await train_in_simulation(
            home, force=force, trigger=trigger, local_date=local_date, server=server
        )
        if self._result.outcome == "promoted":
            asker = self._world.members[0]
            self._in_flight = post(self._world, asker, f"<@{self._bot_id}> Tell me a long story about the sea.")
            await asyncio.to_thread(self._until_answering)
        return self._result

    def _until_answering(self) -> None:
        """Wait in a thread: a task of the simulated bot that sleeps is woken only when nothing else is left to do."""
        for _ in range(_IN_FLIGHT_TRIES):
            if self._app.engine.stats().active:
                return
            time.sleep(_IN_FLIGHT_PAUSE)

    @property
    def _bot_id(self) -> int:
        user = self._app.client.user
        return user.id if user else 0

    def _say(self, line: str) -> None:
        self._console.print(f"[bold blue]*[/] {line}")

    async def _ask_all(self, questions: Sequence[str]) -> list[str | None]:
        members = self._world.members
        return [await self._ask(members[number % len(members)], text) for number, text in enumerate(questions)]

    async def _ask(self, member: Any, question: str) -> str | None:
        """Ask in #general; the answer that was stored, or None when it failed."""
        message = await member.send(self._world.general, f"<@{self._bot_id}> {question}")
        return await self._answer_to(message.id)

    async def _answer_to(self, question_id: int) -> str | None:
        self._report.replies_total += 1
        for message in reversed(self._world.general.history()):
            if message.reference is not None and message.reference.message_id == question_id:
                reply = await self._app.store.call(Store.reply_by_message, message.id)
                if reply is not None:
                    return reply.text
        self._report.replies_failed += 1
        return None

    async def _opt_in(self) -> None:
        for member in self._world.members:
            await member.slash(self._world.general, "privacy opt-in")

    async def _teach_a_fact(self) -> None:
        """Ask before and after a moderator has corrected the answer to the same question in other words."""
        report, members = self._report, self._world.members
        await self._app.memory.vectors.load()
        report.asked_again = _FACT_AGAIN
        report.before_approval = await self._ask(members[1], _FACT_AGAIN)
        await self._ask(members[0], _FACT)
        form = await self._world.moderator.click(self._world.review.last_message, label="Edit")
        await self._world.moderator.submit_modal(form, {"answer": _FACT_ANSWER})
        report.after_approval = await self._ask(members[2], _FACT_AGAIN)
        report.checks["what a moderator corrected is in the next answer, before any training"] = _FACT_WORD in (
            report.after_approval or ""
        ) and _FACT_WORD not in (report.before_approval or _FACT_WORD)

    async def _review(self, examples: Sequence[Example]) -> None:
        """Ask each example's question; the moderator puts the first answers right, approves one, rejects the rest."""
        moderator, members = self._world.moderator, self._world.members
        for number, example in enumerate(examples):
            await self._ask(members[number % len(members)], example.prompt)
            card = self._world.review.last_message
            if number < _EDITED:
                form = await moderator.click(card, label="Edit")
                await moderator.submit_modal(form, {"answer": example.reply})
            else:
                await moderator.click(card, label="Approve" if number < _EDITED + _APPROVED else "Reject")

    async def _import(self, examples: Sequence[Example]) -> tuple[int, int]:
        """Take in the examples that were not asked, from the shipped file, as `nightshift import` does."""
        wanted = {example.prompt for example in examples}
        rows = list(read_pairs(EXAMPLES / "voice.jsonl"))
        pairs = [row for row in rows if isinstance(row, NewPair) and row.turns[-1].content in wanted]
        count = await self._app.store.call(Store.import_pairs, pairs, BOT_NAME)
        return count.imported, sum(isinstance(row, BadRow) for row in rows)

    def _take_result(self) -> None:
        report, result, swap = self._report, self._result, self._app.engine.stats().last_swap
        if result is None:
            report.checks["the training run ended"] = False
            return
        report.outcome, report.reason, report.adapter = result.outcome, result.reason, result.challenger
        report.nll_before, report.nll_after, report.nll_pairs = result.champion_nll, result.challenger_nll, result.n
        report.checks["the new adapter won the gate and was promoted"] = result.outcome == "promoted"
        report.checks["the hold-out loss fell by at least a fifth"] = (
            result.champion_nll is not None
            and result.challenger_nll is not None
            and result.challenger_nll <= 0.8 * result.champion_nll
        )
        self._say(f"{result.outcome}: {result.reason}")
        if swap is not None:
            report.swap_ms, report.swap_waited_ms = swap.pause_s * 1000, swap.waited_s * 1000
        report.checks["the bot answers with it, without a restart"] = (
            result.challenger is not None and self._app.engine.adapter == result.challenger
        )

    async def _take_in_flight(self) -> None:
        """The reply that was being written during the swap: finished, and by the old model alone."""
        if self._in_flight is None:
            return
        answered = await self._answer_to(self._in_flight)
        latest = (await self._app.store.call(Store.recent_pending, 1))[0]
        self._report.in_flight_adapter = latest.adapter
        self._report.checks["the reply in flight was finished by the model that began it"] = (
            answered is not None and latest.text == answered and latest.adapter is None
        )
