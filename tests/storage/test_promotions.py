"""Champions: a fold over rows that are only ever added."""

from __future__ import annotations

import pytest

from storage.adapter_errors import AdapterExists, AdapterMissing, AdapterRetired, NothingToRollBack
from storage.promotions import champion_of, fold


def use(store, *adapters):
    for adapter in adapters:
        store.promote(adapter, kind="use", actor="ann", reason="try it")


def back(store):
    return store.rollback(actor="ann", reason="worse").adapter


def test_without_promotions_the_bare_base_is_champion(store):
    """A new home answers with the base."""
    assert store.champion() is None
    assert store.last_promotion_id() == 0
    assert store.promotions() == []


def test_the_latest_promotion_is_champion(store, add_adapter):
    """By the gate or by hand; the number grows so that the bot sees it."""
    add_adapter("v1", "v2")
    first = store.promote("v1", kind="gate", actor="trainer", reason="better by 0.2")
    assert (store.champion(), store.last_promotion_id()) == ("v1", first.id)
    second = store.promote("v2", kind="use", actor="ann", reason="")
    assert (store.champion(), store.last_promotion_id()) == ("v2", second.id)
    assert store.promotions() == [first, second]
    assert second.id > first.id


def test_a_rollback_leads_to_the_champion_before_and_says_which(store, add_adapter):
    """The row names where it leads."""
    add_adapter("v1", "v2")
    use(store, "v1", "v2")
    assert back(store) == "v1"
    assert store.champion() == "v1"
    assert (store.promotions()[-1].kind, store.promotions()[-1].adapter) == ("rollback", "v1")


def test_a_rollback_after_a_rollback_goes_further_back(store, add_adapter):
    """Down to the bare base, then there is nothing left."""
    add_adapter("v1", "v2", "v3")
    use(store, "v1", "v2", "v3")
    assert [back(store), back(store), back(store)] == ["v2", "v1", None]
    with pytest.raises(NothingToRollBack, match="nothing to roll back"):
        back(store)
    assert len(store.promotions()) == 6


def test_rolling_back_from_the_base_restores_the_adapter(store, add_adapter):
    """`use base`, then `rollback`: the base was a champion too."""
    add_adapter("v1")
    use(store, "v1", None)
    assert store.champion() is None
    assert back(store) == "v1"


def test_promotion_goes_on_after_a_rollback(store, add_adapter):
    """What was rolled back is not in the way of what comes next."""
    add_adapter("v1", "v2", "v3")
    use(store, "v1", "v2")
    back(store)
    use(store, "v3")
    assert [back(store), back(store)] == ["v1", None]


def test_a_rollback_always_changes_something(store, add_adapter):
    """The same adapter chosen twice is one champion."""
    add_adapter("v1", "v2")
    use(store, "v1", "v2", "v2")
    assert back(store) == "v1"
    use(store, "v1")
    assert back(store) is None


def test_a_fresh_home_that_chose_the_base_has_nothing_before(store):
    """From base to base is no way back."""
    use(store, None)
    with pytest.raises(NothingToRollBack):
        back(store)


def test_retired_adapters_are_passed_over(store, add_adapter):
    """As champion, and as the way back."""
    add_adapter("v1", "v2", "v3", "v4")
    use(store, "v1", "v2", "v3", "v4")
    store.retire_adapter("v4")
    assert store.champion() == "v3"
    store.retire_adapter("v2")
    assert back(store) == "v1"
    assert store.champion() == "v1"
    assert back(store) is None


def test_retiring_later_does_not_change_what_a_rollback_meant(store, add_adapter):
    """Rolled back from v2 to v1; v2's retirement afterwards must not roll back once more."""
    add_adapter("v1", "v2")
    use(store, "v1", "v2")
    back(store)
    store.retire_adapter("v2")
    assert store.champion() == "v1"


def test_a_retired_adapter_never_becomes_champion_again(store, add_adapter):
    """It learned from words that were withdrawn."""
    add_adapter("v1")
    store.retire_adapter("v1")
    with pytest.raises(AdapterRetired, match="v1 is retired"):
        use(store, "v1")
    assert store.promotions() == []


def test_an_unknown_adapter_is_not_promoted(store):
    """Its row comes first, and before the row its directory."""
    with pytest.raises(AdapterMissing, match="no adapter v9"):
        use(store, "v9")
    with pytest.raises(ValueError, match="call rollback"):
        store.promote(None, kind="rollback", actor="ann", reason="")


def test_an_adapters_row_is_written_once(store, add_adapter):
    """Rows are listed in the order they came; retiring is the only change."""
    add_adapter("b", "a")
    with pytest.raises(AdapterExists):
        add_adapter("a")
    assert [adapter.id for adapter in store.adapters()] == ["b", "a"]
    assert store.adapter("a").manifest == {"seed": 1}
    store.retire_adapter("a")
    moment = store.adapter("a").retired_at
    store.retire_adapter("a")
    assert store.adapter("a").retired_at == moment is not None
    with pytest.raises(AdapterMissing):
        store.retire_adapter("z")


def test_the_fold_is_a_plain_function_of_the_rows(store, add_adapter):
    """Any reader of the history comes to the same champion."""
    add_adapter("v1", "v2", "v3")
    use(store, "v1", "v2", None, "v3")
    back(store)
    stack = fold(store.promotions())
    assert stack == ["v1", "v2", None]
    assert champion_of(stack, retired=set()) == store.champion()
