"""Is there enough to learn from, and enough that is new? Pure: a snapshot and the last one in, a sentence out."""

from __future__ import annotations

from trainer.settings import TrainingConfig
from trainer.snapshot.snapshot import Snapshot, change_since

__all__ = ["least_to_learn", "why_not_train"]


def why_not_train(
    snapshot: Snapshot, former: frozenset[str] | None, config: TrainingConfig, *, force: bool
) -> str | None:
    """Why this run is skipped, in one sentence; None when it should train.

    Args:
        snapshot: the pairs of this run.
        former: digests of the pairs that the last completed run on this base saw; None when there was none.
        config: what is enough.
        force: train even if little is new. Too few pairs are too few all the same.
    """
    if len(snapshot) < config.min_pairs:
        return f"There are {len(snapshot)} eligible pairs and training needs {config.min_pairs}."
    if len(snapshot.holdout) < config.min_holdout:
        return (
            f"Only {len(snapshot.holdout)} of {len(snapshot)} pairs fall into the hold-out and judging a new adapter "
            f"needs {config.min_holdout}; it fills as pairs are approved{_other_prompts(snapshot)}."
        )
    if len(snapshot.train) < least_to_learn(config):
        return (
            f"{len(snapshot.holdout)} of {len(snapshot)} pairs fall into the hold-out, which nothing is learned from, "
            f"and learning needs {least_to_learn(config)} others{_other_prompts(snapshot)}."
        )
    if former is None or force:
        return None
    change = change_since(snapshot, former)
    if change.withdrawn == 0 and change.new < max(1, config.min_new_pairs):
        return f"{_pairs(change.new)} new since the last run, and a run needs {max(1, config.min_new_pairs)}."
    return None


def least_to_learn(config: TrainingConfig) -> int:
    """Fewer pairs than this beside the hold-out teach nothing: half of what a run needs in all, and at least 2."""
    return max(2, config.min_pairs // 2)


def _other_prompts(snapshot: Snapshot) -> str:
    """What to approve where few conversations hold all pairs: each is learned from or judged by as a whole."""
    conversations = len({pair.conversation for pair in (*snapshot.train, *snapshot.holdout)})
    if 2 * conversations > len(snapshot):
        return ""
    held = (
        "one conversation or prompt holds" if conversations == 1 else f"{conversations} conversations or prompts hold"
    )
    return f": {held} all of them, and each is held out or learned from as a whole, so approve pairs with other prompts"


def _pairs(count: int) -> str:
    return "No pair is" if count == 0 else "1 pair is" if count == 1 else f"{count} pairs are"
