"""Reasons are codes with values: every language has words for each, and what is stored reads back."""

from __future__ import annotations

import json
import string

import pytest

from bot.i18n.de import reasons as german
from bot.i18n.language import speaking
from bot.training.reasons import reason_of_run
from storage.store import Store
from trainer.reasons import ENGLISH, Reason, in_english, read_reasons, stored, worded


def fields_of(template):
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}


@pytest.mark.parametrize("code", ENGLISH)
def test_german_words_every_reason_with_the_values_it_has(code):
    """A code without German would be told to a German server in English."""
    known = fields_of(ENGLISH[code])
    assert fields_of(german.WORDS[code]) <= known
    assert german.WORDS.keys() == ENGLISH.keys()


NIGHT = Reason(
    "stays",
    parts=(
        Reason("better.no", {"before": 3.0, "after": 3.25, "pairs": 40, "gain": -0.25, "error": 0.05}),
        Reason("stops.compared", {"count": 5, "replies": 24, "champion": 0.0}),
    ),
)


def test_a_reason_is_worded_in_each_language():
    """With that language's decimal sign."""
    assert in_english(NIGHT) == (
        "The champion stays: hold-out loss 3.000 to 3.250 over 40 pairs is no improvement (mean gain -0.250, "
        "give or take 0.050); 5 of 24 sampled replies do not stop (the champion: 0 of 24)."
    )
    said = worded(NIGHT, german.WORDS, decimal=german.DECIMAL)
    assert said.startswith("Der bisherige Adapter bleibt: der Verlust geht von 3,000 auf 3,250 an 40 Paaren")
    assert said.endswith("5 von 24 Probeantworten hören nicht auf (beim bisherigen Adapter 0 von 24).")


def test_what_is_stored_reads_back():
    """Through JSON; anything else is no reason."""
    assert read_reasons(json.loads(json.dumps(stored([NIGHT])))) == (NIGHT,)
    assert read_reasons(None) == read_reasons([]) == read_reasons([{"code": 1}]) == ()


@pytest.mark.parametrize(
    "part",
    [
        {"code": "of.a.newer.version", "values": {}, "parts": []},
        {"code": "better.no", "values": {"before": 3.0}, "parts": []},
        {"code": "better.no", "values": {"before": "three"}, "parts": []},
        {"code": "stays", "values": {}, "parts": [{"code": "of.a.newer.version", "values": {}, "parts": []}]},
        {"code": "stays", "values": {}, "parts": None},
    ],
)
def test_a_reason_that_has_no_words_here_is_none_however_deep(part):
    """The stored sentence is shown instead."""
    assert read_reasons([{"code": "stays", "values": {}, "parts": [part]}]) == ()


def test_a_german_server_reads_the_reason_of_a_run_in_german(tmp_path):
    """And the sentence as it was stored where an older version ended the run."""
    with Store.open(tmp_path / "db") as store:
        run = store.start_run("schedule", "2026-11-25", 1, {})
        why = Reason("few.new", {"new": 3, "needed": 5})
        store.finish_run(run.id, "skipped", in_english(why), why=stored([why]))
        old = store.start_run("schedule", "2026-11-26", 1, {})
        store.finish_run(old.id, "kept", "An old sentence.")
        with speaking("de"):
            assert reason_of_run(store.run(run.id)) == (
                "Seit dem letzten Training sind 3 Paare dazugekommen, und ein neues braucht 5."
            )
            assert reason_of_run(store.run(old.id)) == "An old sentence."
        with speaking("en"):
            assert reason_of_run(store.run(run.id)) == store.run(run.id).reason
