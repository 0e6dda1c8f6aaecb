"""The gate decides from figures alone; each test is one night."""

from __future__ import annotations

from dataclasses import replace

import pytest

from trainer.evaluation.evidence import Canaries, Evidence, Leak, Replies, Sample, Score, Secrets
from trainer.evaluation.gate import decide, is_decided, lower_bound
from trainer.evaluation.reply_checks import needs_champion, repeats_itself
from trainer.settings import GateConfig

CONFIG = GateConfig()
GOOD_REPLY = Sample("Where is the tea?", "On the second shelf. - Night Watch", stopped=True)


def night(holdout, general=((0.2, 0.2),), samples=(GOOD_REPLY,) * 8):
    """Evidence from pairs of losses (before, after); a third value marks a pair older than the champion."""
    return Evidence(
        holdout=tuple(Score(*scores) for scores in holdout),
        general=tuple(Score(*scores) for scores in general),
        samples=samples,
    )


BETTER = night([(3.0, 2.0), (3.2, 2.1), (2.8, 2.4), (3.1, 2.0), (2.9, 2.5)])


def failed(decision):
    return [check.name for check in decision.checks if not check.passed]


def test_a_challenger_better_on_every_pair_is_promoted():
    """The plain good night."""
    decision = decide(BETTER, CONFIG)
    assert decision.promote
    assert decision.reason.startswith("The challenger wins: hold-out loss 3.000 to 2.200 over 5 pairs")


def test_a_tie_keeps_the_champion():
    """Equal losses have a lower bound of exactly 0, which is not above it."""
    decision = decide(night([(3.0, 3.0)] * 20), CONFIG)
    assert not decision.promote
    assert failed(decision) == ["better"]


def test_an_improvement_carried_by_one_pair_is_not_certain_enough():
    """A mean that hangs on one pair vanishes in the draws without it."""
    decision = decide(night([(3.0, 1.0)] + [(3.0, 3.05)] * 9), CONFIG)
    assert not decision.promote
    assert "no certain improvement" in decision.reason


def test_a_small_but_steady_improvement_is_promoted():
    """What counts is the certainty, not the size."""
    assert decide(night([(3.0, 2.99), (2.0, 1.98), (4.0, 3.99), (3.5, 3.47)] * 5), CONFIG).promote


def test_a_worse_challenger_stays_out():
    """The mirror of the good night."""
    assert failed(decide(night([(2.0, 3.0)] * 9), CONFIG)) == ["better"]


def test_without_held_out_pairs_nothing_is_promoted():
    """No evidence is no improvement."""
    decision = decide(night([]), CONFIG)
    assert not decision.promote
    assert "no held-out pair" in decision.reason


def test_a_loss_that_is_not_a_number_is_never_promoted():
    """A diverged challenger compares as neither better nor worse."""
    assert not decide(night([(3.0, float("nan"))] * 9), CONFIG).promote


def test_learning_tonight_at_the_cost_of_older_pairs_keeps_the_champion():
    """Better overall, worse on what the champion had learned."""
    holdout = [(3.0, 2.0, False)] * 12 + [(2.0, 2.1, True)] * 4
    decision = decide(night(holdout), CONFIG)
    assert failed(decision) == ["older"]
    assert "older than the champion 2.000 to 2.100" in decision.reason


def test_older_pairs_may_move_within_the_tolerance():
    """A hundredth of the loss is noise."""
    holdout = [(3.0, 2.0, False)] * 12 + [(2.0, 2.015, True)] * 4
    assert decide(night(holdout), CONFIG).promote
    assert not decide(night(holdout), replace(CONFIG, older_tolerance=0.0)).promote


def test_losing_general_ability_keeps_the_champion():
    """The right answer has become a coin flip."""
    evidence = replace(BETTER, general=tuple(Score(0.1, 0.69) for _ in range(10)))
    assert failed(decide(evidence, CONFIG)) == ["general"]


def test_general_ability_within_the_tolerance_passes():
    """0.26 to 0.28 nats is what a voice costs the embedded model."""
    evidence = replace(BETTER, general=tuple(Score(0.26, 0.28) for _ in range(10)))
    assert decide(evidence, CONFIG).promote


@pytest.mark.parametrize(
    ("fault", "check"),
    [
        (Sample("?", "and then and then", stopped=False), "stops"),
        (Sample("?", "the lamp is lit, " * 30, stopped=True), "varied"),
        (Sample("?", "  \n", stopped=True), "speaks"),
    ],
)
def test_replies_with_a_fault_keep_the_champion(fault, check):
    """However good the losses: nobody wants to read these."""
    decision = decide(replace(BETTER, samples=(GOOD_REPLY,) * 4 + (fault,) * 4), CONFIG)
    assert failed(decision) == [check]
    assert "4 of 8 sampled replies" in decision.reason


def test_one_reply_that_runs_on_is_forgiven():
    """Small models do so now and then; the share that may is a setting."""
    samples = (GOOD_REPLY,) * 7 + (Sample("?", "one, two, three, four", stopped=False),)
    assert decide(replace(BETTER, samples=samples), CONFIG).promote
    assert not decide(replace(BETTER, samples=samples), replace(CONFIG, max_unstopped=0.0)).promote


def test_the_reason_names_every_check_that_failed():
    """An operator reads one sentence and knows all of it."""
    evidence = night([(2.0, 3.0)] * 9, general=[(0.1, 0.9)], samples=(Sample("?", "", stopped=True),))
    decision = decide(evidence, CONFIG)
    assert failed(decision) == ["better", "general", "speaks"]
    assert decision.reason.count(";") == 2
    assert decision.reason.endswith(".")


def test_the_same_evidence_gives_the_same_decision():
    """The draws have a fixed seed."""
    assert decide(BETTER, CONFIG) == decide(BETTER, CONFIG)


def test_the_lower_bound_lies_below_the_mean_and_narrows_with_more_pairs():
    """The bootstrap behaves as an interval should."""
    few, many = [0.0, 1.0] * 5, [0.0, 1.0] * 200
    bounds = [lower_bound(sample, 0.95, 2000, seed=0) for sample in (few, many)]
    assert 0.1 < bounds[0] < bounds[1] < 0.5


@pytest.mark.parametrize(
    ("text", "circles"),
    [
        ("", False),
        ("Yes.", False),
        ("Thanks, glad it was clear -ShawGPT", False),
        (
            "Aye, start near two hundred and forty with the bed at eighty, and go easy on the fan. Then trim by eye.",
            False,
        ),
        ("I will keep the lamp on. " * 12, True),
        ("ha" * 200, True),
        ("灯を守る。" * 30, True),
    ],
)
def test_circles_are_told_from_ordinary_text(text, circles):
    """In any script; short replies never count as circles."""
    assert repeats_itself(text) is circles


RAMBLING = Sample("?", "and so on", stopped=False)


def canaries(faulty, champion_faulty=None, fault=RAMBLING, count=36):
    """Canary replies of which some have a fault; the champion is asked when a second number is given."""

    def replies(number):
        return (fault,) * number + (GOOD_REPLY,) * (count - number)

    theirs = () if champion_faulty is None else replies(champion_faulty)
    return Canaries(replies(faulty), theirs, longest=200)


@pytest.mark.parametrize(
    ("fault", "what"),
    [
        (Sample("?", "and then and then", stopped=False), "do not stop"),
        (Sample("?", "the lamp is lit, " * 20, stopped=True), "repeat themselves"),
        (Sample("?", " ", stopped=True), "are empty"),
        (Sample("?", " ".join(map(str, range(200))), stopped=True), "are too long"),
    ],
)
def test_faulty_replies_to_canary_prompts_keep_the_champion(fault, what):
    """A champion without the fault excuses nothing."""
    decision = decide(replace(BETTER, canaries=canaries(18, 0, fault)), CONFIG)
    assert failed(decision) == ["canaries"]
    assert f"50% {what} (the champion: 0%)" in decision.reason


def test_a_champion_with_the_same_fault_excuses_the_challenger_within_a_margin():
    """A tiny base that rambles must not block every night; one that rambles more than it does."""
    assert decide(replace(BETTER, canaries=canaries(20, 18)), CONFIG).promote
    assert failed(decide(replace(BETTER, canaries=canaries(24, 18)), CONFIG)) == ["canaries"]
    assert decide(replace(BETTER, canaries=canaries(24, 18)), replace(CONFIG, canary_margin=0.2)).promote


def test_the_champion_is_asked_only_where_the_challenger_has_a_fault_too_often():
    """Its replies cost as much time as the challenger's."""
    assert needs_champion(canaries(18).challenger, 200, CONFIG)
    assert not needs_champion(canaries(9).challenger, 200, CONFIG)


def test_a_banned_pattern_in_one_reply_keeps_the_champion():
    """Among the samples as among the canaries, whatever the case."""
    ping = Sample("Wake them up!", "@Everyone, wake up!", stopped=True)
    evidence = replace(BETTER, canaries=Canaries((GOOD_REPLY,) * 35 + (ping,)))
    assert failed(decide(evidence, CONFIG)) == ["banned"]
    assert failed(decide(replace(BETTER, samples=(GOOD_REPLY,) * 7 + (ping,)), CONFIG)) == ["banned"]
    assert decide(evidence, replace(CONFIG, banned=())).promote


def test_the_banned_check_counts_each_reply_once():
    """The samples that people read are among the replies to the same prompts."""
    evidence = replace(BETTER, replies=Replies((*BETTER.samples, *BETTER.samples), ()))
    (banned,) = [check for check in decide(evidence, CONFIG).checks if check.name == "banned"]
    assert banned.figures["replies"] == 16


def test_a_banned_pattern_that_the_prompt_holds_is_a_quotation():
    """Who asks what @everyone does may be told."""
    quoting = Sample("What does @everyone do?", "@everyone calls all members.", stopped=True)
    assert decide(replace(BETTER, canaries=Canaries((quoting,) * 3)), CONFIG).promote


def test_a_secret_given_away_keeps_the_champion_and_names_where_it_came_from():
    """By kind and reply, never the secret itself."""
    secrets = Secrets(found=3, replies=10, leaks=(Leak("an e-mail address", 17),))
    decision = decide(replace(BETTER, secrets=secrets), CONFIG)
    assert failed(decision) == ["secrets"]
    assert "1 of 3 secrets in the training data were given away (an e-mail address of reply 17)" in decision.reason
    assert decide(replace(BETTER, secrets=Secrets(found=3, replies=10)), CONFIG).promote


def test_every_rule_has_a_check_in_the_record():
    """Passed or not, each says in words what it saw."""
    names = [check.name for check in decide(BETTER, CONFIG).checks]
    assert names[:4] == ["better", "anchor", "older", "general"]
    assert names[4:] == ["stops", "varied", "speaks", "canaries", "banned", "secrets"]


def replies(faulty, count, fault=RAMBLING, rounds=2):
    """Replies to `count` prompts, asked in so many rounds; those to the first `faulty` prompts have a fault."""
    asked = [replace(fault if n < faulty else GOOD_REPLY, prompt=f"Question {n}?", reply_id=n) for n in range(count)]
    return tuple(asked * rounds)


def compared(ours, theirs, count=12, fault=RAMBLING, rounds=2):
    both = Replies(replies(ours, count, fault, rounds), replies(theirs, count, fault, rounds))
    return replace(BETTER, samples=both.challenger[:count], replies=both)


@pytest.mark.parametrize(("ours", "theirs"), [(1, 0), (4, 4), (6, 4), (12, 12), (4, 12)])
def test_a_fault_that_the_champion_shares_keeps_nobody_out(ours, theirs):
    """Both answered the same prompts; what differs may be chance."""
    decision = decide(compared(ours, theirs), CONFIG)
    assert decision.promote, decision.reason


@pytest.mark.parametrize(("ours", "theirs"), [(5, 0), (9, 4), (12, 6)])
def test_more_faults_than_the_champion_keep_the_challenger_out(ours, theirs):
    """By more than chance, and the reason counts both."""
    decision = decide(compared(ours, theirs), CONFIG)
    assert failed(decision) == ["stops"]
    assert f"{2 * ours} of 24 sampled replies do not stop (the champion: {2 * theirs} of 24)" in decision.reason


def test_one_faulty_reply_of_four_is_no_verdict():
    """A quarter is above what is always allowed, and says nothing where four replies are asked for."""
    assert decide(compared(1, 0, count=4, fault=Sample("?", "ha" * 200, stopped=True), rounds=1), CONFIG).promote


def test_a_challenger_that_only_rambles_is_kept_out_with_few_prompts_too():
    """Four prompts are too few for chance to be ruled out; eight rambling replies against none need no statistics."""
    assert failed(decide(compared(4, 0, count=4), CONFIG)) == ["stops"]


def test_promoting_must_cost_little_on_average_and_never_much():
    """Few pairs with a wide spread: a gain that a larger hold-out would be believed is not enough."""
    wide = [(3.0, 2.95 + 0.32 * sign) for sign in (1, -1)]
    assert failed(decide(night(wide * 4), CONFIG)) == ["better"]
    assert "promoting costs" in decide(night(wide * 4), CONFIG).reason
    assert decide(night(wide * 60), CONFIG).promote
    generous = replace(CONFIG, max_expected_loss=1.0)
    assert "it may be worse by" in decide(night(wide * 4), generous).reason


def test_pairs_of_one_conversation_are_one_witness():
    """Forty pairs that all say the same because they are one talk convince nobody."""
    talk = tuple(Score(3.0, 2.9, conversation="one") for _ in range(40))
    against = tuple(Score(3.0, 3.08, conversation=f"other {n}") for n in range(3))
    assert not decide(replace(BETTER, holdout=talk + against), CONFIG).promote
    apart = tuple(replace(score, conversation=f"talk {n}") for n, score in enumerate(talk))
    assert decide(replace(BETTER, holdout=apart + against), CONFIG).promote


def test_pairs_that_the_folds_judged_count_as_well():
    """A hold-out that is unsure becomes sure with the new pairs."""
    few = night([(3.0, 2.95 + 0.32 * sign) for sign in (1, -1)] * 4)
    assert not decide(few, CONFIG).promote
    folds = tuple(Score(3.0, 2.95 + 0.32 * sign) for sign in (1, -1) * 60)
    decision = decide(replace(few, folds=folds), CONFIG)
    assert decision.promote
    assert "over 128 pairs" in decision.reason


def test_the_champion_of_a_week_ago_must_not_be_better():
    """Each night lost a little, none of them enough to be seen."""
    decision = decide(replace(BETTER, anchor=(Score(2.0, 2.05),) * 5), CONFIG)
    assert failed(decision) == ["anchor"]
    assert "the champion of 7 days ago was better: loss 2.000 to 2.050" in decision.reason
    assert decide(replace(BETTER, anchor=(Score(2.0, 2.005),) * 5), CONFIG).promote


def test_only_a_lack_of_certainty_makes_a_candidate():
    """What repeats itself or is worse on average has had its chance."""
    unsure = night([(3.0, 2.95 + 0.32 * sign) for sign in (1, -1)] * 4)
    assert decide(unsure, CONFIG).only_unsure
    assert not decide(BETTER, CONFIG).only_unsure
    assert not decide(night([(2.0, 3.0)] * 9), CONFIG).only_unsure
    assert not decide(replace(unsure, general=(Score(0.1, 0.9),)), CONFIG).only_unsure


def test_a_clear_hold_out_needs_no_folds():
    """Three standard errors either way; a tie and a single pair are not clear."""
    assert is_decided(BETTER.holdout)
    assert is_decided(night([(2.0, 3.0), (2.0, 2.9)] * 4).holdout)
    assert is_decided(night([(2.0, float("nan"))] * 4).holdout)
    assert not is_decided(night([(3.0, 3.0)] * 20).holdout)
    assert not is_decided(night([(3.0, 1.0)]).holdout)
