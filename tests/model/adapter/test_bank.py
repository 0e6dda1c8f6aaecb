"""The bank's host state: which slot a reply reads, when a slot is free, and what a change waits for. No model."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.adapter.bank import BARE, AdapterBank, Turn
from model.errors import AdapterNotLoaded, BankFull
from model.protocol import IN_USE, AdapterRef

A, B, C, D = (AdapterRef(name, Path(name)) for name in "abcd")


def swap(bank: AdapterBank, ref: AdapterRef | None) -> None:
    """As the engine does it, when the turn is now."""
    assert bank.turn(ref, replacing=True) is Turn.NOW
    if ref is not None and bank.find(ref) is None:
        bank.put(bank.place(replacing=True), ref)
    bank.use(ref)


def load(bank: AdapterBank, ref: AdapterRef) -> None:
    assert bank.turn(ref, replacing=False) is Turn.NOW
    if bank.find(ref) is None:
        bank.put(bank.place(replacing=False), ref)
    bank.keep(ref)


def test_a_reply_keeps_its_slot_and_new_ones_get_the_new_adapter():
    """The slot of the earlier adapter is free when its last reply ends."""
    bank = AdapterBank(2)
    swap(bank, A)
    first, second = bank.begin(IN_USE), bank.begin(IN_USE)
    swap(bank, B)
    third = bank.begin(IN_USE)
    assert [bank.name(slot) for slot in (first, second, third)] == ["a", "a", "b"]
    assert bank.replies() == {"a": 2, "b": 1}
    bank.end(first)
    assert bank.replies() == {"a": 1, "b": 1}
    bank.end(second)
    assert bank.replies() == {"b": 1}
    swap(bank, C)
    assert bank.begin(IN_USE) == first


def test_a_swap_waits_for_an_earlier_adapter_s_reply_while_others_begin():
    """Every slot is taken, but one will be free by itself."""
    bank = AdapterBank(2)
    swap(bank, A)
    earlier = bank.begin(IN_USE)
    swap(bank, B)
    bank.begin(IN_USE)
    assert bank.turn(C, replacing=True) is Turn.LATER
    bank.end(earlier)
    assert bank.turn(C, replacing=True) is Turn.NOW


def test_a_swap_takes_the_slot_of_an_adapter_in_use_that_makes_no_reply():
    """Nothing is gained by waiting for another one."""
    bank = AdapterBank(2)
    swap(bank, A)
    earlier = bank.begin(IN_USE)
    swap(bank, B)
    swap(bank, C)
    assert bank.replies() == {"a": 1, "c": 0}
    assert bank.name(earlier) == "a"


def test_the_only_slot_is_written_when_its_replies_have_ended():
    """With one slot a swap is what it always was."""
    bank = AdapterBank(1)
    swap(bank, A)
    slot = bank.begin(IN_USE)
    assert bank.turn(B, replacing=True) is Turn.AFTER_REPLIES
    bank.end(slot)
    swap(bank, B)
    assert bank.held == {0: B}


def test_going_back_to_an_adapter_that_still_answers_loads_nothing():
    """It is in memory, and wanted again."""
    bank = AdapterBank(2)
    swap(bank, A)
    slot = bank.begin(IN_USE)
    swap(bank, B)
    swap(bank, A)
    bank.end(slot)
    assert bank.in_use == A
    assert bank.begin(IN_USE) == slot


def test_the_bare_base_needs_no_slot():
    """A swap to it never waits."""
    bank = AdapterBank(1)
    assert bank.begin(IN_USE) == BARE
    swap(bank, A)
    slot = bank.begin(IN_USE)
    swap(bank, None)
    assert (bank.in_use, bank.begin(IN_USE), bank.begin(None), bank.name(BARE)) == (None, BARE, BARE, None)
    assert bank.turn(B, replacing=True) is Turn.LATER
    bank.end(slot)
    bank.end(BARE)
    assert bank.held == {}


def test_a_loaded_adapter_stays_until_it_is_let_go_and_its_last_reply_ends():
    """By name, in use or not."""
    bank = AdapterBank(2)
    load(bank, A)
    swap(bank, B)
    assert bank.kept == [A]
    slot = bank.begin("a")
    bank.let_go("a")
    with pytest.raises(AdapterNotLoaded, match="a is not in memory"):
        bank.begin("a")
    assert bank.replies() == {"a": 1, "b": 0}
    bank.end(slot)
    assert bank.replies() == {"b": 0}
    with pytest.raises(AdapterNotLoaded):
        bank.let_go("a")


def test_the_adapter_in_use_can_be_asked_for_by_name_but_not_an_earlier_one():
    """What goes answers nothing new."""
    bank = AdapterBank(2)
    swap(bank, A)
    assert bank.begin("a") == bank.begin(IN_USE)
    swap(bank, B)
    with pytest.raises(AdapterNotLoaded):
        bank.begin("a")


def test_a_loaded_adapter_stays_after_a_swap_away_from_it():
    """And one that was loaded while in use, too."""
    bank = AdapterBank(3)
    swap(bank, A)
    load(bank, A)
    swap(bank, B)
    assert bank.name(bank.begin("a")) == "a"


def test_a_bank_full_of_loaded_adapters_says_so():
    """A swap among them still goes; another one finds no place."""
    bank = AdapterBank(2)
    load(bank, A)
    load(bank, B)
    swap(bank, A)
    bank.begin("b")
    for replacing in (True, False):
        assert bank.turn(C, replacing=replacing) is Turn.NOW
        with pytest.raises(BankFull, match="All 2 places"):
            bank.place(replacing=replacing)
    swap(bank, B)


def test_loading_never_takes_the_place_of_the_adapter_in_use():
    """Only a swap replaces it."""
    bank = AdapterBank(1)
    swap(bank, A)
    with pytest.raises(BankFull):
        bank.place(replacing=False)


@given(
    st.integers(1, 4),
    st.lists(st.tuples(st.sampled_from(["swap", "load", "unload", "begin", "end"]), st.integers(0, 9))),
)
def test_no_slot_is_ever_written_while_a_reply_reads_it(slots, acts):
    """Whatever happens in whatever order; and every reply ends with the adapter it began with."""
    bank, replies, refs = AdapterBank(slots), [], [A, B, C, D, None]
    for act, number in acts:
        ref = refs[number % len(refs)]
        if act == "begin":
            slot = bank.begin(IN_USE)
            replies.append((slot, bank.name(slot)))
        elif act == "end" and replies:
            slot, name = replies.pop(number % len(replies))
            assert bank.name(slot) == name
            bank.end(slot)
        elif act == "unload" and ref in bank.kept:
            bank.let_go(ref.id)
        elif act in {"swap", "load"} and (ref is not None or act == "swap"):
            replacing = act == "swap"
            if bank.turn(ref, replacing=replacing) is not Turn.NOW:
                continue
            if ref is not None and bank.find(ref) is None:
                try:
                    slot = bank.place(replacing=replacing)
                except BankFull:
                    continue
                assert slot not in {own for own, _ in replies}
                bank.put(slot, ref)
            bank.use(ref) if replacing else bank.keep(ref)
            assert ref is None or ref.id in bank.replies()
        assert all(bank.name(slot) == name for slot, name in replies)
        assert len(bank.held) <= slots
    for slot, _ in replies:
        bank.end(slot)
    assert set(bank.held.values()) == {*bank.kept, *([bank.in_use] if bank.in_use else [])}
