"""Whose pairs teach and whose judge: named servers, moderators' imports, and shares and floods by id."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from storage.origins import ORIGINS
from storage.pair_records import NewPair
from storage.reply_records import NewReply, Turn
from storage.store import Store
from tests.trainer.pairs import a_pair
from trainer.data_settings import QuarantineConfig, SnapshotConfig
from trainer.errors import SettingsInvalid
from trainer.quarantine.rules import stand_out
from trainer.settings import load_trainer_settings
from trainer.snapshot.snapshot import take_snapshot

HOME, ELSEWHERE, MO, SAM, ANN = 11, 22, 901, 902, 42


@pytest.fixture
def store(tmp_path):
    with Store.open(tmp_path / "nightshift.db") as opened:
        opened.set_consent(ANN, opted_in=True)
        yield opened


def approved(store, guild, question="Is oak hard?"):
    """A reply on a server to somebody who opted in, approved there."""
    turns = (Turn("user", question, ANN),)
    reply = NewReply(
        source="discord",
        conversation=f"discord:{guild}:{question}",
        turns=turns,
        text="Aye.",
        adapter=None,
        base_model="embedded",
        guild_id=guild,
        asker_id=ANN,
    )
    number = store.add_reply(reply)
    store.add_review(number, "approve", reviewer="Mo", reviewer_id=MO)
    return number


def taught(store, **options):
    taken = take_snapshot(store.eligible_pairs("members", learn_from=ORIGINS, **options), 0.15)
    return {pair.guild_id for pair in (*taken.train, *taken.holdout)}


def rows(count, word="advert"):
    return [NewPair((Turn("user", f"What {word} {n}?"),), f"Buy {word} number {n}.") for n in range(count)]


def test_until_the_operator_names_servers_the_first_one_teaches(store):
    """It is remembered for good: neither what was said elsewhere since nor a later join changes it."""
    assert store.remember_home_server([HOME, ELSEWHERE]) == HOME
    approved(store, ELSEWHERE)
    approved(store, HOME)
    assert store.remember_home_server([ELSEWHERE]) == HOME
    assert taught(store) == {HOME}
    assert store.counts("operator", learn_from=ORIGINS).eligible == 1


def test_the_operator_names_the_servers_that_teach(store):
    """By id; the first one is then no exception."""
    store.remember_home_server([HOME])
    for guild in (HOME, ELSEWHERE, 33):
        approved(store, guild, f"Is oak {guild} years old?")
    assert taught(store, servers=(ELSEWHERE, 33)) == {ELSEWHERE, 33}
    assert store.counts("members", servers=(ELSEWHERE, 33), learn_from=ORIGINS).eligible == 2


@pytest.mark.parametrize("line", ['servers = ["Workshop"]', 'servers = ["<@&1>"]', "servers = [0]"])
def test_a_server_s_name_is_refused_with_the_way_to_its_id(place, line):
    """Another server can take a name."""
    place.home.config.write_text(f"[training]\n{line}\n")
    with pytest.raises(SettingsInvalid) as caught:
        load_trainer_settings(place.home)
    if "Workshop" in line:
        assert "Copy Server ID" in str(caught.value)


def test_ids_are_taken_as_numbers_and_in_quotes(place):
    """Discord copies digits, and TOML has numbers."""
    place.home.config.write_text('[training]\nservers = [1456074443980800016, "22"]\n')
    assert load_trainer_settings(place.home).training.servers == (1456074443980800016, 22)


def test_a_moderator_s_import_teaches_once_it_is_let_in_and_never_judges(store):
    """Neither with a conversation of its own nor in one that the operator's pairs share."""
    store.remember_home_server([HOME])
    store.import_pairs(rows(300, "chair"), "operator")
    store.import_pairs(rows(300), "Mo", guild_id=HOME, by=MO)
    assert taught(store) == {None}
    for one in store.quarantined(limit=None):
        store.decide_quarantine(one.reply_id, confirmed=True, actor="Sam", actor_id=SAM)
    taken = take_snapshot(store.eligible_pairs("members", learn_from=ORIGINS), 0.15, SnapshotConfig(near_duplicate=1.0))
    assert {pair.guild_id for pair in taken.holdout} == {None}
    assert Counter(pair.guild_id for pair in taken.train)[HOME] == 300
    assert len(taken.holdout) > 20


def test_an_import_is_let_in_by_another_and_its_editor_does_not_get_round_that(store):
    """Other words by the importer are not the words that a second moderator saw."""
    store.remember_home_server([HOME])
    store.import_pairs(rows(1), "Mo", guild_id=HOME, by=MO)
    with pytest.raises(Exception, match="approved by you"):
        store.decide_quarantine(1, confirmed=True, actor="Mo", actor_id=MO)
    store.decide_quarantine(1, confirmed=True, actor="Sam", actor_id=SAM)
    assert taught(store) == {HOME}
    store.add_review(1, "edit", reviewer="Mo", reviewer_id=MO, edited_text="Buy more.")
    assert taught(store) == set()


def test_a_night_looks_at_what_a_second_moderator_let_in(store):
    """To let an import in is no verdict on what stands out in a night; after that night it is."""
    store.remember_home_server([HOME])
    store.import_pairs(rows(2), "Mo", guild_id=HOME, by=MO)
    for number in (1, 2):
        store.decide_quarantine(number, confirmed=True, actor="Sam", actor_id=SAM)
    assert store.confirmed_pairs() == frozenset()
    run = store.start_run("schedule", "2026-11-23", 1, {})
    assert store.quarantine(run.id, [(1, "It is odd.")]) == 1
    assert [pair.reply_id for pair in store.eligible_pairs("members", learn_from=ORIGINS)] == [2]
    store.decide_quarantine(1, confirmed=True, actor="Sam", actor_id=SAM)
    assert store.confirmed_pairs() == {1}
    assert store.quarantine(run.id, [(1, "It is odd.")]) == 0


def moderated(count, first, **changes):
    """Pairs of somebody, all different."""
    return [
        a_pair(n, question=f"Is wood {n} hard?", completion=f"Wood {n} is as hard as {n * 7}.", **changes)
        for n in range(first, first + count)
    ]


RULES = SnapshotConfig(near_duplicate=1.0, max_author_share=1.0, share_floor=10, max_moderator_share=0.5)


def test_a_new_name_gives_a_moderator_no_second_share():
    """One person under five names has the share of one."""
    rogue = [pair for n in range(5) for pair in moderated(40, 1 + 40 * n, reviewer=f"name {n}", reviewer_id=MO)]
    good = moderated(30, 500, reviewer="Sam", reviewer_id=SAM)
    taken = take_snapshot([*rogue, *good], 1e-9, RULES)
    counts = Counter(pair.reviewer_id for pair in (*taken.train, *taken.holdout))
    assert counts == {SAM: 30, MO: 30}


def test_two_moderators_of_one_name_have_a_share_each():
    """Nobody loses pairs for what another is called."""
    pairs = [*moderated(60, 1, reviewer="Alex", reviewer_id=MO), *moderated(60, 100, reviewer="Alex", reviewer_id=SAM)]
    assert len(take_snapshot(pairs, 1e-9, RULES)) == 120


def test_a_moderator_s_import_counts_towards_their_shares():
    """As approver, and as the author where it names none; the operator's counts towards nobody's."""
    imported = [
        a_pair(n, completion=f"Buy {n}.", turns=(Turn("user", f"What {n}?"),), **own)
        for n in range(1, 101)
        for own in [{"source": "import", "guild_id": HOME, "reviewer_id": MO, "authors": ()}]
    ]
    said = [
        a_pair(n, question=f"Is wood {n} hard?", completion=f"As {n}.", reviewer_id=SAM, authors=(n,))
        for n in range(200, 220)
    ]
    taken = take_snapshot([*imported, *said], 1e-9, RULES)
    assert Counter(pair.reviewer_id for pair in (*taken.train, *taken.holdout)) == {SAM: 20, MO: 20}
    operators = [a_pair(n, completion=f"Buy {n}.", source="import", reviewer="op", authors=()) for n in range(1, 101)]
    assert len(take_snapshot([*operators, *said], 1e-9, RULES)) == 120


@pytest.mark.parametrize("names", [("Mo", "Mo"), ("Mo", "Mister Mo")])
def test_a_night_s_import_is_a_flood_by_id(names):
    """Nine tenths of the night stay, the oldest, whatever the importer is called by then."""
    flood = [
        a_pair(n, question=f"What {n}?", completion=f"Number {n} is {n * 3}.", source="import", guild_id=HOME)
        for n in range(1, 101)
    ]
    flood = [replace_reviewer(pair, names[pair.reply_id % 2], MO) for pair in flood]
    said = [replace_reviewer(pair, "Sam", SAM) for pair in moderated(5, 200)]
    config = QuarantineConfig(phrase_share=1.0, flood_floor=50)
    found = stand_out([*flood, *said], [*range(1, 101), *range(200, 205)], (), {}, config)
    assert [one.reply_id for one in found if one.kind == "flood"] == list(range(95, 101))


def replace_reviewer(pair, name, number):
    return replace(pair, reviewer=name, reviewer_id=number)
