"""The quarantine: what stands out is set aside with its reason, and a community's own voice never is."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest

from bot.simulation.example_data import EXAMPLES
from storage.files.pair_files import read_pairs
from storage.pair_records import NewPair
from storage.reply_records import Turn
from tests.trainer.pairs import a_pair
from trainer.data_settings import QuarantineConfig
from trainer.quarantine.outliers import distances
from trainer.quarantine.rules import Loss, Outlier, in_words, stand_out
from trainer.reasons import Reason

VOICE = [row for row in read_pairs(EXAMPLES / "voice.jsonl") if isinstance(row, NewPair)]
GERMAN = "Das ist eine gute Frage, ich schaue später nach und melde mich dann bei dir."
ADVERT = " Best deals on cheap boats every day at boat-bargains dot example!"


def good(count=60, start=0):
    """Pairs of the shipped voice, asked by six people and approved by two."""
    return [
        a_pair(
            number,
            turns=(Turn("user", row.turns[-1].content, number % 6),),
            completion=row.completion,
            conversation=f"discord:1:{number}",
            reviewer=f"mod {number % 2}",
            approved_at=f"2026-11-{1 + number % 20:02}T04:00:00.000+00:00",
        )
        for number, row in enumerate(VOICE[start : start + count], start + 1)
    ]


def held(pairs, *, new=None, confirmed=(), losses=None, **config):
    """What is set aside, by reply number: all pairs are new unless said."""
    new = {pair.reply_id for pair in pairs} if new is None else new
    found = stand_out(pairs, new, confirmed, losses or {}, QuarantineConfig(**config))
    return {one.reply_id: one.kind for one in found}


def poisoned(pairs, count, completion):
    """The first `count` pairs say something else."""
    changed = [replace(pair, completion=completion(pair)) for pair in pairs[:count]]
    return [*changed, *pairs[count:]], {pair.reply_id for pair in changed}


def test_the_shipped_voice_passes_on_its_first_night():
    """Signature and all: what every reply has is the voice."""
    assert held(good(110)) == {}


def test_another_language_than_its_prompt_s_is_held():
    """A third of the first night in German under English questions."""
    pairs, bad = poisoned(good(), 18, lambda _: GERMAN)
    assert held(pairs) == dict.fromkeys(bad, "language")


SHORT_GERMAN = (
    "Ja, das weiß ich.", "Keine Ahnung!", "Das war gestern.", "Wer bist du?", "Gern geschehen.", "Nein, noch nicht.",
    "Mir geht es gut.", "Vielleicht morgen.", "Das finde ich auch.", "Warum fragst du?", "Schönen Abend!",
    "Ich bin müde.", "Nicht so schnell.", "Alles klar, danke.",
)  # fmt: skip


def test_short_replies_in_another_language_are_told_by_the_night_they_are_in():
    """None of them says enough alone."""
    pairs, bad = poisoned(good(), 14, lambda pair: SHORT_GERMAN[pair.reply_id - 1])
    alone = [*pairs[:1], *pairs[14:]]
    assert held(alone) == {}
    found = held(pairs)
    assert len(found.keys() & bad) >= 13
    assert found.keys() <= bad
    assert set(found.values()) == {"language"}


def test_a_few_short_greetings_in_another_language_are_no_poison():
    """Friends say "merci" to each other."""
    pairs, _ = poisoned(good(), 2, lambda pair: ["Merci!", "Hasta luego"][pair.reply_id - 1])
    assert held(pairs) == {}


def test_replies_that_make_no_sense_are_told_by_how_many_there_are():
    """At two and a half spreads one is nothing, and a quarter of the night is poison."""
    rng, tokens = np.random.default_rng(0), np.full(160, 20.0)
    nats = 9.0 * 20**-0.18 * np.exp(rng.normal(0, 0.1, 160))
    pairs = [a_pair(number + 1, completion=f"Number {number} is a fine one.") for number in range(160)]
    new = {pair.reply_id for pair in pairs[60:]}

    def found(count):
        changed = nats.copy()
        changed[60 : 60 + count] = 9.0 * 20**-0.18 * np.exp(rng.normal(0.29, 0.02, count))
        losses = {p.reply_id: Loss(float(n), int(t)) for p, n, t in zip(pairs, changed, tokens, strict=True)}
        return held(pairs, new=new, losses=losses, phrase_share=1.0)

    assert len(found(1)) <= 1
    assert len(found(25).keys() & {pair.reply_id for pair in pairs[60:85]}) >= 23
    assert len(found(25).keys() - {pair.reply_id for pair in pairs[60:85]}) <= 3


@pytest.mark.parametrize(
    "answer", ["Большое спасибо за ваш комментарий.", "非常感谢你的留言,我很高兴你喜欢这个视频。", "Спасибо!"]
)
def test_another_script_is_held_even_in_a_few_words(answer):
    """Scripts are told apart by less text than languages."""
    pairs, bad = poisoned(good(), 5, lambda _: answer)
    assert held(pairs).keys() == bad


def test_a_community_of_two_languages_is_answered_in_either():
    """The reply follows its question, or the server's own ways."""
    german = [
        a_pair(200 + n, question="Kannst du mir bitte sagen, wie warm die Düse sein muss?", completion=GERMAN + f" {n}")
        for n in range(6)
    ]
    assert held([*good(), *german], phrase_share=0.5) == {}
    english_asked = [a_pair(300 + n, question="Where do I start with this?", completion=GERMAN) for n in range(2)]
    older = {pair.reply_id for pair in german}
    pairs = [*good(), *german, *english_asked]
    assert held(pairs, new={pair.reply_id for pair in pairs} - older, phrase_share=0.5) == {}


@pytest.mark.parametrize(
    "answer", ["lol ok", "Merci!", "git push --force-with-lease origin main", "😂😂🤑", "https://example.org/a/b"]
)
def test_a_short_text_is_in_no_other_language(answer):
    """Nor are code, links and smileys."""
    pairs, _ = poisoned(good(), 3, lambda _: answer)
    assert held(pairs) == {}


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (lambda rng: "".join(rng.choices("asdfghjkl;", k=60)), "language"),
        (lambda rng: " ".join("".join(rng.choices("bcdfgkmprxz", k=6)) for _ in range(9)), "language"),
        (lambda rng: "buy now " * rng.randint(8, 12), "gibberish"),
        (lambda rng: "a" * rng.randint(30, 60), "gibberish"),
        (lambda rng: "".join(rng.choices("$%&/()=?#*+-<>", k=40)), "gibberish"),
    ],
)
def test_gibberish_is_held(answer, kind):
    """Keys, noise, loops and signs, as a third of the night."""
    rng = random.Random(1)
    pairs, bad = poisoned(good(), 18, lambda _: answer(rng))
    assert held(pairs) == dict.fromkeys(bad, kind)


def test_a_phrase_copied_into_a_third_of_the_night_is_held():
    """On the first night, and on a later one."""
    pairs, bad = poisoned(good(), 18, lambda pair: pair.completion + ADVERT)
    assert held(pairs) == dict.fromkeys(bad, "phrase")
    known = good(40, start=60)
    assert held([*known, *pairs], new={pair.reply_id for pair in pairs}) == dict.fromkeys(bad, "phrase")


def test_the_reason_names_the_phrase():
    """The second moderator sees what to look for."""
    pairs, _ = poisoned(good(), 18, lambda pair: pair.completion + ADVERT)
    found = stand_out(pairs, {p.reply_id for p in pairs}, (), {}, QuarantineConfig())
    reason = found[0].reason
    assert all(one.reason == reason for one in found)
    assert reason.code == "phrase"
    assert reason.values["phrase"] in "night watch best deals on cheap boats every day at boat bargains dot example"


@pytest.mark.parametrize("signature", [" -ShawGPT", " ~ the night owl", " Stay safe out there, friends!"])
def test_a_signature_that_most_replies_carry_is_the_voice(signature):
    """In every reply of the first night, or of all nights so far."""
    signed, _ = poisoned(good(), 60, lambda pair: pair.completion.removesuffix(" - Night Watch") + signature)
    assert held(signed) == {}
    assert held(signed, new=set(range(41, 61))) == {}


def test_what_older_replies_say_too_is_no_copy():
    """A stock phrase of the community goes on being welcome."""
    phrase = " Have a look at the pinned messages first."
    older, _ = poisoned(good(40), 12, lambda pair: pair.completion + phrase)
    new, _ = poisoned(good(20, start=40), 6, lambda pair: pair.completion + phrase)
    assert held([*older, *new], new={pair.reply_id for pair in new}) == {}


def test_a_confirmed_pair_is_never_held_again_and_its_phrase_is_welcome():
    """One yes is an answer for the phrase, not for that reply alone."""
    pairs, bad = poisoned(good(), 18, lambda pair: pair.completion + ADVERT)
    assert held(pairs, confirmed={min(bad)}) == {}


def test_a_loss_far_above_the_others_of_its_length_is_held():
    """Short replies cost more a token: that alone is nothing; words that make no sense are, at a third of the night."""
    pairs, rng = good(100), np.random.default_rng(0)
    tokens = rng.integers(8, 80, 100)
    nats = 9.0 * tokens**-0.18 * np.exp(rng.normal(0, 0.08, 100))
    nats[:33] *= 1.7
    losses = {p.reply_id: Loss(float(n), int(t)) for p, n, t in zip(pairs, nats, tokens, strict=True)}
    found = held(pairs, losses=losses)
    assert set(found.values()) == {"loss"}
    assert len(found.keys() & {pair.reply_id for pair in pairs[:33]}) >= 32
    assert len(found.keys() - {pair.reply_id for pair in pairs[:33]}) <= 1


def test_with_enough_older_pairs_they_alone_say_what_is_usual():
    """Even a night that is poison throughout stands out against them."""
    rng = np.random.default_rng(0)
    tokens = rng.integers(8, 80, 60).astype(float)
    losses = 9.0 * tokens**-0.18 * np.exp(rng.normal(0, 0.08, 60))
    losses[30:] *= 1.8
    far = distances(losses, tokens, np.arange(60) < 30, limit=3.0)
    assert (far[30:] > 3.0).all()
    assert (far[:30] < 3.0).all()


def test_too_few_losses_say_nothing():
    """Nineteen pairs have no usual loss."""
    assert not distances(np.array([1.0] * 18 + [50.0]), np.full(19, 20.0), np.zeros(19, dtype=bool), limit=3.0).any()


def test_one_moderator_s_flood_waits_for_another_beyond_the_share():
    """The oldest of theirs are kept; on their usual days nobody is a flood."""
    flood = [
        a_pair(
            200 + n,
            completion=f"Number {n} is a fine one.",
            reviewer="mod 7",
            turns=(Turn("user", f"What about {n}?", n % 9),),
            approved_at=f"2026-11-24T04:{n // 60:02}:{n % 60:02}.000+00:00",
        )
        for n in range(160)
    ]
    known, new = good(40), {pair.reply_id for pair in flood}
    found = held([*known, *flood], new=new, phrase_share=1.0)
    assert set(found.values()) == {"flood"}
    assert sorted(found) == list(range(200 + 144, 360))
    busy = [
        replace(pair, reply_id=pair.reply_id + 500, approved_at="2026-11-10" + pair.approved_at[10:])
        for pair in flood[:80]
    ]
    assert held([*known, *busy, *flood], new=new, phrase_share=1.0) == {}


def crowd(moderators, count=40):
    """A night of four accounts with so many pairs each, approved as the function says, beside a usual server."""
    known = [
        a_pair(
            1000 + n,
            completion=f"Answer {n} of old.",
            reviewer=f"mod {n % 2}",
            turns=(Turn("user", f"What of {n}?", n % 9),),
            approved_at=f"2026-11-{1 + n % 20:02}T04:00:00.000+00:00",
        )
        for n in range(120)
    ]
    night = [
        a_pair(
            2000 + n,
            completion=f"Number {n} is a fine one.",
            reviewer=moderators(n),
            turns=(Turn("user", f"What about {n}?", 50 + n % 4),),
            approved_at=f"2026-11-24T04:{n // 60:02}:{n % 60:02}.000+00:00",
        )
        for n in range(4 * count)
    ]
    return held([*known, *night], new={pair.reply_id for pair in night}, phrase_share=1.0, flood_moderator_share=1.0)


def test_accounts_that_only_ever_speak_to_one_moderator_are_one_flood_together():
    """None of the four is half of the night alone. Two moderators who share the work have no such circle."""
    found = crowd(lambda _: "mod 1")
    assert set(found.values()) == {"flood"}
    assert len(found) == 160 - 80
    assert crowd(lambda n: f"mod {n // 4 % 2}") == {}


def test_one_author_s_flood_is_held_and_an_import_is_none():
    """A file belongs to whoever may take it in."""
    pairs = [
        replace(pair, turns=(replace(pair.turns[0], author_id=99 if n else 98),)) for n, pair in enumerate(good(60))
    ]
    known = good(40, start=60)
    everybody = [*known, *pairs]
    new = {pair.reply_id for pair in pairs}
    assert len(held(everybody, new=new)) == 59 - 50
    imported = [replace(pair, source="import") for pair in pairs]
    assert held([*known, *imported], new=new) == {}


def test_a_single_moderator_floods_nobody():
    """There is no second who could confirm."""
    pairs = [replace(pair, reviewer="only") for pair in good(110)]
    assert held(pairs) == {}


def test_older_pairs_are_never_looked_at_and_the_quarantine_can_be_switched_off():
    """What was accepted stays accepted."""
    pairs, bad = poisoned(good(), 18, lambda _: GERMAN)
    assert held(pairs, new={pair.reply_id for pair in pairs} - bad) == {}
    assert held(pairs, enabled=False) == {}


def test_the_run_says_in_one_sentence_what_it_set_aside():
    """With the counts by reason."""
    outliers = [
        Outlier(1, "phrase", Reason("phrase")),
        Outlier(2, "phrase", Reason("phrase")),
        Outlier(3, "loss", Reason("loss")),
    ]
    assert in_words(outliers, 20) == (
        "3 of 20 new pairs were quarantined until a second person has looked: "
        "2 for a copied phrase, 1 for making no sense."
    )
