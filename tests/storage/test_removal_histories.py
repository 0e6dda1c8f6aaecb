"""Whatever happened before: no byte of removed words is in any file of the home, in any export, or due to be shown."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import sqlite3
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from storage.discord_records import Post
from storage.errors import StorageError
from storage.files.home import Home
from storage.files.pair_files import write_pairs
from storage.origins import ORIGINS
from storage.pair_records import NewPair
from storage.recall_records import NewChunk, NewDocument, Recalled
from storage.redaction_rules import REDACTED
from storage.reply_records import NewReply, Turn
from storage.run_records import Adapter
from storage.store import Store
from tests.histories import HISTORIES

PEOPLE = (900_000_000_000_000_101, 900_000_000_000_000_102, 900_000_000_000_000_103)
LATER = "2999-01-01T00:00:00.000+00:00"
WORD = re.compile(rb"zq\d{5}x")
WORD_ = re.compile(r"zq\d{5}x")
people = st.sampled_from(PEOPLE)
some = st.integers(0, 10**6)


@dataclass
class Said:
    """A message in the channel: a person's (with its one word), or the bot's."""

    number: int
    author: int | None
    text: str
    words: frozenset[str] = field(default_factory=frozenset)


class Histories(RuleBasedStateMachine):
    """A channel, a store, and a trainer's records, with everything that members and moderators may do."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="nightshift-histories-"))
        self.home = Home(self.root / "home").ensure()
        self.clock = 1000
        self.channel: list[Said] = []
        self.deleted: set[int] = set()
        self.removed: set[str] = set()
        self.answers: list[int] = []
        self.in_flight: list[tuple[NewReply, list[Recalled]]] = []
        self.going_on = None  # a night's run, and the pairs it saw

    @initialize()
    def start(self) -> None:
        self.store = Store.open(self.home.db)
        for who in PEOPLE[:2]:
            self.store.set_consent(who, True)

    def teardown(self) -> None:
        self.store.close()
        shutil.rmtree(self.root)

    def tick(self) -> int:
        self.clock += 1
        return self.clock

    def word(self) -> str:
        return f"zq{self.tick():05d}x"

    # What members do

    @rule(author=people, long=st.sampled_from([1, 1, 1, 40, 900]))
    def say(self, author: int, long: int) -> None:
        word = self.word()
        text = " ".join([f"I like {word}"] * long)
        self.channel.append(Said(self.tick(), author, text, frozenset([word])))

    @rule(asker=people, shown=st.integers(0, 5), picks=st.lists(some, max_size=3), late=st.booleans())
    def ask(self, asker: int, shown: int, picks: list[int], late: bool) -> None:
        """A question that is answered with some of what was shown, at once or after whatever happens meanwhile."""
        self.say(asker, 1)
        read = [one for one in self.channel if one.number not in self.deleted][-shown - 1 :]
        turns = tuple(
            Turn("user", one.text, one.author, one.number)
            if one.author is not None
            else Turn("assistant", one.text, None, one.number)
            for one in read
        )
        known = sorted(frozenset().union(*(one.words for one in read)))
        echoed = [known[pick % len(known)] for pick in picks]
        new = self.reply(asker, turns, " ".join(["They said", *echoed, "I think."]))
        new, recalled = self.look_up(new, picks)
        words = frozenset(WORD_.findall(new.text))
        if late:
            self.in_flight.append((new, recalled))
        else:
            self.finish(new, words, recalled)

    def reply(self, asker: int, turns: tuple[Turn, ...], text: str) -> NewReply:
        return NewReply(
            source="discord",
            conversation=f"discord:7:{turns[0].message_id}",
            turns=turns,
            text=text,
            adapter=None,
            base_model="tiny",
            guild_id=1,
            channel_id=7,
            message_id=self.tick(),
            asker_id=asker,
            prompt_message_id=turns[-1].message_id,
        )

    def look_up(self, new: NewReply, picks: list[int]) -> tuple[NewReply, list[Recalled]]:
        """What is found may be repeated in the answer."""
        self.store.index_due()
        found = self.store.matching_entries([1, 0], "I like", documents=False, limit=5)
        examples = self.store.found_examples(1, found, "members", servers=[1])
        found = self.store.matching_entries([1], "fact", documents=True, limit=5)
        chunks = self.store.found_chunks(1, found)
        if not picks or not (examples or chunks):
            return new, []
        recalled = [Recalled(0.9, 5, example_id=one.reply_id) for one in examples]
        recalled += [Recalled(0.9, 5, entry_id=one.entry_id) for one in chunks]
        known = WORD_.findall(
            " ".join([*(one.question + one.answer for one in examples), *(one.text for one in chunks)])
        )
        return replace(new, text=f"{new.text} {known[picks[0] % len(known)]}" if known else new.text), recalled

    @rule(asker=people)
    def teach(self, asker: int) -> None:
        """Somebody who has agreed asks, and the answer is approved: from then on it is shown to others."""
        self.store.set_consent(asker, True)
        self.say(asker, 1)
        said = self.channel[-1]
        new = self.reply(asker, (Turn("user", said.text, said.author, said.number),), "Oh, do you.")
        self.finish(new, frozenset(), [])
        self.store.add_review(self.answers[-1], "approve", reviewer="mod", reviewer_id=5)

    @rule()
    def embed(self) -> None:
        """Each entry gets a vector that holds its words, so that one that stayed behind would be seen."""
        self.store.index_due()
        self.store.use_recall_model("tiny")
        self.store.put_vectors("tiny", [(entry, text.encode()) for entry, text in self.store.unembedded(1000)])

    @rule(author=people)
    def add_a_fact(self, author: int) -> None:
        """A moderator saves what somebody said as a fact."""
        self.say(author, 1)
        said = self.channel[-1]
        fact = NewDocument(guild_id=1, title="Fact", kind="fact", added_by="mo", message_id=said.number)
        self.store.add_document(fact, [NewChunk(f"A fact: {said.text}", "", said.number, author)])

    @precondition(lambda self: self.channel)
    @rule(pick=some)
    def save_as_fact(self, pick: int) -> None:
        """A moderator saves what can be read on Discord: a member's message, or the bot's that may quote one."""
        said = self.channel[pick % len(self.channel)]
        if said.number in self.deleted or (said.author is None and self.is_let_go(said.number)):
            return
        fact = NewDocument(guild_id=1, title=said.text[:40], kind="fact", added_by="mo", message_id=said.number)
        with contextlib.suppress(StorageError):  # said before its author was forgotten, or withdrawn
            self.store.add_document(fact, [NewChunk(f"A fact: {said.text}", "", said.number, said.author)])

    def finish(self, new: NewReply, words: frozenset[str], recalled: list[Recalled]) -> None:
        number = self.store.add_reply(new, recall=recalled)
        self.answers.append(number)
        self.channel.append(Said(new.message_id, None, new.text, words))
        gone = {turn.message_id for turn in new.turns} & self.deleted
        if gone:  # as the bot does (bot/privacy/retention.py)
            self.store.redact_messages(gone)
        self.store.add_post(Post(self.tick(), 1, 8, "card", reply_id=number))

    @precondition(lambda self: self.in_flight)
    @rule()
    def answer_in_flight(self) -> None:
        new, recalled = self.in_flight.pop(0)
        ours = [turn.message_id for turn in new.turns if turn.role == "assistant"]
        if any(self.store.reply_by_message(number) is None for number in ours):
            return  # as in `leave_unread`
        self.finish(new, frozenset(WORD_.findall(new.text)), recalled)

    @rule(who=people, yes=st.booleans())
    def decide(self, who: int, yes: bool) -> None:
        self.store.set_consent(who, yes)

    @precondition(lambda self: self.channel)
    @rule(pick=some)
    def delete(self, pick: int) -> None:
        one = self.channel[pick % len(self.channel)]
        if one.text == "(imported)":
            return
        self.leave_unread()
        self.deleted.add(one.number)
        if one.author is not None:
            self.removed |= one.words
        self.store.redact_messages([one.number])

    @rule(who=people)
    def forget(self, who: int) -> None:
        self.leave_unread()
        self.removed |= {word for one in self.channel if one.author == who for word in one.words}
        self.store.forget(who, before=self.tick())
        told = json.dumps(self.store.export_member(who))
        assert not WORD.search(told.encode())
        assert not any(str(who).encode() in one.read_bytes() for one in self.files())

    def leave_unread(self) -> None:
        """Of the bot's messages whose replies were deleted nobody knows any more whose words they repeat."""
        for one in self.channel:
            if one.author is None and self.store.reply_by_message(one.number) is None:
                one.text, one.words = "Hm.", frozenset()

    # What moderators, the trainer and the operator do

    @precondition(lambda self: self.answers)
    @rule(pick=some, verdict=st.sampled_from(["approve", "approve", "edit", "reject", "undo"]))
    def judge(self, pick: int, verdict: str) -> None:
        number = self.answers[pick % len(self.answers)]
        try:
            text = self.store.reply(number).text + " indeed" if verdict == "edit" else None
            self.store.add_review(number, verdict, reviewer="mod", reviewer_id=5, edited_text=text)
        except StorageError:
            pass  # let go, redacted, or nothing to take back

    @rule(published=st.booleans(), aside=st.booleans())
    def train(self, published: bool, aside: bool) -> None:
        pairs = list(self.store.eligible_pairs("members", learn_from=ORIGINS))
        run = self.store.start_run("schedule", "2026-11-23", 1, {})
        self.store.record_snapshot(run.id, [pair.reply_id for pair in pairs])
        samples = [
            {
                "prompt": pair.turns[-1].content,
                "text": pairs[number - 1].completion,  # it may say what it learned elsewhere
                "champion": pair.completion,
                "reply_id": pair.reply_id,
            }
            for number, pair in enumerate(pairs)
        ]
        self.store.update_run(run.id, details={"samples": samples})
        for number in range(len(samples)):
            self.store.add_post(Post(self.tick(), 1, 8, "question", run_id=run.id, sample=number))
        if aside and pairs:
            self.store.quarantine(run.id, [(pairs[0].reply_id, f"It says {pairs[0].completion!r}.")])
            self.store.add_post(Post(self.tick(), 1, 8, "report", run_id=run.id))
        if published:
            self.store.add_adapter(Adapter(run.id, run.id, "tiny", "2026-11-23T04:00:00.000+00:00"))
        self.store.finish_run(run.id, "promoted" if published else "kept", "it won")

    @rule(who=people)
    def bring_in_words_of(self, who: int) -> None:
        """A file may say whose words it holds; they are theirs from then on."""
        word = self.word()
        self.channel.append(Said(self.tick(), who, "(imported)", frozenset([word])))
        self.deleted.add(self.clock)  # nobody can read or delete it on Discord
        self.store.import_pairs([NewPair((Turn("user", f"I wonder about {word}", who),), f"About {word}?")], "ann")

    @precondition(lambda self: self.going_on is None)
    @rule()
    def begin_a_night(self) -> None:
        pairs = list(self.store.eligible_pairs("members", learn_from=ORIGINS))
        run = self.store.start_run("schedule", "2026-11-23", 1, {})
        self.store.record_snapshot(run.id, [pair.reply_id for pair in pairs])
        self.going_on = run.id, pairs

    @precondition(lambda self: self.going_on is not None)
    @rule()
    def end_the_night(self) -> None:
        """Its answers recite what it has learned, whatever became of that meanwhile."""
        run_id, pairs = self.going_on
        self.going_on = None
        samples = [
            {"prompt": one.turns[-1].content, "text": pairs[0].completion, "champion": "?", "reply_id": one.reply_id}
            for one in pairs
        ]
        self.store.finish_run(run_id, "kept", "no gain", details={"samples": samples})

    @rule()
    def bring_in(self) -> None:
        self.store.import_pairs([NewPair((Turn("user", f"what of {self.word()}?"),), "nothing")], "ann")

    @rule()
    def let_go(self) -> None:
        self.store.purge(LATER)
        ours = {one.number for one in self.channel if one.author is None}
        for one in self.store.documents(1):
            if one.message_id in ours and self.is_let_go(one.message_id):
                self.store.remove_document(1, one.id)  # as in `leave_unread`: who asked is all that is still known
        self.store.erase()
        rows = {word for line in sqlite3.connect(self.home.db).iterdump() for word in WORD.findall(line.encode())}
        assert {word for one in self.files() for word in WORD.findall(one.read_bytes())} == rows

    def is_let_go(self, message_id: int) -> bool:
        reply = self.store.reply_by_message(message_id)
        return reply is None or reply.text == REDACTED

    @rule()
    def restart(self) -> None:
        self.store.close()
        self.store = Store.open(self.home.db)

    # What must hold, always

    def files(self) -> list[Path]:
        return [one for one in self.home.root.rglob("*") if one.is_file()]

    @invariant()
    def nothing_removed_is_in_a_file(self) -> None:
        for one in self.files():
            found = {word.decode() for word in WORD.findall(one.read_bytes())}
            assert not found & self.removed, one.name

    @invariant()
    def nothing_removed_is_exported_or_learned(self) -> None:
        target = self.root / "export.jsonl"
        write_pairs(target, self.store.pairs())
        exported = {word.decode() for word in WORD.findall(target.read_bytes())}
        learned = {
            word
            for pair in self.store.eligible_pairs("operator", learn_from=ORIGINS)
            for word in re.findall(r"zq\d{5}x", str(pair))
        }
        assert not (exported | learned) & self.removed

    @invariant()
    def what_showed_removed_words_is_due_to_be_blanked(self) -> None:
        due = {post.message_id for post in self.store.due_posts(10**6)}
        cards = self.store._db.execute(
            """
            select posts.message_id from posts left join replies on replies.id = posts.reply_id
            where kind = 'card' and coalesce(redacted, 1) <> 0
            """
        )
        assert {row[0] for row in cards} <= due


Histories.TestCase.settings = settings(HISTORIES, stateful_step_count=30)
TestHistories = Histories.TestCase
