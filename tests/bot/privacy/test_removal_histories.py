"""Whatever members and moderators did before: removed words are in no file of the home, no card and no report."""

from __future__ import annotations

import asyncio
import re
import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from bot.app import Nightshift
from bot.i18n.en import knowledge, texts
from bot.settings import load_settings
from bot.simulation.server import simulate, simulated
from storage.files.home import Home
from storage.origins import ORIGINS
from storage.store import Store
from tests.bot.conftest import Stage, no_training, raise_unanswered
from tests.bot.privacy.test_commands import forget
from tests.bot.training.test_report import a_night
from tests.fake_engine import FakeEngine

WORD = re.compile(r"zq\d{5}x")
MEMBERS = (0, 1, 2)

acts = st.tuples(
    st.sampled_from(
        [
            *("say", "ask", "ask", "slash", "again", "opt in", "judge", "fact", "pin", "add", "pins", "refresh"),
            *("delete", "forget", "forget", "night", "restart"),
        ]
    ),
    st.sampled_from(MEMBERS),
    st.integers(0, 10**6),
)


class Parrot(FakeEngine):
    """Says a word that it was shown, whoever said it."""

    pick = 0

    def submit(self, messages, sampling=None, *, channel=""):
        words = WORD.findall(" ".join(message.content for message in messages))
        if words and self.pick % 3:
            self.replies.append(f"Somebody said {words[self.pick % len(words)]}, I think.")
        return super().submit(messages, sampling, channel=channel)


class History:
    """One history in a simulated Discord, and which words were removed in it."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.said: list[tuple[int, object, str]] = []  # who, their message (None: by /ask), the word
        self.removed: set[str] = set()

    async def act(self, what: str, who: int, pick: int) -> None:
        stage, member = self.stage, self.stage.world.members[who]
        general = stage.world.general
        word = f"zq{len(self.said):05d}x"
        if what in ("say", "ask"):
            stage.engine.pick = pick
            text = f"I like {word}" if what == "say" else f"{stage.me} I like {word}, and you?"
            self.said.append((who, await member.send(general, text), word))
        elif what == "slash":
            stage.engine.pick = pick
            self.said.append((who, None, word))
            await member.slash(general, "ask", question=f"who likes {word}?")
        elif what == "opt in":
            await member.slash(general, "privacy opt-in")
        elif what == "forget":
            self.removed |= {word for author, _, word in self.said if author == who}
            await forget(stage, member)
        elif what == "restart":
            await stage.env.restart_bot(stage.app.new_client())
        elif what == "night":
            replies = await stage.app.store.call(
                lambda store: [one.reply_id for one in store.eligible_pairs("members", learn_from=ORIGINS)]
            )
            await a_night(None, stage, replies=replies, aside={one: f"It is about reply {one}." for one in replies[:1]})
        elif what == "delete":
            await self.delete(pick)
        elif what in ("fact", "pin", "add"):
            await self.save(what, pick)
        elif what in ("pins", "refresh"):
            await self.read_again(what)
        else:
            await self.press(what, pick)
        await stage.env.settle()

    async def delete(self, pick: int) -> None:
        here = {one.id for one in self.stage.world.general.history()}
        own = [(who, message, word) for who, message, word in self.said if message is not None and message.id in here]
        if own:
            who, message, word = own[pick % len(own)]
            self.removed.add(word)
            await self.stage.world.members[who].delete(message)

    async def save(self, what: str, pick: int) -> None:
        """A moderator pins what somebody or the bot said, adds it by its link, or saves it in words of their own."""
        general, moderator = self.stage.world.general, self.stage.world.moderator
        said = [one for one in general.history() if WORD.search(one.content)]
        if not said:
            return
        chosen = said[pick % len(said)]
        if what == "pin":
            await self.stage.app.client.get_channel(general.id).get_partial_message(chosen.id).pin()
        elif what == "add":
            await moderator.slash(general, "knowledge add", message=chosen.jump_url)
        else:
            form = await moderator.context_menu(general, knowledge.SAVE_AS_FACT, chosen)
            await moderator.submit_modal(form, {"fact": f"A fact: {chosen.content}"})

    async def read_again(self, what: str) -> None:
        """A moderator adds all that is pinned, or lets the bot read every document again."""
        stage, general = self.stage, self.stage.world.general
        if what == "pins":
            await stage.world.moderator.slash(general, "knowledge add", pins=general)
            return
        for one in await stage.app.store.call(Store.documents, stage.world.guild.id):
            await stage.world.moderator.slash(general, "knowledge refresh", document=str(one.id))

    async def press(self, what: str, pick: int) -> None:
        """A button below an answer, or on a card."""
        stage = self.stage
        channel = stage.world.general if what == "again" else stage.world.review
        labels = {texts.AGAIN} if what == "again" else {texts.APPROVE, texts.REJECT}
        found = [
            (message, item.label)
            for message in channel.history()
            for row in message.components
            for item in row.children
            if item.label in labels
        ]
        if found:
            message, label = found[pick % len(found)]
            await stage.world.moderator.click(message, label=label)

    def check(self) -> None:
        home = self.stage.app.home.root
        for one in home.rglob("*"):
            if one.is_file():
                found = set(WORD.findall(one.read_bytes().decode("latin-1")))
                assert not found & self.removed, one.name
        shown = [str([embed.to_dict() for embed in one.embeds]) for one in self.stage.world.review.history()]
        assert not set(WORD.findall(" ".join(shown))) & self.removed


async def live(history: list[tuple[str, int, int]], root: Path) -> None:
    home = Home(root / "home").ensure()
    usual = simulated(load_settings(home))
    engine = Parrot()
    async with (
        Nightshift.open(home, usual, engine=engine, train=no_training) as app,
        simulate(app.client, settle_timeout=30.0, check_errors=False) as world,
    ):
        engine.outside = world.env.external_wait
        lived = History(Stage(app, engine, world))
        for what, who, pick in history:
            await lived.act(what, who, pick)
            lived.check()
        for who in MEMBERS:
            await lived.act("forget", who, 0)
        lived.check()
        assert await app.store.call(Store.due_posts) == []
        raise_unanswered(world.env.errors)


@settings(
    max_examples=6,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(st.lists(acts, min_size=6, max_size=14))
def test_removed_words_are_nowhere(history):
    """Random histories of messages, questions, verdicts, deletions, nights, restarts and forgetting."""
    root = Path(tempfile.mkdtemp(prefix="nightshift-history-"))
    try:
        asyncio.run(live(history, root))
    finally:
        shutil.rmtree(root)
