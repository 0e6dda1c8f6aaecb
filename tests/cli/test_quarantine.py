"""`quarantine`: the operator sees what was set aside and decides about it."""

from __future__ import annotations

import pytest

from storage.origins import ORIGINS
from storage.pair_records import NewPair
from storage.reply_records import Turn


@pytest.fixture
def held(store):
    """Two of three imported pairs wait."""
    store.import_pairs([NewPair((Turn("user", f"ask {n}"),), f"say\n{n}" + "!" * 200) for n in range(3)], "ann")
    numbers = [pair.reply_id for pair in store.pairs()][:2]
    store.quarantine(store.start_run("manual", "2026-11-24", 1, {}).id, [(number, "Too loud.") for number in numbers])
    return numbers


def test_the_list_says_what_waits_and_why(nightshift, held):
    """For people with shortened lines, for scripts with everything."""
    said = nightshift("quarantine").out
    assert f"{held[0]}  " in said
    assert "approved by ann  Too loud." in said
    assert "    replied: say 0!!!" in said
    assert said.endswith("2 in quarantine.\n")
    rows = nightshift("quarantine", "list", "--json").json
    assert [row["reply_id"] for row in rows] == held
    assert rows[0]["completion"] == "say\n0" + "!" * 200
    assert nightshift("quarantine", "--json").json == rows


def test_the_operator_decides_several_at_once(nightshift, store, held):
    """And may think again."""
    assert nightshift("quarantine", "confirm", *map(str, held)).out == f"Confirmed {held[0]}\nConfirmed {held[1]}\n"
    assert store.counts(learn_from=ORIGINS).eligible == 3
    assert nightshift("quarantine", "dismiss", str(held[0])).out == f"Dismissed {held[0]}\n"
    assert store.counts(learn_from=ORIGINS).eligible == 2
    assert nightshift("quarantine").out == "0 in quarantine.\n"


def test_what_does_not_wait_is_one_sentence(nightshift, held):
    """A wrong number harms nothing."""
    nightshift("quarantine", "confirm", "99").fails_with(1, "Reply 99 is not waiting in quarantine")
