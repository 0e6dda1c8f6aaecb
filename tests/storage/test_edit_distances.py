"""How much was changed before approval, of texts and of a server's replies."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.edit_distances import changed_share, distance
from storage.reply_records import NewReply, Turn
from storage.store import Store

texts = st.text("abc \u00e4\U0001f600", max_size=90)


def by_table(one, other):
    """Wagner and Fischer's table, row by row."""
    row = list(range(len(other) + 1))
    for number, sign in enumerate(one, 1):
        before, row[0] = row[0], number
        for place, against in enumerate(other, 1):
            before, row[place] = row[place], min(before + (sign != against), row[place] + 1, row[place - 1] + 1)
    return row[-1]


@given(texts, texts)
def test_the_distance_is_that_of_the_table(one, other):
    """Whatever the signs and lengths."""
    assert distance(one, other) == by_table(one, other)


@pytest.mark.parametrize(
    ("said", "approved", "share"), [("", "", 0.0), ("boat", "boat", 0.0), ("boat", "coat", 0.25), ("no", "never", 0.8)]
)
def test_the_share_is_of_the_longer_text(said, approved, share):
    """Nothing is 0, all of it 1."""
    assert changed_share(said, approved) == share


def reply(store, number, text, adapter, guild=1):
    return store.add_reply(
        NewReply(
            source="discord",
            conversation=f"c{number}",
            turns=(Turn("user", "?", 7, 70 + number),),
            text=text,
            adapter=adapter,
            base_model="tiny",
            guild_id=guild,
            channel_id=1,
            asker_id=7,
        )
    )


def test_each_adapter_has_its_share_and_the_newest_comes_last(tmp_path):
    """Approvals count as unchanged, edits by their words; rejections, other servers and undone reviews not at all."""
    with Store.open(tmp_path / "db") as store:
        for number, adapter in enumerate([None, "one", "one"]):
            store.add_review(reply(store, number, "boat", adapter), "approve", reviewer="mod")
        store.add_review(reply(store, 3, "boat", "one"), "edit", reviewer="mod", edited_text="coat")
        store.add_review(reply(store, 4, "boat", "one"), "reject", reviewer="mod")
        store.add_review(reply(store, 5, "boat", "one", guild=2), "edit", reviewer="mod", edited_text="never")
        undone = reply(store, 6, "boat", "two")
        store.add_review(undone, "edit", reviewer="mod", edited_text="never")
        store.add_review(undone, "undo", reviewer="mod")
        found = store.edits_by_adapter(1)
        assert [(one.name, one.approved, one.edited) for one in found] == [("", 1, 0), ("one", 3, 1)]
        assert found[1].share == pytest.approx(0.25 / 3)
        (week,) = store.edits_by_week(1, "2020-01-01")
        assert (week.approved, week.edited) == (4, 1)
        assert store.edits_by_week(1, "2999-01-01") == []
