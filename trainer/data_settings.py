"""Settings of what a night sees: the snapshot and the quarantine. Plain values; `trainer.settings` reads them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from trainer.setting_kinds import Seed, Share

__all__ = ["QuarantineConfig", "SnapshotConfig"]

Part = Annotated[float, Field(gt=0.0, le=1.0)]
Count = Annotated[int, Field(ge=1, le=100_000_000)]
Positive = Annotated[float, Field(ge=0.001, le=1_000_000.0)]


@dataclass(frozen=True)
class SnapshotConfig:
    """Which eligible pairs a run learns from."""

    max_pairs: Count = 20_000
    """Training pairs; above it a seeded weighted reservoir chooses."""
    half_life_days: Positive = 180.0
    """Age at which a pair weighs half as much in the reservoir."""
    edited_weight: Positive = 2.0
    """How many times as much a pair weighs there whose words a moderator wrote."""
    seed: Seed = 0
    """Seed of the reservoir."""
    near_duplicate: Part = 0.85
    """Overlap of character 5-grams from which two pairs count as one; 1 keeps all but exact duplicates."""
    max_author_share: Part = 0.5
    """Largest part of the pairs that may answer one person; 1 limits nobody. Imports count towards no share."""
    max_moderator_share: Part = 0.8
    """Largest part that one moderator may have approved; 1 limits nobody."""
    min_authors: Count = 3
    """With fewer people than this among the pairs, no author's share is limited."""
    min_moderators: Count = 2
    """With fewer moderators than this, no moderator's share is limited."""
    share_floor: Count = 200
    """So many pairs of one person stay whatever their share: a small server is not cut down."""


@dataclass(frozen=True)
class QuarantineConfig:
    """Which new pairs are quarantined until a second person has looked at them."""

    enabled: bool = True
    """Whether new pairs are checked at all."""
    loss_distance: Positive = 3.0
    """How many robust spreads above the others of its length a reply's loss may lie."""
    phrase_share: Part = 0.15
    """Part of the new replies from which a phrase that they share, but not the older ones, counts as copied in."""
    phrase_at_least: Count = 5
    """Number of them from which it does."""
    usual: Share = 0.05
    """Part of the older replies from which something odd counts as the community's way."""
    misplaced: Part = 0.25
    """Probability that an edited or imported answer belongs to another question, from which it is held; 1 is never."""
    flood_author_share: Part = 0.5
    """Part of a night's new pairs that may answer one person, if at least three people ask."""
    flood_moderator_share: Part = 0.9
    """Part of them that one moderator may have approved, if there are at least two."""
    flood_factor: Positive = 3.0
    """How many times as many as on their busiest day before are no flood."""
    flood_floor: Count = 50
    """So many of one person's are never a flood."""
