"""Measures base, champion, anchor and challenger on the same weights: losses and replies, gathered for the gate.

Knows neither the store nor how a challenger was trained.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from model.base.loading import LoadedBase
from model.device_errors import is_out_of_memory
from trainer.champion import Champion
from trainer.evaluation import evaluate
from trainer.evaluation.evidence import Evidence, Score
from trainer.evaluation.probes import ask_probes, choose_probes
from trainer.settings import TrainerSettings
from trainer.snapshot.snapshot import Snapshot
from trainer.training.qlora import CHALLENGER
from trainer.training.tokens import Example

__all__ = ["measure_adapters"]

log = logging.getLogger(__name__)

_ANCHOR = "anchor"
"""The name of the champion of some days ago, among the adapters on the base."""


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
    """What the gate looks at, and the losses of the held-out pairs under the bare base.

    Args:
        settings: the gate's and how replies are drawn.
        base: with its tokenizer.
        model: the PEFT model with the challenger.
        learning: what it learned from and was validated on.
        judging: the held-out pairs that are scored.
        snapshot: the pairs of both.
        champion: the adapter to beat; None is the bare base.
        anchor: the champion of some days ago, where it is another one.
        pad_id: what batches are padded with.
    """
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
