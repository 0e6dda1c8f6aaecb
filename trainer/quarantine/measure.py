"""Measures what the quarantine wants to know of a night's pairs on the loaded base, and asks it. The edge to torch.

The bare base is the measure, not the champion: it has seen none of the pairs, so new and older ones can be compared,
while the champion learned the older ones and would find whatever is new unlikely.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from model.base.loading import LoadedBase
from storage.records import Pair
from trainer.evaluation.evaluate import spread
from trainer.quarantine.rules import Loss, Outlier, stand_out
from trainer.settings import TrainerSettings
from trainer.snapshot.snapshot import Snapshot
from trainer.training.likelihood import negative_log_likelihoods
from trainer.training.tokens import encode_pairs

__all__ = ["losses_of", "screen"]

MOST_NEW, MOST_OLDER = 2_000, 200
"""Pairs whose loss is measured; more new ones than this come from a file, and every other check sees all of them."""


def screen(
    base: LoadedBase,
    snapshot: Snapshot,
    former: Mapping[int, str] | None,
    confirmed: Collection[int],
    settings: TrainerSettings,
) -> tuple[list[Outlier], int]:
    """The new pairs of a snapshot that stand out, and how many are new.

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
        return [], len(new)
    measured = [
        *spread([pair for pair in pairs if pair.reply_id in new], MOST_NEW),
        *spread([pair for pair in pairs if pair.reply_id not in new], MOST_OLDER),
    ]
    losses = losses_of(base, measured, max_tokens=settings.training.max_tokens, persona=settings.persona)
    return stand_out(pairs, new, confirmed, losses, settings.quarantine), len(new)


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
