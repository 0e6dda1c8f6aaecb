"""The end of a run: the verdict is recorded, and an adapter that won is published and put to use.

Nothing half published: an adapter appears in one rename, its row comes after, its promotion last.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from storage.run_records import Candidate
from trainer.evaluation.betting import evidence
from trainer.evaluation.gate import Decision
from trainer.reasons import Reason, in_english, stored
from trainer.result import RunResult, result_of
from trainer.run_record import RunRecord
from trainer.snapshot.snapshot import Snapshot
from trainer.verdict import VERDICT, Verdict, carry_out

if TYPE_CHECKING:
    from trainer.train_and_measure import TrainingOutcome

__all__ = ["conclude"]


def conclude(
    record: RunRecord, snapshot: Snapshot, trained: TrainingOutcome, decision: Decision, in_use: str | None
) -> RunResult:
    """Record the verdict, then publish a winner and put it to use."""
    holdout = trained.evidence.holdout
    figures: dict[str, Any] = {
        "champion_nll": sum(score.before for score in holdout) / len(holdout),
        "challenger_nll": sum(score.after for score in holdout) / len(holdout),
    }
    why = stored([decision.why])
    verdict = Verdict(decision.promote, decision.reason, in_use, len(holdout), why, decision.only_unsure)
    details = {
        **trained.details,
        "left_out": dict(snapshot.left_out),
        **record.details,
        "recipe": trained.recipe.described(),
        "learned": asdict(trained.learned),
        "checks": [check.record() for check in decision.checks],
        "samples": [asdict(sample) for sample in trained.evidence.samples],
        VERDICT: asdict(verdict),
    }
    record.update(champion=trained.champion, details=details, **figures)
    winner = _proven_candidate(record, trained)
    if not decision.promote and winner is not None:
        return _use_candidate(record, *winner, in_use)
    candidates = record.settings.gate.candidates
    if verdict.promote or (verdict.only_unsure and candidates):
        record.stage("publish")
        _publish(record, snapshot, trained, figures)
    if verdict.promote:
        record.stage("promote")
    before = record.store.marked_adapters()
    run = carry_out(record.store, record.adapters, record.run.id, verdict, candidates=candidates)
    for tainted in sorted(set(before) - set(record.store.marked_adapters())):
        record.progress.say(f"Retired {tainted}: it learned from words withdrawn since")
    return result_of(run)


def _proven_candidate(record: RunRecord, trained: TrainingOutcome) -> tuple[Candidate, Reason] | None:
    """Count what tonight's pairs say of the candidates; the one that has proved itself, and why."""
    from trainer.candidates import proven

    needed, voice = record.settings.gate.candidate_evidence, record.run.guild_id
    found = proven(record.store, trained.candidates, trained.champion, needed, voice)
    for one in record.store.candidates(voice):
        if one.adapter in trained.candidates:
            record.progress.say(f"Candidate {one.adapter}: {one.pairs} pairs, evidence {evidence(one.wealth):.2f}")
    return found


def _use_candidate(record: RunRecord, candidate: Candidate, why: Reason, in_use: str | None) -> RunResult:
    """Put a candidate that has proved itself to use in the place of tonight's challenger."""
    record.stage("promote")
    row = record.store.adapter(candidate.adapter)
    run = record.store.conclude_run(record.run.id, row, expected=in_use, reason=in_english(why), why=stored([why]))
    return result_of(run)


def _publish(record: RunRecord, snapshot: Snapshot, trained: TrainingOutcome, figures: dict[str, Any]) -> None:
    """Put the adapter in the directory, under the run's id; its row comes with the verdict."""
    created_at = datetime.now(UTC).isoformat(timespec="milliseconds")
    manifest = {
        "run": record.run.id,
        "created_at": created_at,
        "base_model": trained.base.id,
        "base_revision": trained.base.revision,
        "template_hash": trained.base.template_hash,
        "dataset_hash": snapshot.hash,
        "pairs": len(snapshot),
        "consent": record.settings.consent,
        **({"server": record.voice.guild_id} if record.voice else {}),
        "learn_from": record.store.learned_origins(record.settings.training.learn_from),
        "metrics": {**figures, "validation_loss": trained.learned.eval_loss},
        "seed": record.settings.training.seed,
        "recipe": trained.recipe.described(),
    }
    record.adapters.publish(record.run.id, trained.adapter, manifest)
