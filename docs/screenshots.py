"""Takes the pictures of the pages for moderators and members: the real bot in a simulated Discord, in a real browser.

Run by `make screenshots`. Only the model and the night's training are replaced, by what stands below, so that the
pictures are alike each time. Needs Chromium.
"""

from __future__ import annotations

import asyncio
import math
import sys
import tempfile
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bot.app import Nightshift
from bot.i18n.en import moderation as texts
from bot.settings import load_settings
from bot.simulation.server import World, simulate, simulated
from docs.browser import Browser, ChromiumMissing
from storage.files.adapter_directory import AdapterDirectory
from storage.files.home import Home
from storage.run_records import Adapter
from storage.store import Store
from tests.fake_engine import Endless, FakeEngine
from trainer.result import RunResult

IMAGES = Path(__file__).parent / "images"
WIDTH, HEIGHT = 540, 6000
_GAP, _TALLEST = 40, 1500  # pixels of the overview
YESTERDAY, TONIGHT = "20261122T040000-8c1d", "20261123T040000-3f9a"
HASTY = "Max"  # a moderator
EVENING = datetime(2026, 11, 22, 20, 47, tzinfo=UTC)
BEGAN, NIGHT = datetime(2026, 11, 23, 4, tzinfo=UTC), timedelta(minutes=41)
REASON = "hold-out loss 3.412 to 2.684 over 61 pairs, an improvement of at least 0.587"

JUDGED = (
    ("Is pallet wood safe for a planter?", "Sure, any pallet is fine."),
    ("Which glue for an outdoor bench?", "Polyurethane, and clamp it well, it foams. Mind your fingers."),
    ("Can I plane end grain?", "Yes, it is just slower."),
)
CORRECTED = "Yes. Sharp iron, low angle, and work from both edges to the middle. Mind your fingers."
WAITING = (
    ("How long does shellac keep?", "Half a year in the bottle, for ever as flakes. Mind your fingers."),
    ("Nails or screws for a raised bed?", "Screws. Soil pushes, and nails give way. Mind your fingers."),
    (
        "What do I do with a table top that stays sticky after oiling?",
        (
            "Wipe off what stands on it, then give it two days in a warm room. Next time less oil, and thinner: what "
            "the wood does not drink in twenty minutes comes off with a rag. Mind your fingers."
        ),
    ),
)
HELD_OUT = (
    (
        "How do I keep a chisel sharp?",
        "Hone it often, on a fine stone.",
        "Strop it every hour and hone it before it feels dull. Mind your fingers.",
    ),
    (
        "Oak or ash for a tool handle?",
        "Ash is a common choice for tool handles.",
        "Ash. It takes the shock and forgives you. Mind your fingers.",
    ),
    (
        "Why does my saw wander?",
        "There could be many reasons for that.",
        "The set is uneven. Joint the teeth, set them again, let the saw do the work. Mind your fingers.",
    ),
)

FIRST = (
    "How do I flatten a plank without a machine?",
    (
        "With a long plane and patience. Look across the plank with two straight sticks first: where they do not line "
        "up, it is twisted. Plane across the grain until the high corners are gone, then along"
    ),
)
SET_ASIDE = (
    ("What do you think of the new saw?", "BEST SAW EVER, buy it at SAWDEALS!!!"),
    ("Any good glue?", "BEST GLUE EVER, buy it at SAWDEALS!!!"),
)
WHY = 'The same phrase stands in many of the new replies and in few others: "buy it at sawdeals".'

NOT_DISCORD = ".message-context-actions, .message-edited-compact"  # a toolbar, and a mark that stands elsewhere there
MESSAGES = "[...document.querySelectorAll('#channel-message-list > .channel-message')]"
LAST = f"{MESSAGES}.at(-1)"


def message(message_id: int) -> str:
    """The element of a message, as JavaScript."""
    return f"document.querySelector('#channel-message-list [data-message-id=\"{message_id}\"]')"


def button(inside: str, label: str) -> str:
    """The button with a label inside an element, as JavaScript."""
    return f"[...{inside}.querySelectorAll('button')].find(one => one.textContent.trim() === {label!r})"


async def main() -> None:
    """Take all pictures."""
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder) / "home").ensure()
        publish(home, YESTERDAY, Path(folder))
        settings = simulated(load_settings(home))
        settings = settings.model_copy(update={"discord": replace(settings.discord, context_messages=0)})
        engine = FakeEngine()
        async with (
            Nightshift.open(home, settings, engine=engine, train=a_night(home, Path(folder))) as app,
            simulate(app.client, settle_timeout=20.0) as world,
            Browser.open(WIDTH, HEIGHT) as browser,
        ):
            world.env.backend.clock._epoch = EVENING  # noqa: SLF001 - it begins with a year otherwise
            async with world.env.preview(world.review, viewers=[world.moderator], layout="channel") as page:
                for one in world.members:
                    await app.store.call(Store.set_consent, one.id, True)
                studio = Studio(app, engine, world, page, browser)
                await studio.cards_and_form()
                await studio.queue()
                await studio.morning()
                await studio.quarantine()
            eve = world.guild.add_member(world.env.create_user("eve", global_name="Eve"))
            async with world.env.preview(world.general, viewers=[eve], layout="channel") as page:
                await Studio(app, engine, world, page, browser).member(eve)
    overview()


def overview() -> None:
    """The picture at the top of README.md: a question with its answer, cards, a report, none taller than the others."""
    from PIL import Image

    parts = [
        Image.open(IMAGES / name).convert("RGB") for name in ("answer.png", "review-card.png", "morning-report.png")
    ]
    width = min(part.width for part in parts)
    parts = [part.resize((width, part.height * width // part.width)) for part in parts]
    height = min(_TALLEST, max(part.height for part in parts))
    whole = Image.new("RGB", (len(parts) * width + (len(parts) - 1) * _GAP, height), parts[0].getpixel((1, 1)))
    for number, part in enumerate(parts):
        cut = part.crop((0, 0, width, min(part.height, height)))
        whole.paste(cut, (number * (width + _GAP), 0))
    whole.save(IMAGES / "overview.png", optimize=True)


def publish(home: Home, adapter: str, scratch: Path) -> None:
    """An adapter that is champion, as a run leaves it behind; its weights are never read."""
    source = scratch / adapter
    source.mkdir()
    (source / "adapter_config.json").write_text("{}")
    (source / "adapter_model.safetensors").write_bytes(adapter.encode())
    AdapterDirectory(home.adapters).publish(adapter, source, {"base_model": "fake-base"})
    with Store.open(home.db) as store:
        store.add_adapter(Adapter(adapter, None, "fake-base", "2026-11-22T04:00:00.000+00:00"))
        store.promote(adapter, kind="gate", actor="trainer", reason=REASON)


def a_night(home: Home, scratch: Path) -> Any:
    """A training run that promotes, as the trainer would record it."""

    async def train(_home: Path, *, force: bool, trigger: str, local_date: str | None) -> RunResult:  # noqa: ARG001
        publish(home, TONIGHT, scratch)
        with Store.open(home.db) as store:
            run = store.start_run(trigger, "2026-11-23", 1, {})
            store._db.execute("update runs set started_at = ?", [BEGAN.isoformat(timespec="milliseconds")])  # noqa: SLF001
            for step in range(1, 61):
                noise = 0.12 * math.sin(step * 2.4) + 0.07 * math.sin(step * 5.1)
                values = {"loss": 2.05 + 1.75 * math.exp(-step / 17) + noise}
                if step % 10 == 0:
                    values["eval_loss"] = 2.62 + 0.95 * math.exp(-step / 14) + 0.0012 * max(0, step - 40) ** 1.2
                store.log_metrics(run.id, step, values)
            replies = store.recent_pending(len(HELD_OUT))
            samples = [
                {"prompt": question, "champion": old, "text": new, "reply_id": reply.id}
                for (question, old, new), reply in zip(HELD_OUT, replies, strict=True)
            ]
            aside = [pair.reply_id for pair in store.pairs() if pair.reviewer == HASTY]
            store.quarantine(run.id, [(reply_id, WHY) for reply_id in aside])
            store.finish_run(
                run.id,
                "promoted",
                REASON,
                finished_at=(BEGAN + NIGHT).isoformat(timespec="milliseconds"),
                champion_nll=3.412,
                challenger_nll=2.684,
                train_pairs=412,
                holdout_pairs=61,
                challenger=TONIGHT,
                details={"samples": samples},
            )
        return RunResult(run.id, "promoted", REASON, TONIGHT)

    return train


@dataclass(frozen=True)
class Studio:
    """Everything in front of and behind the camera."""

    app: Nightshift
    engine: FakeEngine
    world: World
    page: Any
    browser: Browser

    async def cards_and_form(self) -> None:
        """The review channel with cards that are done and one that waits; then the form for editing it."""
        moderator = self.world.moderator
        cards = [await self._ask(number, *talk) for number, talk in enumerate((*JUDGED, WAITING[-1]))]
        rejected = await moderator.click(cards[0], label="Reject")
        await moderator.select(rejected.followups[0], ["unsafe"])
        await moderator.click(cards[1], label="Approve")
        form = await moderator.click(cards[2], label="Edit")
        await moderator.submit_modal(form, {"answer": CORRECTED})
        await self._show()
        await self.browser.picture(IMAGES / "review-card.png", first=message(cards[0].id), last=message(cards[3].id))
        await self._press(button(message(cards[3].id), "Edit"))
        dialog = "document.querySelector('#modal-root [role=dialog]')"
        await self.browser.until(dialog)
        await self.browser.run(f"{dialog}.querySelector('textarea').style.minHeight = '9em'")
        await self.browser.picture(IMAGES / "edit-form.png", first=dialog)
        await self._show()

    async def queue(self) -> None:
        """/review after its first verdict."""
        for number, talk in enumerate(WAITING[:2]):
            await self._ask(number, *talk)
        page = (await self.world.moderator.slash(self.world.review, "review", order="oldest")).response
        await self.world.moderator.click(page, label="Approve")
        await self._show()
        await self.browser.picture(IMAGES / "review-queue.png", first=message(page.id))
        await self.world.moderator.click(page, label="Undo")

    async def morning(self) -> None:
        """The report and its blind comparisons."""
        for number, (question, answer) in enumerate(SET_ASIDE):
            await self._ask(number, question, answer)
            await self.app.store.call(_approve_newest)
        await self.app.runs.train(trigger="schedule")
        await self.world.env.settle()
        shown = [one for one in self.world.review.history() if one.embeds]
        report = next(one for one in shown if one.embeds[0].title == texts.REPORT)
        await self._show()
        await self.browser.until(f"{message(report.id)}.querySelector('img')")
        await self._settled()
        await self.browser.picture(IMAGES / "morning-report.png", first=message(report.id), last=LAST)

    async def quarantine(self) -> None:
        """A pair that the night set aside, as the second moderator sees it."""
        page = (await self.world.moderator.slash(self.world.review, "pairs quarantine")).response
        await self._show()
        await self.browser.picture(IMAGES / "quarantine.png", first=message(page.id))

    async def member(self, eve: Any) -> None:
        """A member's first answer, which was cut off; then what /privacy tells her."""
        user = self.app.client.user
        self.engine.say(Endless(FIRST[1]))
        await eve.send(self.world.general, f"<@{user.id if user else 0}> {FIRST[0]}")
        question, answer = self.world.general.history()[-2:]
        await self._show()
        await self.browser.picture(IMAGES / "answer.png", first=message(question.id), last=message(answer.id))
        told = (await eve.slash(self.world.general, "privacy status")).response
        await self._show()
        await self.browser.picture(IMAGES / "privacy.png", first=message(told.id))

    async def _ask(self, number: int, question: str, answer: str) -> Any:
        """A member asks in #general; returns the card."""
        self.engine.say(answer)
        user = self.app.client.user
        member = self.world.members[number % len(self.world.members)]
        await member.send(self.world.general, f"<@{user.id if user else 0}> {question}")
        return self.world.review.last_message

    async def _show(self) -> None:
        """Load the page anew, as the moderator sees it now, without what is not Discord."""
        await self.browser.go(self.page.url)
        await self.browser.until(LAST)
        await self._settled()
        await self.browser.run(f"document.querySelectorAll({NOT_DISCORD!r}).forEach(one => one.remove())")

    async def _settled(self) -> None:
        """Wait for the page's last layout, with its pictures loaded and its buttons alive."""
        await self.browser.until(f"window.simcordPreview.ready && {LAST}.getBoundingClientRect().right <= innerWidth")
        await self.browser.until("[...document.images].every(one => one.complete)")
        alive = "[...document.querySelectorAll('#channel-message-list button.component-button')].every(one => "
        alive += (
            "!one.disabled && one.getAttribute('aria-disabled') !== 'true' && getComputedStyle(one).opacity === '1')"
        )
        await self.browser.until(alive)

    async def _press(self, element: str) -> None:
        await self.browser.run(f"{element}.click()")


def _approve_newest(store: Store) -> None:
    (reply,) = store.recent_pending(1)
    store.add_review(reply.id, "approve", reviewer=HASTY, reviewer_id=1)


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except ChromiumMissing as error:
        sys.exit(str(error))
