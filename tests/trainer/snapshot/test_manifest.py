"""The manifest of a run's snapshot: no words in it, and the same snapshot comes back from it."""

from __future__ import annotations

import json
from functools import partial

import pytest

from storage.origins import ORIGINS
from storage.pair_records import NewPair
from storage.reply_records import Turn
from storage.store import Store
from tests.storage.conftest import ALICE, a_reply
from trainer.data_settings import SnapshotConfig
from trainer.errors import SnapshotGone
from trainer.snapshot.manifest import manifest_of, provenance_of, read_manifest, rebuild, write_manifest
from trainer.snapshot.snapshot import stream_snapshot

SHARE = 0.3
RULES = SnapshotConfig(max_pairs=20, share_floor=5)


@pytest.fixture
def store(tmp_path):
    with Store.open(tmp_path / "nightshift.db") as opened:
        opened.import_pairs([NewPair((Turn("user", f"question {n}"),), f"answer {n}") for n in range(60)], "op")
        yield opened


def taken(store):
    snapshot = stream_snapshot(
        partial(store.eligible_pairs, "members", learn_from=ORIGINS), SHARE, RULES, max_holdout=8
    )
    return snapshot, manifest_of(
        snapshot, taken_at="2026-11-24T04:00:00.000+00:00", consent="members", holdout_share=SHARE, rules=RULES
    )


def test_the_same_snapshot_comes_back_from_its_manifest(store, tmp_path):
    """Whatever was approved since: the same pairs on the same sides, with the same hash."""
    snapshot, manifest = taken(store)
    write_manifest(tmp_path, manifest)
    store.import_pairs([NewPair((Turn("user", f"later {n}"),), f"answer {n}") for n in range(60)], "op")
    read = read_manifest(tmp_path)
    assert read == manifest
    again = rebuild(read, partial(store.eligible_pairs, "members", learn_from=ORIGINS))
    assert (again.train, again.holdout, again.hash) == (snapshot.train, snapshot.holdout, snapshot.hash)
    assert again.left_out == snapshot.left_out
    assert (len(again.train), len(again.holdout)) == (20, 8)


def test_the_manifest_says_how_the_pairs_were_chosen_and_holds_no_words(store, tmp_path):
    """Numbers, hashes, the consent rule, the time and the counts of what was left out."""
    snapshot, manifest = taken(store)
    write_manifest(tmp_path, manifest)
    text = (tmp_path / "snapshot.json").read_text()
    assert "question" not in text
    assert "answer" not in text
    kept = json.loads(text)
    assert (kept["consent"], kept["taken_at"]) == ("members", "2026-11-24T04:00:00.000+00:00")
    assert kept["rules"]["max_pairs"] == 20
    assert kept["left_out"] == {"reservoir": 60 - len(snapshot)}
    assert kept["hash"] == snapshot.hash
    assert len(kept["pairs"]) == len(snapshot)


@pytest.mark.parametrize("change", ["reject", "edit"])
def test_a_snapshot_whose_words_changed_is_gone(store, change):
    """It is said how many of its pairs; nothing else is trained on instead."""
    snapshot, manifest = taken(store)
    number = snapshot.train[3].reply_id
    store.add_review(number, change, reviewer="mod", edited_text="other" if change == "edit" else None)
    with pytest.raises(SnapshotGone, match="1 of its pairs") as caught:
        rebuild(manifest, partial(store.eligible_pairs, "members", learn_from=ORIGINS))
    assert caught.value.reply_ids == (number,)


def test_redacted_words_do_not_come_back(store):
    """A person who asked to be forgotten is in no run, repeated or not."""
    reply = store.add_reply(a_reply())
    store.add_review(reply, "approve", reviewer="mod")
    store.set_consent(ALICE, opted_in=True)
    snapshot = stream_snapshot(
        partial(store.eligible_pairs, "members", learn_from=ORIGINS), SHARE, SnapshotConfig(), max_holdout=99
    )
    manifest = manifest_of(snapshot, taken_at="", consent="members", holdout_share=SHARE, rules=SnapshotConfig())
    store.forget(ALICE)
    with pytest.raises(SnapshotGone) as caught:
        rebuild(manifest, partial(store.eligible_pairs, "members", learn_from=ORIGINS))
    assert caught.value.reply_ids == (reply,)


def test_an_earlier_version_s_file_still_says_what_was_seen(tmp_path):
    """It had numbers and digests only."""
    (tmp_path / "snapshot.json").write_text('{"hash": "x", "holdout": [2], "pairs": {"1": "a", "2": "b"}}')
    assert provenance_of(tmp_path) == {1: "a", 2: "b"}
    assert read_manifest(tmp_path) is None
    assert provenance_of(tmp_path / "nowhere") is None
