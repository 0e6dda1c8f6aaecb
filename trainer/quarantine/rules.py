"""Which new pairs stand out, and why: they wait for a second person before a run learns from them or is judged by them.

Pure: pairs and their losses in, outliers with a sentence each out. Both sides of the snapshot are looked at, since a
poisoned hold-out would reward poison. What is usual is taken from the older pairs where there are enough, and otherwise
from the night itself, by measures that hold when two in five of its pairs are bad. What a majority does is the voice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from storage.records import Pair
from trainer.data_settings import QuarantineConfig
from trainer.quarantine.floods import beyond_the_usual
from trainer.quarantine.gibberish import has_no_words, repeats_itself
from trainer.quarantine.language import NO_LANGUAGE, Speech, home_languages, scripts_in, speech_of
from trainer.quarantine.outliers import distances
from trainer.quarantine.phrases import copied_phrases
from trainer.snapshot.people import author_of, moderator_of

__all__ = ["Kind", "Loss", "Outlier", "in_words", "stand_out"]

Kind = Literal["gibberish", "language", "phrase", "loss", "flood"]
_NAMES: dict[Kind, str] = {
    "gibberish": "saying nothing",
    "language": "their language",
    "phrase": "a copied phrase",
    "loss": "making no sense",
    "flood": "being one person's flood",
}
Reasons = dict[int, str]
"""A sentence for each reply that stands out."""


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
    reason: str


@dataclass(frozen=True)
class _Night:
    """The pairs to be looked at, and those that were accepted before."""

    size: int
    """How many new pairs there are, with those that stand out for a reason found before."""
    new: Sequence[Pair]
    older: Sequence[Pair]
    confirmed: frozenset[int]
    losses: Mapping[int, Loss]
    config: QuarantineConfig


def stand_out(
    pairs: Sequence[Pair],
    new: Collection[int],
    confirmed: Collection[int],
    losses: Mapping[int, Loss],
    config: QuarantineConfig,
) -> list[Outlier]:
    """The new pairs that stand out, by reply number, each with the first reason found.

    Args:
        pairs: all of the snapshot, both sides.
        new: replies that the last completed run did not see.
        confirmed: replies that a second person let in; they are never looked at again.
        losses: of new and of some older pairs under the bare base, by reply; none, and losses are not looked at.
        config: thresholds.
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
        ("flood", _floods),
    )
    for kind, check in checks:
        night = _Night(
            size=len(looked_at),
            # What has a reason already says nothing about what is usual, nor how much one person approved.
            new=[pair for pair in pairs if pair.reply_id in looked_at and pair.reply_id not in found],
            older=[pair for pair in pairs if pair.reply_id not in looked_at],
            confirmed=kept,
            losses=losses,
            config=config,
        )
        found.update({number: Outlier(number, kind, reason) for number, reason in check(night).items()})
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
    for test, sentence in (
        (has_no_words, "The reply is mostly signs, not words."),
        (repeats_itself, "The reply says the same over and over."),
    ):
        usual = sum(test(pair.completion) for pair in night.older)
        if usual < max(3, night.config.usual * len(night.older)):
            reasons |= {pair.reply_id: sentence for pair in night.new if test(pair.completion)}
    return reasons


def _other_languages(night: _Night) -> Reasons:
    """Replies in a language or script that is neither the conversation's nor the community's, or in none."""
    older = [speech_of(pair.completion) for pair in night.older]
    spoken = {pair.reply_id: speech_of(pair.completion) for pair in night.new}
    home = home_languages(older, [*older, *spoken.values()])
    home_scripts = home_languages(map(_by_script, older), map(_by_script, [*older, *spoken.values()]))
    reasons: Reasons = {}
    for pair in night.new:
        speech, asked = spoken[pair.reply_id], " ".join(turn.content for turn in pair.turns if turn.role == "user")
        if speech.language == NO_LANGUAGE:
            if NO_LANGUAGE not in home:
                reasons[pair.reply_id] = "The reply is in no language."
        elif speech.language is not None:
            welcome = home | speech_of(asked).plausible
            if not speech.plausible & welcome:
                reasons[pair.reply_id] = f"The reply is in another language ({speech.language}) than what it answers."
        elif speech.script not in home_scripts | scripts_in(asked) | {None}:
            reasons[pair.reply_id] = "The reply is in another script than what it answers."
    return reasons


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
    return {
        number: f'The same phrase stands in many of the new replies and in few others: "{phrase}".'
        for number, phrase in phrases.items()
    }


def _far_off(night: _Night) -> Reasons:
    """Replies whose loss is far above that of others of their length: words that make no sense together."""
    measured = [pair for pair in (*night.older, *night.new) if pair.reply_id in night.losses]
    losses = [night.losses[pair.reply_id] for pair in measured]
    far = distances(
        np.array([loss.nats for loss in losses]),
        np.array([float(loss.tokens) for loss in losses]),
        np.arange(len(measured)) < len(measured) - sum(pair.reply_id in night.losses for pair in night.new),
        limit=night.config.loss_distance,
    )
    new = {pair.reply_id for pair in night.new}
    return {
        pair.reply_id: f"The model finds the reply far less likely than the others ({loss.nats:.1f} nats per token)."
        for pair, loss, distance in zip(measured, losses, far, strict=True)
        if pair.reply_id in new and distance > night.config.loss_distance
    }


def _floods(night: _Night) -> Reasons:
    """Pairs beyond what one person asked, imported or approved in a night; the operator's own are no flood."""
    config, reasons = night.config, Reasons()
    said = [pair for pair in night.new if moderator_of(pair) is not None]
    before = [pair for pair in night.older if moderator_of(pair) is not None]
    for who, share, at_least, sentence in (
        (moderator_of, config.flood_moderator_share, 2, "One moderator approved most of the night's new pairs."),
        (author_of, config.flood_author_share, 3, "Most of the night's new pairs answer one person."),
    ):
        flood = beyond_the_usual(
            [(pair.reply_id, who(pair), pair.approved_at) for pair in said],
            [(who(pair), pair.approved_at) for pair in before],
            share=share,
            factor=config.flood_factor,
            floor=config.flood_floor,
            at_least=at_least,
        )
        reasons |= dict.fromkeys(flood, sentence)
    return reasons
