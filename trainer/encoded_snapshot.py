"""A snapshot in tokens: what is learned from, what chooses the best moment and what judges. Knows no model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from model.base.loading import LoadedBase
from storage.pair_records import Pair
from trainer.evaluation.evaluate import spread
from trainer.readiness import least_to_learn
from trainer.settings import TrainerSettings
from trainer.snapshot.holdout import validation_split
from trainer.snapshot.snapshot import Snapshot
from trainer.training.fitting import Limits, require_enough
from trainer.training.recipe import validation_size
from trainer.training.shown_examples import with_examples
from trainer.training.tokens import Example, Examples, encode_pairs, with_validation

__all__ = ["EncodedSnapshot", "encode_snapshot"]


@dataclass(frozen=True)
class EncodedSnapshot:
    """The snapshot in tokens.

    Attributes:
        learning: what is learned from; some of the prompts show examples.
        validating: what chooses the best moment.
        judging: the held-out pairs that are scored.
        plain: `learning` without examples in the prompts, for who must not read other pairs' answers there.
        pad_id: what batches are padded with.
    """

    learning: Examples
    validating: Examples
    judging: Examples
    plain: tuple[Example, ...]
    pad_id: int

    @property
    def longest(self) -> int:
        """Tokens of the longest example."""
        return max(len(example.ids) for part in self._parts for example in part.items)

    @property
    def windowed(self) -> int:
        """Pairs that lost their oldest turns."""
        return sum(part.windowed for part in self._parts)

    @property
    def dropped(self) -> int:
        """Pairs that are too long all the same."""
        return sum(part.dropped for part in self._parts)

    @property
    def _parts(self) -> tuple[Examples, ...]:
        return self.learning, self.validating, self.judging


def encode_snapshot(
    settings: TrainerSettings, snapshot: Snapshot, base: LoadedBase, examples: Mapping[int, Sequence[Pair]]
) -> EncodedSnapshot:
    """The snapshot in tokens; `examples` are shown in the prompts of these pairs, by reply number. Raises TooFewFit."""
    tokenizer, training = base.tokenizer, settings.training
    encoded = partial(encode_pairs, tokenizer, max_tokens=training.max_tokens, persona=settings.persona)
    learn, validate = validation_split(snapshot.train, validation_size(len(snapshot.train)))
    judge = spread(snapshot.holdout, training.max_holdout)
    learning, validating = with_validation(encoded(with_examples(learn, examples)), encoded(validate))
    judging = encoded(judge)
    fit, needed = len(learning.items) + len(validating.items), least_to_learn(training)
    limits = Limits(training.max_tokens, settings.persona, getattr(base.model.config, "max_position_embeddings", None))
    require_enough(tokenizer, "pairs to learn from", snapshot.train, fit=fit, needed=needed, limits=limits)
    fit, needed = len(judging.items), training.min_holdout
    require_enough(tokenizer, "held-out pairs", judge, fit=fit, needed=needed, limits=limits)
    alone = {one.reply_id: one for one in encoded([pair for pair in learn if pair.reply_id in examples]).items}
    plain = tuple(alone.get(one.reply_id, one) for one in learning.items)
    pad_id = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    return EncodedSnapshot(learning, validating, judging, plain, pad_id)
