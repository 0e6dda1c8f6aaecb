"""Random conversations of all origins: no byte of an excluded one in a snapshot, a preference or an export.

The bot quotes all that it was shown, and moderators quote what they correct, so whatever leaks is seen.
"""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import hypothesis.strategies as st
from hypothesis import example, given, settings

from storage.origins import LEARNED_BY_DEFAULT, MESSAGE_CONTENT, ORIGINS
from storage.pair_records import NewPair
from storage.reply_records import NewReply, Turn
from storage.store import Store
from tests.trainer.conftest import QUICK
from trainer.data_settings import SnapshotConfig
from trainer.settings import TrainingConfig
from trainer.snapshot.snapshot import stream_snapshot

HOME = 11
PEOPLE = (101, 102, 103)
SAID = ("message", "direct_message", "command", "command", "command", None)
WORD = re.compile(r"zq\d+x")

MOMENTS = st.lists(
    st.tuples(
        st.sampled_from([*SAID, "import", "discord_export"]),
        st.sampled_from(PEOPLE),
        st.lists(st.integers(0, 30), max_size=2),  # earlier moments that are shown
        st.sampled_from([True, True, False]),  # their answers or their questions
        st.sampled_from(["approve", "approve", "approve", "edit", "reject"]),
        st.booleans(),  # whether a persona was set in a form
    ),
    min_size=4,
    max_size=14,
)


def own_word(turn):
    """The word that a question was given."""
    return WORD.search(turn.content)[0]


@dataclass
class Moment:
    """What was said, the answer, who had a part in it, and the origins of what a quotation of the answer may hold."""

    question: Turn
    answer: Turn
    people: set[int] = field(default_factory=set)
    quoted: set[str] = field(default_factory=set)


class Conversations:
    """A store, of which origin each word in it is, and all origins of the pair that a word asks for.

    Words without an origin count as messages.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.origin_of: dict[str, str] = {}
        self.origins_of: dict[str, set[str]] = {}
        self.moments: list[Moment] = []

    def word(self, origin: str | None) -> str:
        word = f"zq{len(self.origin_of)}x"
        self.origin_of[word] = origin or "message"
        return word

    def add(self, moment) -> None:
        origin, person, earlier, answers, verdict, persona = moment
        if origin in ("import", "discord_export"):
            turn = Turn("user", self.word(origin), person if origin == "discord_export" else None)
            self.origins_of[turn.content] = {origin, "import"}  # which is what a completion is unless told
            self.store.import_pairs([NewPair((turn,), f"Aye, {self.word(origin)}.")], "the operator")
            return
        number = 10 * len(self.moments) + 1000
        shown = [self.moments[one % len(self.moments)] for one in earlier if self.moments]
        turns = [Turn("system", self.word("command"), origin="command")] if persona else []
        turns += [one.answer if answers else one.question for one in shown]
        question = Turn("user", f"{self.word(origin)}?", person, number, origin)
        quoted = " ".join(WORD.findall(" ".join(turn.content for turn in (*turns, question))))
        answer = Turn("assistant", f"{self.word('bot')}: {quoted}", None, number + 1, "bot")
        reply = NewReply(
            source="discord",
            conversation=f"discord:{HOME}:{number}",
            turns=(*turns, question),
            text=answer.content,
            adapter=None,
            base_model="embedded",
            guild_id=None if origin == "direct_message" else HOME,
            channel_id=HOME,
            message_id=number + 1,
            asker_id=person,
            prompt_message_id=number,
        )
        reply_id = self.store.add_reply(reply)
        edited = f"{self.word('moderator')}, {quoted}" if verdict == "edit" else None
        self.store.add_review(reply_id, verdict, reviewer="mo", reviewer_id=9, edited_text=edited)
        prompt = {origin or "message"}.union({"command"} if persona else ())
        prompt = prompt.union(*(one.quoted if answers else {self.origin_of[own_word(one.question)]} for one in shown))
        corrected = {"moderator"} if verdict == "edit" else set()
        self.origins_of[own_word(question)] = prompt | (corrected or {"bot"})
        people = {person}.union(*(one.people for one in shown))
        self.moments.append(Moment(question, answer, people, prompt | {"bot"} | corrected))

    def excluded(self, allowed) -> set[str]:
        return {word for word, origin in self.origin_of.items() if origin not in allowed}


@given(
    moments=MOMENTS,
    chosen=st.one_of(st.just(LEARNED_BY_DEFAULT), st.sets(st.sampled_from(ORIGINS)).map(tuple)),
    permitted=st.booleans(),
    opted_in=st.sets(st.sampled_from(PEOPLE)),
    consent=st.sampled_from(["members", "operator"]),
)
@example(
    moments=[("message", 101, [], True, "reject", False), ("command", 101, [0], True, "approve", False)],
    chosen=LEARNED_BY_DEFAULT,
    permitted=False,
    opted_in={101},
    consent="members",
)
@settings(max_examples=150, deadline=None)
def test_no_byte_of_an_excluded_origin_is_in_what_trains_or_judges(moments, chosen, permitted, opted_in, consent):
    """And nothing is kept out that is of chosen origins alone."""
    with tempfile.TemporaryDirectory() as folder, Store.open(Path(folder) / "nightshift.db") as store:
        store.remember_home_server([HOME])
        store.permit_message_content(on=permitted)
        said = Conversations(store)
        for moment in moments:
            said.add(moment)
        for person in opted_in:
            store.set_consent(person, opted_in=True)
        source = partial(store.eligible_pairs, consent, learn_from=chosen)
        snapshot = stream_snapshot(source, 0.3, SnapshotConfig(near_duplicate=1.0), max_holdout=99)
        pairs = [*snapshot.train, *snapshot.holdout]
        choices = list(store.choices([pair.reply_id for pair in pairs], consent, learn_from=chosen))
        exported = store.exportable_pairs(HOME, consent, learn_from=chosen, unowned=True)
        allowed = {*chosen, *(("message", "direct_message") if permitted else ())}
        found = set(WORD.findall(f"{snapshot} {pairs} {choices} {exported}"))
        assert found & said.excluded(allowed) == set()
        counts = store.counts(consent, learn_from=chosen)
        everything = list(store.eligible_pairs(consent, learn_from=ORIGINS))
        assert counts.eligible + counts.excluded == len(everything)
        clean = [pair for pair in everything if said.origins_of[own_word(pair.turns[-1])] <= allowed]
        assert {pair.reply_id for pair in clean} == {one.reply_id for one in source(None)}
        if consent == "members":
            assert not [pair for pair in pairs if set(pair.authors) - opted_in]


def test_by_default_nothing_of_discord_s_messages_is_learned_from():
    """Only a deliberate line in the file or the choice in /setup changes that."""
    assert set(TrainingConfig().learn_from) == set(ORIGINS) - set(MESSAGE_CONTENT)
    assert QUICK.learn_from == TrainingConfig().learn_from
