"""Measures what the quarantine wants to know of a night's pairs on the loaded base, and asks it. The edge to torch.

The bare base is the measure, not the champion: it has seen none of the pairs, so new and older ones can be compared,
while the champion learned the older ones and would find whatever is new unlikely.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from model.base.loading import LoadedBase
from model.embedder import Embedder, load_embedder
from model.errors import EmbedderNotFound
from storage.pair_records import Pair
from trainer.evaluation.evaluate import spread
from trainer.quarantine.misplaced import Meaning, by_hand, question_of, worth_comparing
from trainer.quarantine.rules import Loss, Outlier, stand_out
from trainer.settings import TrainerSettings
from trainer.snapshot.snapshot import Snapshot
from trainer.training.likelihood import negative_log_likelihoods
from trainer.training.tokens import encode_pairs

__all__ = ["Screening", "losses_of", "meanings_of", "screen"]

MOST_NEW, MOST_OLDER = 2_000, 200
"""Pairs whose loss is measured; more new ones than this come from a file, and every other check sees all of them."""
MOST_BY_HAND = 2_000
"""Edits and imports of a night that are compared with their questions; of a larger list, blocks of neighbours."""


@dataclass(frozen=True)
class Screening:
    """The new pairs that stand out, how many are new, and why edits and imports were not compared, if they were not."""

    outliers: Sequence[Outlier]
    new: int
    without_embedder: str | None = None

    def record(self) -> list[dict[str, Any]]:
        """What a run's row keeps of it; no words."""
        return [{"reply_id": one.reply_id, "kind": one.kind} for one in self.outliers]


def screen(
    base: LoadedBase,
    snapshot: Snapshot,
    former: Mapping[int, str] | None,
    confirmed: Collection[int],
    settings: TrainerSettings,
) -> Screening:
    """The new pairs of a snapshot that stand out.

    Args:
        base: without any adapter.
        snapshot: both sides of it are looked at.
        former: digest by reply number of what the last completed run on this base saw; None and all are new.
        confirmed: replies that a second person let in.
        settings: of the quarantine, and how pairs are rendered.
    """
    pairs = sorted((*snapshot.train, *snapshot.holdout), key=lambda pair: pair.reply_id)
    new = snapshot.new_since(frozenset() if former is None else frozenset(former.values())) - frozenset(confirmed)
    if not settings.quarantine.enabled or not new:
        return Screening([], len(new))
    measured = [
        *spread([pair for pair in pairs if pair.reply_id in new], MOST_NEW),
        *spread([pair for pair in pairs if pair.reply_id not in new], MOST_OLDER),
    ]
    losses = losses_of(base, measured, max_tokens=settings.training.max_tokens, persona=settings.persona)
    meanings, problem = _meanings(pairs, new, settings)
    outliers = stand_out(pairs, new, confirmed, losses, settings.quarantine, meanings=meanings)
    return Screening(outliers, len(new), problem)


def meanings_of(embedder: Embedder, pairs: Sequence[Pair]) -> dict[int, Meaning]:
    """The vectors of each pair's question and answer, by reply number."""
    questions = embedder.embed_queries([question_of(pair) for pair in pairs])
    answers = embedder.embed_documents([pair.completion for pair in pairs])
    return {pair.reply_id: (question, answer) for pair, question, answer in zip(pairs, questions, answers, strict=True)}


def _meanings(
    pairs: Sequence[Pair], new: Collection[int], settings: TrainerSettings
) -> tuple[dict[int, Meaning], str | None]:
    """Of new edits and imports and of some other pairs; with a sentence where no embedder can be loaded."""
    to_compare = worth_comparing([pair for pair in pairs if pair.reply_id in new and by_hand(pair)], MOST_BY_HAND)
    if not to_compare or settings.quarantine.misplaced >= 1.0:
        return {}, None
    try:
        embedder = load_embedder(settings.memory)
    except EmbedderNotFound as error:
        return {}, str(error)
    if embedder is None:
        return {}, None
    known = [pair for pair in pairs if pair.reply_id not in new or not by_hand(pair)]
    return meanings_of(embedder, [*to_compare, *spread(known, MOST_OLDER)]), None


def losses_of(base: LoadedBase, pairs: Sequence[Pair], *, max_tokens: int, persona: str) -> dict[int, Loss]:
    """How surprised the base is by each pair's completion, by reply number; without those that do not fit."""
    tokenizer = base.tokenizer
    pad_id = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    examples = encode_pairs(tokenizer, pairs, max_tokens=max_tokens, persona=persona).items
    nats = negative_log_likelihoods(base.model, examples, pad_id=pad_id)
    return {
        example.reply_id: Loss(value, len(example.ids) - example.prompt_length)
        for example, value in zip(examples, nats, strict=True)
    }
