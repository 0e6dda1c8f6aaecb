"""The first stages of a run: which pairs it learns from, and which of them wait for a second person."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from storage.servers import Voice
from trainer.quarantine.reasons import stored as stored_text
from trainer.quarantine.rules import in_words
from trainer.readiness import why_not_train
from trainer.reasons import Reason, excluded, in_english
from trainer.result import RunResult
from trainer.run_record import TRAINED, RunRecord, digests
from trainer.snapshot.manifest import manifest_of, write_manifest
from trainer.snapshot.snapshot import Snapshot, stream_snapshot, without

if TYPE_CHECKING:
    from model.base.loading import LoadedBase
    from trainer.quarantine.measure import Screening

__all__ = ["screen_pairs", "take_snapshot"]

UNSCREENED = "unscreened"
"""Where a run's record says that no embedder could be loaded: why, and whether it is the first such run."""


def take_snapshot(record: RunRecord, *, force: bool) -> Snapshot | RunResult:
    """Take the snapshot; the result instead, when there is no reason to train."""
    record.stage("snapshot")
    former = record.former()
    snapshot = _snapshot(record, former)
    waiting = record.store.counts(record.settings.consent, **record.choice).excluded
    record.update(
        snapshot_hash=snapshot.hash,
        train_pairs=len(snapshot.train),
        holdout_pairs=len(snapshot.holdout),
        details={"excluded": waiting},
    )
    refusal = why_not_train(snapshot, digests(former), record.settings.training, force=force)
    if refusal is not None:
        why = (refusal, excluded(waiting)) if waiting else (refusal,)
        return record.skip(in_english(why), why)
    return snapshot


def screen_pairs(record: RunRecord, snapshot: Snapshot, base: LoadedBase, *, force: bool) -> Snapshot | RunResult:
    """Quarantine what stands out and record the pairs that are left; returns the result when those are too few."""
    from trainer.quarantine.measure import screen

    former = record.former()
    screening = screen(base, snapshot, former, record.store.confirmed_pairs(), record.settings)
    if record.voice is not None:
        screening = _own(screening, snapshot, record.voice)
    _note(record, screening)
    if screening.outliers:
        outliers = [(one.reply_id, stored_text(one.reason)) for one in screening.outliers]
        record.store.quarantine(record.run.id, outliers)
        snapshot = without(snapshot, frozenset(reply_id for reply_id, _ in outliers), "quarantine")
        record.update(
            snapshot_hash=snapshot.hash,
            train_pairs=len(snapshot.train),
            holdout_pairs=len(snapshot.holdout),
        )
        words = in_words(screening.outliers, screening.new)
        record.progress.say(words)
        refusal = why_not_train(snapshot, digests(former), record.settings.training, force=force)
        if refusal is not None:
            held = Reason("few.quarantine", {"count": len(screening.outliers), "new": screening.new})
            return record.skip(f"{words} {in_english(refusal)}", (held, refusal))
    _describe(record, snapshot)
    record.store.record_snapshot(record.run.id, (pair.reply_id for pair in (*snapshot.train, *snapshot.holdout)))
    return snapshot


def _own(screening: Screening, snapshot: Snapshot, voice: Voice) -> Screening:
    """What was found of the server's own pairs: those of the operator teach other servers too, and stay."""
    own = {pair.reply_id for pair in (*snapshot.train, *snapshot.holdout) if pair.guild_id == voice.guild_id}
    return replace(screening, outliers=[one for one in screening.outliers if one.reply_id in own])


def _note(record: RunRecord, screening: Screening) -> None:
    """Keep what was set aside in the run's record, and say, once, that edits and imports were not compared."""
    details: dict[str, Any] = {**record.details, "quarantined": screening.record()}
    if screening.without_embedder is not None:
        last = next((run for run in record.store.runs_of_voice(record.run.guild_id) if run.outcome in TRAINED), None)
        again = last is not None and UNSCREENED in last.details
        details[UNSCREENED] = {"why": screening.without_embedder, "first": not again}
        record.progress.say(f"Edits and imports are not compared with their questions: {screening.without_embedder}")
    record.update(details=details)


def _snapshot(record: RunRecord, former: Mapping[int, str] | None) -> Snapshot:
    """The eligible pairs of this moment, chosen by the settings."""
    return stream_snapshot(
        partial(record.store.eligible_pairs, record.settings.consent, **record.choice),
        record.settings.training.holdout_share,
        record.settings.snapshot,
        max_holdout=record.settings.training.max_holdout,
        former=former,
    )


def _describe(record: RunRecord, snapshot: Snapshot) -> None:
    """Keep which pairs the run sees, beside its log."""
    manifest = manifest_of(
        snapshot,
        taken_at=record.run.started_at,
        consent=record.settings.consent,
        learn_from=record.store.learned_origins(record.settings.training.learn_from),
        holdout_share=record.settings.training.holdout_share,
        rules=record.settings.snapshot,
    )
    write_manifest(record.directory, manifest)
