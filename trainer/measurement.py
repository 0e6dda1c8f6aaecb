"""Measures base, champion, anchor and challenger on the same weights: losses and replies, gathered for the gate.

Knows neither the store nor how a challenger was trained.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model.base.loading import LoadedBase
from model.device_errors import is_out_of_memory
from storage.records import Pair
from trainer.evaluation import evaluate
from trainer.evaluation.evidence import Evidence, Score
from trainer.evaluation.probes import ask_probes, choose_probes
from trainer.settings import TrainerSettings
from trainer.snapshot.duplicates import digest
from trainer.snapshot.snapshot import Snapshot
from trainer.training.qlora import CHALLENGER
from trainer.training.tokens import Example

__all__ = ["Champion", "measure_adapters", "mismatch"]

log = logging.getLogger(__name__)

_ANCHOR = "anchor"
"""The name of the champion of some days ago, among the adapters on the base."""


@dataclass(frozen=True)
class Champion:
    """A published adapter to be beaten, or to be compared with."""

    id: str
    path: Path
    created_at: str
    manifest: dict[str, Any]
    seen: frozenset[str] | None = None
    """Digests of the pairs that its run saw; None where nobody knows."""

    def has_seen(self, pair: Pair) -> bool:
        """Whether it learned from a pair; where nobody knows, from all that was approved before it was made."""
        if self.seen is None:
            return pair.approved_at <= self.created_at
        return digest(pair) in self.seen


def mismatch(champion: Champion, base: LoadedBase) -> str | None:
    """Why an adapter does not fit this base; None when it does."""
    theirs, ours = champion.manifest, base
    if (theirs.get("base_model"), theirs.get("base_revision")) != (ours.id, ours.revision):
        return f"was made for {theirs.get('base_model')}"
    if theirs.get("template_hash") != ours.template_hash:
        return "was made for another chat template"
    return None


def measure_adapters(
    settings: TrainerSettings,
    base: LoadedBase,
    model: Any,
    *,
    learning: Sequence[Example],
    judging: Sequence[Example],
    snapshot: Snapshot,
    champion: Champion | None,
    anchor: Champion | None,
    pad_id: int,
) -> tuple[Evidence, list[float]]:
    held_out = {pair.reply_id: pair for pair in snapshot.holdout}
    rival = evaluate.add_champion(model, champion.path) if champion else None
    theirs = evaluate.nlls_of(model, rival, judging, pad_id=pad_id)
    ours = evaluate.nlls_of(model, CHALLENGER, judging, pad_id=pad_id)
    base_nlls = evaluate.nlls_of(model, None, judging, pad_id=pad_id) if rival else theirs
    general = zip(
        evaluate.choice_losses(model, None, base.tokenizer, pad_id=pad_id),
        evaluate.choice_losses(model, CHALLENGER, base.tokenizer, pad_id=pad_id),
        strict=True,
    )
    asked = choose_probes(
        base.tokenizer,
        settings.gate,
        settings.generation,
        persona=settings.persona,
        learned=snapshot.train,
        examples={example.reply_id: example for example in learning},
        judging=judging,
        holdout=held_out,
    )
    anchored = _anchor_nlls(model, anchor, judging, pad_id=pad_id)
    answers = ask_probes(model, rival, base.tokenizer, asked, settings.gate)
    evidence = Evidence(
        holdout=tuple(
            Score(
                before,
                after,
                older=champion is not None and held_out[example.reply_id].approved_at < champion.created_at,
                conversation=held_out[example.reply_id].conversation,
            )
            for example, before, after in zip(judging, theirs, ours, strict=True)
        ),
        anchor=tuple(Score(before, after) for before, after in zip(anchored, ours, strict=bool(anchored))),
        general=tuple(Score(before, after) for before, after in general),
        samples=answers.samples,
        replies=answers.replies,
        canaries=answers.canaries,
        secrets=answers.secrets,
    )
    return evidence, base_nlls


def _anchor_nlls(model: Any, anchor: Champion | None, judging: Sequence[Example], *, pad_id: int) -> list[float]:
    """The losses of the held-out pairs under the champion of some days ago; none where memory runs out with it."""
    if anchor is None:
        return []
    try:
        with evaluate.added(model, anchor.path, _ANCHOR) as name:
            return evaluate.nlls_of(model, name, judging, pad_id=pad_id)
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        log.warning("Memory ran out with %s, so the challenger is not compared with it", anchor.id, exc_info=True)
        return []
