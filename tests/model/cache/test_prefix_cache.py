"""Where a prompt goes, and what is kept for the next one: model/cache/prefix_cache.py."""

from __future__ import annotations

from model.cache.prefix_cache import Place, PrefixCache

PERSONA = list(range(100, 130))
FREE = range(3)


def holding(*rows: list[int], adapter: str = "a") -> PrefixCache:
    """A cache whose rows were written in this order."""
    cache = PrefixCache(len(rows))
    for row, tokens in enumerate(rows):
        if tokens:
            cache.keep(row, tokens, len(tokens), adapter)
    return cache


def test_an_empty_row_is_taken_before_one_that_holds_something():
    """Nothing is given up without need."""
    assert holding(PERSONA, [], PERSONA).place([1] * 40, "a", FREE).target == 1


def test_the_row_used_longest_ago_is_given_up():
    """By its last token, not by its first."""
    cache = holding([1] * 20, [2] * 20, [3] * 20)
    cache.extend(0, [1])
    assert cache.place([9] * 40, "a", FREE).target == 1


def test_a_conversation_goes_on_in_its_own_row():
    """Most of what the row holds is shared: nothing is copied, and no other row is given up."""
    said = PERSONA + list(range(40))
    cache = holding([1] * 20, [*said, 7, 7], [])
    assert cache.place([*said, 8, 9], "a", FREE) == Place(1, 1, len(said))


def test_the_shared_persona_of_another_conversation_is_copied():
    """The rest of that row stays for its own channel."""
    cache = holding(PERSONA + [1] * 200, [2] * 20, [3] * 20)
    assert cache.place(PERSONA + [4] * 50, "a", FREE) == Place(1, 0, len(PERSONA))


def test_a_row_in_use_lends_its_beginning():
    """It is no place to go to."""
    cache = holding(PERSONA + [1] * 5, [2] * 20, [])
    assert cache.place(PERSONA + [1] * 9, "a", range(1, 3)) == Place(2, 0, len(PERSONA) + 5)


def test_the_last_free_row_may_be_the_one_that_lends():
    """There is no other place."""
    cache = holding([1] * 20, [2] * 20, PERSONA + [3] * 200)
    assert cache.place(PERSONA + [4] * 50, "a", range(2, 3)) == Place(2, 2, len(PERSONA))


def test_a_token_is_always_left_to_compute():
    """The whole prompt is held, but its scores are not."""
    assert holding(PERSONA).place(PERSONA, "a", range(1)).shared == len(PERSONA) - 1


def test_another_adapter_s_keys_are_never_lent():
    """Other weights give other keys, for the same words."""
    assert holding(PERSONA).place([*PERSONA, 1], "b", range(1)) == Place(0, 0, 0)


def test_one_adapter_s_rows_are_forgotten_alone():
    """Other weights came into its place; what the others computed still holds."""
    cache = holding(PERSONA, PERSONA, adapter="a")
    cache.keep(1, PERSONA, len(PERSONA), "b")
    cache.forget("a")
    assert cache.place([*PERSONA, 1], "a", range(2)).shared == 0
    assert cache.place([*PERSONA, 1], "b", range(2)) == Place(1, 1, len(PERSONA))
    cache.forget()
    assert cache.place([*PERSONA, 1], "b", range(2)).shared == 0


def test_a_few_tokens_are_not_worth_copying():
    """Every prompt begins with the same mark."""
    assert holding([1, 2, 3]).place([1, 2, 3, 4], "a", range(1)).shared == 0


def test_exchanged_rows_take_what_they_hold_along():
    """A conversation that ended makes room for one that goes on."""
    cache = holding(PERSONA, [1] * 20)
    cache.exchange(0, 1)
    assert cache.place([*PERSONA, 1], "a", range(2)) == Place(1, 1, len(PERSONA))
