"""Whatever happened before: no word of one server is in what another's voice learns from, is judged by or is shown."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from functools import partial
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from storage.errors import StorageError
from storage.pair_records import NewPair
from storage.recall_records import NewChunk, NewDocument
from storage.reply_records import NewReply, Turn
from storage.run_records import Adapter
from storage.servers import Voice
from storage.store import Store
from tests.histories import HISTORIES
from trainer.data_settings import SnapshotConfig
from trainer.snapshot.snapshot import stream_snapshot

SERVERS = (11, 22, 33)
PEOPLE = (101, 102, 103)
WORD = re.compile(r"zq\d{5}x")
LATER = "2999-01-01T00:00:00.000+00:00"
servers, people = st.sampled_from(SERVERS), st.sampled_from(PEOPLE)
anywhere = st.sampled_from([*SERVERS, None])
EVERY_ORIGIN = ("message", "direct_message", "command", "import", "moderator", "bot")


class Voices(RuleBasedStateMachine):
    """Servers that share a bot: what is said on each, and what the operator brings."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="nightshift-voices-"))
        self.number = 1000
        self.said: dict[str, int | None] = {}  # word -> the server where it was said; None: the operator's import
        self.people: dict[str, int] = {}
        self.forgotten: set[str] = set()
        self.replies: list[int] = []

    @initialize()
    def start(self) -> None:
        self.store = Store.open(self.root / "n.db")

    def teardown(self) -> None:
        self.store.close()
        shutil.rmtree(self.root)

    def word(self, guild: int | None) -> str:
        self.number += 1
        word = f"zq{self.number:05d}x"
        self.said[word] = guild
        return word

    @rule(guild=anywhere, who=people, verdict=st.sampled_from(["approve", "edit", "reject"]), again=st.booleans())
    def ask(self, guild: int | None, who: int, verdict: str, again: bool) -> None:
        """A question on a server or (None) in a direct message, its answer, and a verdict on it."""
        where = -1 if guild is None else guild
        asked, answered = self.word(where), self.word(where)
        self.people[asked] = who
        turns = (Turn("user", f"what is {asked}?", who, self.number, origin="command"),)
        for text in (f"it is {answered}", *([f"it may be {answered}"] if again else [])):
            self.number += 1
            new = NewReply(
                source="discord",
                conversation=f"discord:{where}:{asked}",
                turns=turns,
                text=text,
                adapter=None,
                base_model="tiny",
                guild_id=guild,
                channel_id=where,
                message_id=self.number,
                asker_id=who,
                prompt_message_id=turns[0].message_id,
            )
            self.replies.append(self.store.add_reply(new))
        edited = f"no, {self.word(where)}" if verdict == "edit" else None
        self.store.add_review(self.replies[-1], verdict, edited_text=edited, reviewer="mod", reviewer_id=5)

    @rule(guild=anywhere, same=st.booleans())
    def bring(self, guild: int | None, same: bool) -> None:
        """Pairs of the operator's, or a server's own that a second moderator lets in; at times words of another."""
        known = [one for one in self.said if one not in self.forgotten]
        word = known[0] if same and known and self.said[known[0]] == guild else self.word(guild)
        pair = NewPair((Turn("user", f"say {word}"),), f"there: {word}")
        self.store.import_pairs([pair], "mod", guild_id=guild, by=5 if guild else None, apart=True)
        for one in self.store.quarantined(guild_id=guild) if guild is not None else ():
            self.store.decide_quarantine(one.reply_id, confirmed=True, actor="second", actor_id=6)

    @rule(guild=servers)
    def document(self, guild: int) -> None:
        chunk = NewChunk(f"what the fact is: {self.word(guild)}", "what")
        self.store.add_document(NewDocument(guild_id=guild, title="Facts", kind="text", added_by="mod"), [chunk])

    @rule(who=people)
    def forget(self, who: int) -> None:
        self.store.forget(who)
        self.forgotten |= {word for word, owner in self.people.items() if owner == who}

    @rule(guild=servers, promoted=st.booleans(), imports=st.booleans())
    def night(self, guild: int, promoted: bool, imports: bool) -> None:
        """A run of a server's voice, as far as it has anything to do with words."""
        run = self.store.start_run("schedule", "2026-11-25", 1, {}, guild_id=guild)
        snapshot = self.snapshot(Voice(guild, imports))
        seen = [pair.reply_id for pair in (*snapshot.train, *snapshot.holdout)]
        self.store.record_snapshot(run.id, seen)
        samples = [{"prompt": pair.turns[-1].content, "reply_id": pair.reply_id} for pair in snapshot.holdout]
        self.store.update_run(run.id, details={"samples": samples})
        if promoted:
            row = Adapter(run.id, run.id, "tiny", LATER)
            self.store.conclude_run(run.id, row, expected=self.store.champion(guild), reason="better")
        else:
            self.store.finish_run(run.id, "kept", "not better")

    @rule(guild=servers)
    def back(self, guild: int) -> None:
        try:
            self.store.rollback(actor="mod", reason="", guild_id=guild)
        except StorageError:
            return

    @rule()
    def shared_night(self) -> None:
        """A run from before, when all servers had one voice: it saw pairs of all that taught it."""
        run = self.store.start_run("schedule", "2026-11-20", 1, {})
        pairs = self.store.eligible_pairs("operator", servers=SERVERS, learn_from=EVERY_ORIGIN)
        self.store.record_snapshot(run.id, [pair.reply_id for pair in pairs])
        row = Adapter(run.id, run.id, "tiny", LATER)
        self.store.conclude_run(run.id, row, expected=self.store.champion(), reason="better")

    def snapshot(self, voice: Voice):
        source = partial(self.store.eligible_pairs, "operator", learn_from=EVERY_ORIGIN, voice=voice)
        return stream_snapshot(source, 0.5, SnapshotConfig(), max_holdout=50)

    def check(self, text: str, guild: int, what: str, *, imports: bool) -> None:
        for word in WORD.findall(text):
            allowed = {guild, None} if imports else {guild}
            assert self.said[word] in allowed, f"{word} of {self.said[word]} is in the {what} of {guild}"
            assert word not in self.forgotten, f"{word} was forgotten and is in the {what} of {guild}"

    @invariant()
    def no_word_of_another_server_is_learned_from(self) -> None:
        for guild in SERVERS:
            for imports in (True, False):
                voice = Voice(guild, imports)
                snapshot = self.snapshot(voice)
                check = partial(self.check, guild=guild, imports=imports)
                for what, side in (("snapshot", snapshot.train), ("hold-out", snapshot.holdout)):
                    check("".join(f"{[t.content for t in p.turns]} {p.completion}" for p in side), what=what)
                numbers = [pair.reply_id for pair in (*snapshot.train, *snapshot.holdout)]
                choices = self.store.choices(numbers, "operator", learn_from=EVERY_ORIGIN, voice=voice)
                check(" ".join(f"{one.better} {one.worse}" for one in choices), what="preferences")

    @invariant()
    def no_word_of_another_server_is_shown(self) -> None:
        self.store.index_due()
        every = [*SERVERS, 0]
        for guild in SERVERS:
            for imports in (True, False):
                found = self.store.matching_entries(every, "what is say", documents=False, limit=500)
                examples = self.store.found_examples(guild, found, "operator", voice=Voice(guild, imports))
                text = " ".join(f"{one.question} {one.answer}" for one in examples)
                self.check(text, guild, "examples", imports=imports)
            facts = self.store.matching_entries(every, "fact", documents=True, limit=500)
            chunks = self.store.found_chunks(guild, facts)
            self.check(" ".join(one.text for one in chunks), guild, "documents", imports=False)

    @invariant()
    def no_run_and_no_adapter_of_a_server_saw_another(self) -> None:
        for guild in SERVERS:
            for run in self.store.runs_of_voice(guild, limit=500):
                self.check(json.dumps(run.details), guild, "report", imports=True)
            champion = self.store.champion(guild)
            if champion is not None:
                assert self.store.adapter(champion).guild_id in (guild, None)
                if self.store.adapter(champion).guild_id is None:
                    self.seen_by(champion, guild)

    def seen_by(self, adapter: str, guild: int) -> None:
        """The words that a shared adapter learned from, where it stands in for a server's own."""
        spans = self.store._db.execute(
            "select first_id, last_id from run_replies where run_id = ?", [adapter]
        ).fetchall()
        for first, last in spans:
            for number in range(first, last + 1):
                reply = self.store.reply(number)
                self.check(f"{reply.turns[-1].content} {reply.text}", guild, "shared adapter", imports=True)


Voices.TestCase.settings = settings(HISTORIES, stateful_step_count=20)
TestVoices = Voices.TestCase
