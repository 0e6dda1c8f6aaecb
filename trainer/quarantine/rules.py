"""Which new pairs stand out, and why: they wait for a second person before a run learns from them or is judged by them.

Pure: pairs, their losses and meanings in, outliers with a reason each out. Both sides of the snapshot are looked at,
since a poisoned hold-out would reward poison. What is usual is taken from the older pairs where there are enough, and
otherwise from the night itself, by measures that hold when two in five of its pairs are bad. What a majority does is
the voice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np

from storage.pair_records import Pair
from trainer.data_settings import QuarantineConfig
from trainer.quarantine.floods import beyond_the_usual, circles
from trainer.quarantine.gibberish import has_no_words, repeats_itself
from trainer.quarantine.language import NO_LANGUAGE, Speech, home_languages, scripts_in, speech_of
from trainer.quarantine.misplaced import Meaning, by_hand, misplaced
from trainer.quarantine.night_languages import foreign_replies
from trainer.quarantine.outliers import MIN_REFERENCE, distances, poison_of_a_night
from trainer.quarantine.phrases import copied_phrases
from trainer.reasons import Reason
from trainer.snapshot.people import author_of, moderator_of

__all__ = ["Kind", "Loss", "Outlier", "in_words", "stand_out"]

Kind = Literal["gibberish", "language", "phrase", "loss", "misplaced", "flood"]
_NAMES: dict[Kind, str] = {
    "gibberish": "saying nothing",
    "language": "their language",
    "phrase": "a copied phrase",
    "loss": "making no sense",
    "misplaced": "not fitting their question",
    "flood": "being one person's flood",
}
TOGETHER = 0.6
"""How much of the distance from which one reply is held several must have that are judged together."""
Reasons = dict[int, Reason]
"""Why each reply stands out."""


@dataclass(frozen=True)
class Loss:
    """How surprised the bare base is by a completion: mean nats per token, over so many tokens."""

    nats: float
    tokens: int


@dataclass(frozen=True)
class Outlier:
    """A new pair to quarantine, and why, for the person who decides."""

    reply_id: int
    kind: Kind
    reason: Reason


@dataclass(frozen=True)
class _Night:
    """The pairs to be looked at, and those that were accepted before."""

    size: int
    """How many new pairs there are, with those that stand out for a reason found before."""
    new: Sequence[Pair]
    older: Sequence[Pair]
    confirmed: frozenset[int]
    everything: Sequence[Pair]
    """The new pairs with those: a list that was moved by a row is read as a whole."""
    losses: Mapping[int, Loss]
    meanings: Mapping[int, Meaning]
    config: QuarantineConfig


def stand_out(
    pairs: Sequence[Pair],
    new: Collection[int],
    confirmed: Collection[int],
    losses: Mapping[int, Loss],
    config: QuarantineConfig,
    *,
    meanings: Mapping[int, Meaning] | None = None,
) -> list[Outlier]:
    """The new pairs that stand out, by reply number, each with the first reason found.

    Args:
        pairs: all of the snapshot, both sides.
        new: replies that the last completed run did not see.
        confirmed: replies that a second person let in; they are never looked at again.
        losses: of new and of some older pairs under the bare base, by reply; none, and losses are not looked at.
        config: thresholds.
        meanings: of edits, imports and some other pairs, by reply; none, and whether answers fit is not looked at.
    """
    if not config.enabled:
        return []
    kept = frozenset(confirmed)
    looked_at = {pair.reply_id for pair in pairs if pair.reply_id in new} - kept
    found: dict[int, Outlier] = {}
    checks: tuple[tuple[Kind, Callable[[_Night], Reasons]], ...] = (
        ("gibberish", _gibberish),
        ("language", _other_languages),
        ("phrase", _copied),
        ("loss", _far_off),
        ("misplaced", _misplaced),
        ("flood", _floods),
    )
    for kind, check in checks:
        night = _Night(
            size=len(looked_at),
            # What has a reason already says nothing about what is usual, nor how much one person approved.
            new=[pair for pair in pairs if pair.reply_id in looked_at and pair.reply_id not in found],
            older=[pair for pair in pairs if pair.reply_id not in looked_at],
            confirmed=kept,
            everything=[pair for pair in pairs if pair.reply_id in looked_at],
            losses=losses,
            meanings=meanings or {},
            config=config,
        )
        reasons = check(night).items()
        found.update({number: Outlier(number, kind, why) for number, why in reasons if number not in found})
    return [found[number] for number in sorted(found)]


def in_words(outliers: Sequence[Outlier], new: int) -> str:
    """What was quarantined of so many new pairs, in one sentence."""
    kinds = Counter(_NAMES[one.kind] for one in outliers)
    list_of = ", ".join(f"{count} for {name}" for name, count in kinds.most_common())
    pairs = "1 new pair was" if len(outliers) == 1 else f"{len(outliers)} of {new} new pairs were"
    return f"{pairs} quarantined until a second person has looked: {list_of}."


def _gibberish(night: _Night) -> Reasons:
    """Replies without words, or with the same ones over and over; unless many older ones are like that."""
    reasons: Reasons = {}
    for test, reason in (
        (has_no_words, Reason("signs")),
        (repeats_itself, Reason("repeats")),
    ):
        usual = sum(test(pair.completion) for pair in night.older)
        if usual < max(3, night.config.usual * len(night.older)):
            reasons |= {pair.reply_id: reason for pair in night.new if test(pair.completion)}
    return reasons


def _other_languages(night: _Night) -> Reasons:
    """Replies in a language or script that is neither the conversation's nor the community's, or in none."""
    older = [speech_of(pair.completion) for pair in night.older]
    spoken = {pair.reply_id: speech_of(pair.completion) for pair in night.new}
    home = home_languages(older, [*older, *spoken.values()])
    home_scripts = home_languages(map(_by_script, older), map(_by_script, [*older, *spoken.values()]))
    reasons: Reasons = {}
    for pair in night.new:
        speech, asked = spoken[pair.reply_id], _asked(pair)
        if speech.language == NO_LANGUAGE:
            if NO_LANGUAGE not in home:
                reasons[pair.reply_id] = Reason("no_language")
        elif speech.language is not None:
            welcome = home | speech_of(asked).plausible
            if not speech.plausible & welcome:
                reasons[pair.reply_id] = Reason("language", {"language": speech.language})
        elif speech.script not in home_scripts | scripts_in(asked) | {None}:
            reasons[pair.reply_id] = Reason("script")
    short = _foreign_short_ones(night, reasons, home - {NO_LANGUAGE})
    return reasons | {number: Reason("languages", {"language": language}) for number, language in short.items()}


def _foreign_short_ones(night: _Night, known: Reasons, home: frozenset[str]) -> dict[int, str]:
    """Replies too short to tell alone, by what the whole night is written in."""
    found = foreign_replies(
        {pair.reply_id: pair.completion for pair in night.new},
        [pair.completion for pair in night.older],
        home,
        {pair.reply_id: speech_of(_asked(pair)).plausible for pair in night.new},
    )
    sayable = {pair.reply_id for pair in night.new if speech_of(pair.completion).language is None}
    return {number: name for number, name in found.items() if number in sayable - known.keys() and name != NO_LANGUAGE}


def _asked(pair: Pair) -> str:
    return " ".join(turn.content for turn in pair.turns if turn.role == "user")


def _by_script(speech: Speech) -> Speech:
    """The script in the place of the language, so that both are counted alike."""
    return Speech(speech.script, frozenset(), speech.script)


def _copied(night: _Night) -> Reasons:
    """Replies with a phrase that many new ones share and that is not the voice."""
    phrases = copied_phrases(
        {pair.reply_id: pair.completion for pair in night.new},
        [pair.completion for pair in night.older],
        [pair.completion for pair in night.older if pair.reply_id in night.confirmed],
        night=night.size,
        share=night.config.phrase_share,
        at_least=night.config.phrase_at_least,
    )
    return {number: Reason("phrase", {"phrase": phrase}) for number, phrase in phrases.items()}


def _far_off(night: _Night) -> Reasons:
    """Replies whose loss is far above that of others of their length: words that make no sense together."""
    measured = [pair for pair in (*night.older, *night.new) if pair.reply_id in night.losses]
    losses = [night.losses[pair.reply_id] for pair in measured]
    of_night = np.arange(len(measured)) >= len(measured) - sum(pair.reply_id in night.losses for pair in night.new)
    limit = night.config.loss_distance
    measure = partial(
        distances,
        np.array([loss.nats for loss in losses]),
        np.array([float(loss.tokens) for loss in losses]),
        ~of_night,
        limit=limit,
    )
    far = measure()
    # On a first night nothing is known to be good, so what lies near may be the poison itself.
    nearer = far if (~of_night).sum() >= MIN_REFERENCE else measure(settle=False)
    several = np.zeros(len(measured), dtype=bool)
    several[of_night] = poison_of_a_night(nearer[of_night]) > 0.5
    several &= nearer > TOGETHER * limit
    return {
        pair.reply_id: Reason("loss" if distance > limit else "losses", {"nats": loss.nats})
        for pair, loss, distance, one_of_several, new in zip(measured, losses, far, several, of_night, strict=True)
        if new and (distance > limit or one_of_several)
    }


def _misplaced(night: _Night) -> Reasons:
    """Edits and imports whose answer belongs to another question."""
    return misplaced(
        [pair for pair in night.everything if by_hand(pair)],
        [*night.older, *(pair for pair in night.new if not by_hand(pair))],
        night.meanings,
        likely=night.config.misplaced,
        settled={pair.reply_id for pair in night.everything} - {pair.reply_id for pair in night.new},
    )


def _floods(night: _Night) -> Reasons:
    """Pairs beyond what one person asked, imported or approved in a night; the operator's own are no flood."""
    config, reasons = night.config, Reasons()
    said = [pair for pair in night.new if moderator_of(pair) is not None]
    before = [pair for pair in night.older if moderator_of(pair) is not None]
    circle = circles(
        [(author_of(pair), moderator_of(pair)) for pair in (*before, *said) if author_of(pair) is not None]
    )
    for who, share, at_least, reason in (
        (moderator_of, config.flood_moderator_share, 2, Reason("flood_moderator")),
        (author_of, config.flood_author_share, 3, Reason("flood_author")),
        (lambda pair: circle.get(author_of(pair)), config.flood_author_share, 1, Reason("flood_circle")),
    ):
        flood = beyond_the_usual(
            [(pair.reply_id, who(pair), pair.approved_at) for pair in said if who(pair) is not None],
            [(who(pair), pair.approved_at) for pair in before if who(pair) is not None],
            night=len(said),
            share=share,
            factor=config.flood_factor,
            floor=config.flood_floor,
            at_least=at_least,
        )
        reasons |= dict.fromkeys(flood, reason)
    return reasons
