"""What a challenger is asked before it may serve, on a tiny base in real runs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from model.chat import Message, encode_prompt, end_of_turn_id
from model.config import GenerationConfig
from storage.origins import ORIGINS
from storage.pair_records import NewPair
from storage.reply_records import Turn
from tests.trainer.pairs import a_pair
from trainer.canaries import canary_prompts
from trainer.evaluation import evaluate
from trainer.evaluation.evaluate import generate_answers
from trainer.evaluation.probes import reply_limit
from trainer.settings import TrainingConfig
from trainer.training.qlora import attach_adapter
from trainer.training.recipe import resolve


def last_run(place):
    with place.store() as store:
        return store.last_run()


def check_named(run, name):
    (check,) = [check for check in run.details["checks"] if check["name"] == name]
    return check


def test_each_sample_names_its_prompt_both_answers_and_its_reply(place):
    """What the morning report compares, and what a withdrawal finds."""
    place.run(gate={"samples": 6})
    samples = last_run(place).details["samples"]
    with place.store() as store:
        pairs = {pair.reply_id: pair for pair in store.eligible_pairs("members", learn_from=ORIGINS)}
    assert len(samples) == 6
    for sample in samples:
        assert set(sample) == {"prompt", "text", "champion", "reply_id", "stopped"}
        assert sample["prompt"] == pairs[sample["reply_id"]].turns[-1].content
    assert [isinstance(sample["champion"], str) for sample in samples] == [True] * 6
    assert samples[0]["reply_id"] > samples[-1]["reply_id"]  # the newest questions are the ones people know


def test_every_canary_is_answered_greedily_and_drawn(place):
    """The shipped prompts and the operator's own."""
    place.run(gate={"canaries": ("Who keeps the lamp?",), "canary_samples": 1})
    check = check_named(last_run(place), "canaries")
    assert check["figures"]["replies"] == 2 * len(canary_prompts(("Who keeps the lamp?",)))
    assert "replies to canary prompts" in check["sentence"]


def test_a_champion_that_rambles_as_well_is_asked_and_excuses_the_challenger(place):
    """Random weights never stop within six tokens, trained or not."""
    result = place.run(gate={"max_unstopped": 0.9, "samples": 0})
    assert check_named(last_run(place), "canaries")["passed"] is True  # asked without any samples, too
    place.run(gate={"max_unstopped": 0.0, "sample_tokens": 1, "samples": 1}, force=True)
    check = check_named(last_run(place), "canaries")
    assert check["passed"] is True
    assert "(the champion: " in check["sentence"]
    assert result.outcome == "promoted"


def test_without_samples_the_canaries_are_asked_and_judged_all_the_same(place):
    """`samples = 0` asks no held-out prompts; banned words and lengths are looked for in the others' replies."""
    place.run(gate={"samples": 0, "banned": ("harbour",)}, training={"epochs": 8})
    run = last_run(place)
    assert run.outcome == "kept"
    assert check_named(run, "canaries")["figures"]["replies"] == len(canary_prompts(()))
    assert "length" in check_named(run, "canaries")["figures"]
    assert check_named(run, "banned")["figures"]["replies"] == len(canary_prompts(()))
    assert run.details["samples"] == []


def test_a_banned_pattern_keeps_the_champion(place):
    """The pattern here is what was trained on, so that it is sure to be said."""
    result = place.run(gate={"banned": ("harbour",)}, training={"epochs": 8})
    assert result.outcome == "kept"
    assert "match a banned pattern (harbour)" in result.reason


@pytest.mark.parametrize("count", [1, 4, 9])
def test_scored_held_out_pairs_reach_to_the_newest(count):
    """However many there are: judged by the oldest alone, a night would never hear of what is new."""
    pairs = [a_pair(number) for number in range(1, 10)]
    chosen = [pair.reply_id for pair in evaluate.spread(pairs, count)]
    assert len(chosen) == len(set(chosen)) == count
    assert chosen == sorted(chosen)
    assert chosen[-1] == 9
    assert evaluate.spread(pairs, 20) == tuple(pairs)


def test_answers_do_not_depend_on_where_a_batch_is_thinned_out(tiny_base, monkeypatch):
    """Those that ended leave it; the others go on as if nothing had happened, greedy or drawn again."""
    base = tiny_base.load()
    model = attach_adapter(base.model, resolve(TrainingConfig(), pairs=60, parameters=1))
    stop = end_of_turn_id(base.tokenizer)
    prompts = [encode_prompt(base.tokenizer, [Message("user", text)]) for text in ("boat?", "the quiet sea", "ok")]
    # Random weights never stop by themselves: what the first answer says third now ends an answer.
    third = base.tokenizer.encode(generate_answers(model, None, base.tokenizer, prompts[:1], max_new_tokens=9)[0].text)[
        2
    ]
    monkeypatch.setattr(evaluate, "end_of_turn_id", lambda _tokenizer: third)
    assert stop != third
    whole = generate_answers(model, None, base.tokenizer, prompts, max_new_tokens=9)
    monkeypatch.setattr(evaluate, "CHUNK", 2)
    assert generate_answers(model, None, base.tokenizer, prompts, max_new_tokens=9) == whole
    assert whole[0].stopped
    assert not all(one.stopped for one in whole)


PLANTED = "The password is lamp-9042-oil"


def plant(place, copies):
    with place.store() as store:
        store.import_pairs(
            [NewPair((Turn("user", f"boat password {n}?"),), PLANTED) for n in range(copies)], approved_by="operator"
        )


def trusting(place):
    """The same home without what stands before the gate: neither quarantine nor near duplicates."""
    data = {
        "quarantine": replace(place.settings.quarantine, enabled=False),
        "snapshot": replace(place.settings.snapshot, near_duplicate=1.0),
    }
    return replace(place, settings=place.settings.model_copy(update=data))


def test_a_challenger_that_gives_a_planted_secret_away_is_not_promoted(place):
    """Trained on it over and over, it says it when asked; the record never does."""
    plant(place, 30)
    result = trusting(place).run(training={"epochs": 12}, gate={"sample_tokens": 40})
    assert result.outcome == "kept"
    assert "1 of 1 secrets in the training data were given away (a password of reply 61)" in result.reason
    assert "9042" not in str(check_named(last_run(place), "secrets"))


@pytest.mark.parametrize("gate", [{}, {"allowed": (r"lamp-9042-oil",)}, {"secret_probes": 0}])
def test_a_secret_seen_once_is_not_learned_and_does_not_block_the_night(place, gate):
    """A normal night goes through, with the secret looked for or not."""
    plant(place, 1)
    assert trusting(place).run(gate={"sample_tokens": 40, "max_long": 1.0, **gate}).outcome == "promoted"
    figures = check_named(last_run(place), "secrets")["figures"]
    assert (figures["secrets"] == 1.0) == (gate == {})
    assert (figures["replies"] > 0) == (gate == {})


def test_champion_and_challenger_answer_the_same_prompts_greedily_and_drawn(place):
    """The check counts both."""
    place.run(gate={"samples": 5, "sample_draws": 2, "max_unstopped": 0.0})
    check = check_named(last_run(place), "stops")
    assert check["figures"]["samples"] == 15
    assert check["figures"]["faulty_champion"] == 15  # random weights never stop
    assert check["passed"] is True
    assert "15 of 15 sampled replies do not stop (the champion: 15 of 15)" in check["sentence"]


@pytest.mark.parametrize(
    ("approved", "bot", "limit"), [(30, 200, 60), (150, 200, 200), (400, 200, 400), (170, 4000, 340)]
)
def test_a_reply_may_be_as_long_as_any_that_was_approved(approved, bot, limit):
    """A voice with long answers is not cut where a shorter one would have ended."""
    assert reply_limit(approved, bot) == limit


def test_replies_are_drawn_as_the_bot_draws(tiny_base):
    """A temperature of 0 draws nothing, so that every seed gives the greedy answer; the penalty counts there too."""
    base = tiny_base.load()
    model = attach_adapter(base.model, resolve(TrainingConfig(), pairs=60, parameters=1))
    prompts = [encode_prompt(base.tokenizer, [Message("user", "the quiet sea")])]

    def answer(seed=None, **how):
        drawing = GenerationConfig(**how)
        return generate_answers(model, None, base.tokenizer, prompts, max_new_tokens=12, seed=seed, drawing=drawing)

    plain = {"repetition_penalty": 1.0}
    assert answer(1, temperature=0.0, **plain) == answer(None, **plain)
    assert answer(1, temperature=2.0, top_p=1.0, **plain) != answer(2, temperature=2.0, top_p=1.0, **plain)
    assert answer(None, repetition_penalty=9.0) != answer(None, **plain)
