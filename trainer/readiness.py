"""Is there enough to learn from, and enough that is new? Pure: a snapshot and the last one in, a reason out."""

from __future__ import annotations

from trainer.reasons import Reason, Value
from trainer.settings import TrainingConfig
from trainer.snapshot.snapshot import Snapshot, change_since

__all__ = ["least_to_learn", "why_not_train"]


def why_not_train(
    snapshot: Snapshot, former: frozenset[str] | None, config: TrainingConfig, *, force: bool
) -> Reason | None:
    """Why this run is skipped; None when it should train.

    Args:
        snapshot: the pairs of this run.
        former: digests of the pairs that the last completed run on this base saw; None when there was none.
        config: what is enough.
        force: train even if little is new. Too few pairs are too few all the same.
    """
    figures: dict[str, Value] = {"pairs": len(snapshot), "holdout": len(snapshot.holdout)}
    if len(snapshot) < config.min_pairs:
        return Reason("few.pairs", figures | {"needed": config.min_pairs})
    if len(snapshot.holdout) < config.min_holdout:
        return _other_prompts("few.holdout", snapshot, figures | {"needed": config.min_holdout})
    if len(snapshot.train) < least_to_learn(config):
        return _other_prompts("few.train", snapshot, figures | {"needed": least_to_learn(config)})
    if former is None or force:
        return None
    change, needed = change_since(snapshot, former), max(1, config.min_new_pairs)
    if change.withdrawn == 0 and change.new < needed:
        code = {0: "few.new.none", 1: "few.new.one"}.get(change.new, "few.new")
        return Reason(code, {"new": change.new, "needed": needed})
    return None


def least_to_learn(config: TrainingConfig) -> int:
    """Fewer pairs than this beside the hold-out teach nothing: half of what a run needs in all, and at least 2."""
    return max(2, config.min_pairs // 2)


def _other_prompts(code: str, snapshot: Snapshot, figures: dict[str, Value]) -> Reason:
    """The reason, with what to approve where few conversations hold all pairs: each is on one side as a whole."""
    conversations = len({pair.conversation for pair in (*snapshot.train, *snapshot.holdout)})
    if 2 * conversations > len(snapshot):
        return Reason(code, figures)
    kind = "prompt" if conversations == 1 else "prompts"
    return Reason(f"{code}.{kind}", figures | {"conversations": conversations})
