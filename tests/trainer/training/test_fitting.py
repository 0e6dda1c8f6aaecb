"""Nothing fits: too few pairs are short enough, or all of them fall on one side. One sentence, and what to set."""

from __future__ import annotations

import pytest

from storage.origins import ORIGINS
from storage.pair_records import NewPair
from storage.reply_records import Turn
from tests.trainer.pairs import a_pair
from trainer.errors import TooFewFit
from trainer.readiness import why_not_train
from trainer.reasons import in_english
from trainer.settings import TrainingConfig
from trainer.snapshot.holdout import is_held_out
from trainer.snapshot.snapshot import take_snapshot
from trainer.training.fitting import Limits, require_enough

LONG = (
    "The lamp stands where the old pier ends, and whoever keeps it climbs the stairs before dusk, trims the wick, "
    "wipes the glass with a dry cloth, writes down wind and weather, then waits for boats that come home late."
)


def ran(place, **options):
    """The reason of a run that was refused."""
    result = place.run(**options)
    assert result.outcome in {"failed", "skipped"}
    assert "unexpectedly" not in result.reason
    return result.reason


def test_when_every_pair_is_too_long_the_limit_is_named(place):
    """How many, for what limit, and what to set."""
    reason = ran(place, training={"max_tokens": 16})
    assert reason.startswith("None of the ")
    assert "pairs to learn from fits into 16 tokens (training.max_tokens), and a run needs 25" in reason
    assert "set training.max_tokens to at least " in reason


def test_what_is_to_be_set_is_enough(place):
    """A person who does what the sentence says is not refused again for the same."""
    needed = int(ran(place, training={"max_tokens": 16}).split("at least ")[1].split(",")[0])
    second = place.run(training={"max_tokens": needed})
    if second.outcome == "failed":  # the held-out ones are a little longer
        needed = int(second.reason.split("at least ")[1].split(",")[0])
        second = place.run(training={"max_tokens": needed})
    assert second.outcome in {"promoted", "kept"}, second.reason


def test_when_every_held_out_pair_is_too_long_it_is_said_of_them(place):
    """The others fit, so that learning would be possible and judging not."""
    with place.store() as store:
        for pair in store.pairs():
            if is_held_out(pair.conversation, 0.15):
                store.add_review(pair.reply_id, "edit", reviewer="operator", edited_text="an answer that goes on " * 40)
    place.settings.quarantine.__dict__["enabled"] = False  # so many new long answers would stand out
    reason = ran(place, training={"max_tokens": 90})
    assert reason.startswith("None of the ")
    assert "held-out pairs fits into 90 tokens" in reason
    assert "and a run needs 4" in reason


def test_a_persona_longer_than_the_room_is_named(place):
    """It leads every pair, so that none fits."""
    persona = "You are a lamp that speaks at length. " * 5
    place.settings.__dict__["persona"] = persona
    reason = ran(place, training={"max_tokens": 64})
    assert "the persona alone takes " in reason
    assert "so shorten it, or set training.max_tokens to at least" in reason


def test_pairs_that_no_setting_makes_fit_are_said_to_be_too_long(tiny_base):
    """A base reads so many tokens and no more."""
    tokenizer = tiny_base.load().tokenizer
    pairs = [a_pair(number, question=f"{number} {'word ' * 50}") for number in range(5)]
    with pytest.raises(TooFewFit, match="approve shorter pairs; the base reads at most 32 tokens"):
        require_enough(tokenizer, "held-out pairs", pairs, fit=1, needed=4, limits=Limits(20, "", context=32))


def test_when_only_the_pairs_that_time_the_training_are_too_long_it_goes_on(place):
    """One of the others times it."""
    from trainer.snapshot.holdout import validation_split
    from trainer.training.recipe import validation_size

    with place.store() as store:
        train = take_snapshot(store.eligible_pairs("members", learn_from=ORIGINS), 0.15).train
        _, validating = validation_split(train, validation_size(len(train)))
        for pair in validating:
            store.add_review(pair.reply_id, "edit", reviewer="operator", edited_text=f"{LONG} ({pair.reply_id})")
        changed = take_snapshot(store.eligible_pairs("members", learn_from=ORIGINS), 0.15).train
    assert len(changed) == len(train)
    place.settings.quarantine.__dict__["enabled"] = False  # so many new long answers would stand out
    result = place.run(training={"max_tokens": 90})
    assert result.outcome in {"promoted", "kept"}, result.reason
    with place.store() as store:
        assert store.run(result.run).details["dropped"] == len(validating)


@pytest.mark.parametrize("held_out", [True, False])
def test_one_prompt_that_all_pairs_share_is_named_as_the_reason(place, held_out):
    """As a whole it is held out, or learned from: both are refused, with what to approve."""
    with place.store() as store:
        for pair in list(store.pairs()):
            store.add_review(pair.reply_id, "reject", reviewer="operator")
        prompt = next(
            text
            for text in (f"Say something, please ({number})" for number in range(500))
            if is_held_out(conversation_of(store, text), 0.15) is held_out
        )
        store.import_pairs(
            [NewPair((Turn("user", prompt),), f"A quite different answer, the {n * 7919}th." * 2) for n in range(60)],
            approved_by="operator",
        )
    reason = ran(place)
    assert "one conversation or prompt holds all of them" in reason
    assert "approve pairs with other prompts" in reason


def conversation_of(_store, prompt):
    from storage.fingerprints import import_conversation

    return import_conversation((Turn("user", prompt),), None)


def test_few_pairs_beside_the_hold_out_are_refused():
    """Most of what there is was held out: that is too little to learn from, though the hold-out is full."""
    pairs = [a_pair(n, conversation=f"c{n}") for n in range(2000)]
    held = [pair for pair in pairs if is_held_out(pair.conversation, 0.15)][:58]
    free = [pair for pair in pairs if not is_held_out(pair.conversation, 0.15)][:2]
    pairs = [*held, *free]
    snapshot = take_snapshot(
        [a_pair(n, conversation=pair.conversation, question=f"What is {n}?") for n, pair in enumerate(pairs)], 0.15
    )
    reason = why_not_train(snapshot, None, TrainingConfig(), force=True)
    assert (
        in_english(reason)
        == "58 of 60 pairs fall into the hold-out, which nothing is learned from, and learning needs 25 others."
    )
