"""`pairs`: the operator takes back what a moderator decided, and puts it back."""

from __future__ import annotations

from storage.pair_records import NewPair
from storage.reply_records import Turn


def test_a_moderator_s_decisions_are_taken_back_and_put_back(nightshift, store):
    """With the number that puts them back, and a sentence where there is nothing."""
    store.import_pairs([NewPair((Turn("user", f"ask {n}"),), f"say {n}") for n in range(3)], "sly", by=777)
    said = nightshift("pairs", "undo", "777", "--since", "1d")
    assert said.code == 0
    assert "took back 3 verdicts and 0 quarantine decisions" in said.out
    assert "nightshift pairs redo 1" in said.out
    assert list(store.pairs()) == []
    assert "put back 3 verdicts" in nightshift("pairs", "redo", "1").out
    assert len(list(store.pairs())) == 3
    again = nightshift("pairs", "redo", "1")
    assert again.code == 1
    assert "reversed already" in again.err


def test_a_time_that_is_none_is_refused(nightshift):
    """Before anything is changed."""
    for since in ("soon", "0001-01-01T00:00+14:00", "2999-01-01"):
        nightshift("pairs", "undo", "777", "--since", since).fails_with(2, "a date that has passed")
