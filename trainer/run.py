"""One training run from lock to verdict: snapshot, train, evaluate, gate, publish, promote.

Each stage is recorded as it begins. Whatever goes wrong, the run ends as `failed` with a reason a person can read, and
nothing half published: an adapter appears in one rename, its row comes after, its promotion last.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from storage.errors import AdapterDamaged, AdapterMissing, DatabaseBusy
from storage.files.adapter_directory import AdapterDirectory
from storage.files.home import Home
from storage.promotions import champion_at
from storage.records import Adapter, Candidate, Choice, Pair, Run
from storage.store import Store
from trainer.errors import RunInterrupted
from trainer.evaluation.betting import evidence
from trainer.evaluation.gate import Decision, decide
from trainer.exclusion import words_excluded
from trainer.failure import close_failed
from trainer.heartbeat import heartbeat
from trainer.lock import run_lock
from trainer.progress import Progress
from trainer.quarantine.reasons import stored as stored_text
from trainer.quarantine.rules import in_words
from trainer.readiness import why_not_train
from trainer.reasons import Reason, in_english, stored
from trainer.result import RunResult, result_of
from trainer.resume import CHECKPOINTS, VERDICT, Verdict, find_resumable, finish_judged, row_of
from trainer.schedule import local_date as date_in_zone
from trainer.settings import TrainerSettings
from trainer.snapshot.manifest import manifest_of, provenance_of, write_manifest
from trainer.snapshot.snapshot import Snapshot, stream_snapshot, without

if TYPE_CHECKING:
    from model.base.loading import LoadedBase
    from trainer.measurement import Champion
    from trainer.quarantine.measure import Screening
    from trainer.train_and_measure import TrainingOutcome

__all__ = ["run_once"]

log = logging.getLogger(__name__)

UNSCREENED = "unscreened"
"""Where a run's record says that no embedder could be loaded: why, and whether it is the first such run."""
TRAINED = ("promoted", "kept")
"""Outcomes of runs that went all the way."""


def run_once(
    home: Home,
    settings: TrainerSettings,
    *,
    progress: Progress,
    force: bool = False,
    trigger: str = "manual",
    local_date: str | None = None,
) -> RunResult:
    """Make one run in this process. A failure is in the result, not an exception.

    Raises:
        RunBusy: another run is alive; nothing was recorded.
        ScheduleInvalid, StorageError: nothing could be begun.
    """
    night = local_date or date_in_zone(datetime.now(UTC), settings.schedule)
    with run_lock(home.runs / "lock") as beat, heartbeat(beat), Store.open(home.db) as store:
        AdapterDirectory(home.adapters).sweep()
        if (judged := finish_judged(store, home, _config(settings))) is not None:
            progress.say(f"Run {judged.id} had been judged already; its verdict is carried out: {judged.reason}")
            if trigger != "schedule" or judged.local_date == night:
                return result_of(judged)
        unfinished = find_resumable(store, home, _config(settings), night)
        if unfinished is not None:
            run, snapshot = unfinished
            store.update_run(run.id, pid=os.getpid())
            progress.say(f"Resuming run {run.id} of {run.local_date}, which was stopped in stage {run.stage!r}")
        else:
            run, snapshot = store.start_run(trigger, night, os.getpid(), _config(settings)), None
        directory = home.runs / run.id
        directory.mkdir(exist_ok=True)
        with _logged_to(directory / "log"):
            try:
                return _Run(home, settings, store, run, progress).execute(force=force, snapshot=snapshot)
            except RunInterrupted as stopped:
                return RunResult(run.id, "failed", str(stopped))  # its row stays open for the next start
            except BaseException as error:
                log.exception("Run %s failed", run.id)
                result = close_failed(error, home, store, run.id)
                if isinstance(error, Exception | KeyboardInterrupt) or store.run(run.id).outcome is None:
                    return result
                raise
            finally:
                shutil.rmtree(directory / "scratch", ignore_errors=True)
                if store.run(run.id).outcome is not None:
                    shutil.rmtree(directory / CHECKPOINTS, ignore_errors=True)


class _Run:
    """The stages of one run, which share the store, the row and the progress."""

    def __init__(self, home: Home, settings: TrainerSettings, store: Store, run: Run, progress: Progress) -> None:
        self._home = home
        self._settings = settings
        self._store = store
        self._run = run
        self._progress = progress
        self._directory = home.runs / run.id
        self._adapters = AdapterDirectory(home.adapters)

    def execute(self, *, force: bool, snapshot: Snapshot | None = None) -> RunResult:
        """All stages, or what is left of a run that was stopped and whose snapshot is given."""
        from trainer.train_and_measure import open_base

        if snapshot is None:
            taken = self._begin(force=force)
            if isinstance(taken, RunResult):
                return taken
            base = open_base(self._settings, self._home.models)
            screened = self._screen(taken, base, force=force)
            if isinstance(screened, RunResult):
                return screened
            snapshot = screened
        else:
            base = open_base(self._settings, self._home.models)
        in_use = self._store.champion()
        trained = self._train_and_measure(snapshot, self._champion(in_use), base)
        self._stage("gate")
        decision = decide(trained.evidence, self._settings.gate)
        return self._end(snapshot, trained, decision, in_use)

    def _begin(self, *, force: bool) -> Snapshot | RunResult:
        """Take the snapshot; the result instead, when there is no reason to train."""
        self._stage("snapshot")
        former = self._former()
        snapshot = self._snapshot(former)
        chosen = self._settings.training
        counts = self._store.counts(self._settings.consent, servers=chosen.servers, learn_from=chosen.learn_from)
        excluded = counts.excluded
        self._store.update_run(
            self._run.id,
            snapshot_hash=snapshot.hash,
            train_pairs=len(snapshot.train),
            holdout_pairs=len(snapshot.holdout),
            details={"excluded": excluded},
        )
        refusal = why_not_train(snapshot, _digests(former), self._settings.training, force=force)
        if refusal is not None:
            more = words_excluded(excluded)
            waiting = Reason("excluded.one" if excluded == 1 else "excluded", {"count": excluded})
            parts = (refusal, waiting) if excluded else (refusal,)
            return self._skipped(f"{in_english(refusal)} {more}".rstrip(), parts)
        return snapshot

    def _screen(self, snapshot: Snapshot, base: LoadedBase, *, force: bool) -> Snapshot | RunResult:
        """Quarantine what stands out and record the pairs that are left; returns the result when those are too few."""
        from trainer.quarantine.measure import screen

        former = self._former()
        screening = screen(base, snapshot, former, self._store.confirmed_pairs(), self._settings)
        self._note(screening)
        if screening.outliers:
            outliers = [(one.reply_id, stored_text(one.reason)) for one in screening.outliers]
            self._store.quarantine(self._run.id, outliers)
            snapshot = without(snapshot, frozenset(reply_id for reply_id, _ in outliers), "quarantine")
            self._store.update_run(
                self._run.id,
                snapshot_hash=snapshot.hash,
                train_pairs=len(snapshot.train),
                holdout_pairs=len(snapshot.holdout),
            )
            words = in_words(screening.outliers, screening.new)
            self._progress.say(words)
            refusal = why_not_train(snapshot, _digests(former), self._settings.training, force=force)
            if refusal is not None:
                held = Reason("few.quarantine", {"count": len(screening.outliers), "new": screening.new})
                return self._skipped(f"{words} {in_english(refusal)}", (held, refusal))
        self._describe(snapshot)
        self._store.record_snapshot(self._run.id, (pair.reply_id for pair in (*snapshot.train, *snapshot.holdout)))
        return snapshot

    def _note(self, screening: Screening) -> None:
        """Keep what was set aside in the run's record, and say, once, that edits and imports were not compared."""
        details: dict[str, Any] = {**self._store.run(self._run.id).details, "quarantined": screening.record()}
        if screening.without_embedder is not None:
            last = next((run for run in self._store.runs(limit=20) if run.outcome in TRAINED), None)
            again = last is not None and UNSCREENED in last.details
            details[UNSCREENED] = {"why": screening.without_embedder, "first": not again}
            self._progress.say(f"Edits and imports are not compared with their questions: {screening.without_embedder}")
        self._store.update_run(self._run.id, details=details)

    def _skipped(self, reason: str, why: tuple[Reason, ...]) -> RunResult:
        self._store.finish_run(self._run.id, "skipped", reason, why=stored(why))
        return RunResult(self._run.id, "skipped", reason)

    def _snapshot(self, former: Mapping[int, str] | None) -> Snapshot:
        """The eligible pairs of this moment, chosen by the settings."""
        return stream_snapshot(
            partial(
                self._store.eligible_pairs,
                self._settings.consent,
                servers=self._settings.training.servers,
                learn_from=self._settings.training.learn_from,
            ),
            self._settings.training.holdout_share,
            self._settings.snapshot,
            max_holdout=self._settings.training.max_holdout,
            former=former,
        )

    def _describe(self, snapshot: Snapshot) -> None:
        """Keep which pairs the run sees, beside its log."""
        manifest = manifest_of(
            snapshot,
            taken_at=self._run.started_at,
            consent=self._settings.consent,
            learn_from=self._store.learned_origins(self._settings.training.learn_from),
            holdout_share=self._settings.training.holdout_share,
            rules=self._settings.snapshot,
        )
        write_manifest(self._directory, manifest)

    def _train_and_measure(self, snapshot: Snapshot, champion: Champion | None, base: LoadedBase) -> TrainingOutcome:
        from trainer.candidates import contenders_of
        from trainer.train_and_measure import RunCallbacks, train_and_measure

        callbacks = RunCallbacks(self._stage, self._progress.say, self._step)
        return train_and_measure(
            self._settings,
            snapshot,
            champion,
            self._choices(snapshot),
            base=base,
            anchor=self._anchor(champion),
            contenders=contenders_of(self._store, self._adapter) if self._settings.gate.candidates else (),
            cache_dir=self._home.models,
            scratch=self._directory / "scratch",
            checkpoints=self._directory / CHECKPOINTS,
            callbacks=callbacks,
            examples=self._examples(snapshot),
        )

    def _examples(self, snapshot: Snapshot) -> dict[int, tuple[Pair, ...]]:
        """What some of the prompts show while they are learned."""
        from trainer.training.shown_examples import examples_for

        share = self._settings.training.example_share
        if not share or not self._settings.memory.examples:
            return {}
        numbers = [pair.reply_id for pair in snapshot.train]
        recalled = self._store.recalled_examples(numbers)
        return examples_for(snapshot.train, self._store.vectors_of_replies(numbers), recalled, share)

    def _choices(self, snapshot: Snapshot) -> list[Choice]:
        """Which answers people preferred on the prompts of the snapshot's pairs."""
        reply_ids = (pair.reply_id for pair in (*snapshot.train, *snapshot.holdout))
        training = self._settings.training
        return list(
            self._store.choices(
                reply_ids, self._settings.consent, servers=training.servers, learn_from=training.learn_from
            )
        )

    def _end(self, snapshot: Snapshot, trained: TrainingOutcome, decision: Decision, in_use: str | None) -> RunResult:
        """Record the verdict, then publish a winner and put it to use."""
        holdout = trained.evidence.holdout
        figures: dict[str, Any] = {
            "champion_nll": sum(score.before for score in holdout) / len(holdout),
            "challenger_nll": sum(score.after for score in holdout) / len(holdout),
        }
        details = {
            **trained.details,
            "left_out": dict(snapshot.left_out),
            **self._store.run(self._run.id).details,
            "recipe": trained.recipe.described(),
            "learned": asdict(trained.learned),
            "checks": [check.record() for check in decision.checks],
            "samples": [asdict(sample) for sample in trained.evidence.samples],
            VERDICT: asdict(Verdict(decision.promote, decision.reason, in_use, len(holdout), stored([decision.why]))),
        }
        self._store.update_run(self._run.id, champion=trained.champion, details=details, **figures)
        winner = self._proven_candidate(trained)
        if not decision.promote and winner is not None:
            return self._use_candidate(*winner, in_use)
        if not decision.promote:
            return self._keep_out(snapshot, trained, decision, figures)
        self._stage("publish")
        adapter = self._publish(snapshot, trained, figures)
        self._stage("promote")
        before = self._store.marked_adapters()
        run = self._store.conclude_run(
            self._run.id, adapter, expected=in_use, reason=decision.reason, why=stored([decision.why])
        )
        for tainted in sorted(set(before) - set(self._store.marked_adapters())):
            self._progress.say(f"Retired {tainted}: it learned from words withdrawn since")
        return result_of(run)

    def _proven_candidate(self, trained: TrainingOutcome) -> tuple[Candidate, Reason] | None:
        """Count what tonight's pairs say of the candidates; the one that has proved itself, and why."""
        from trainer.candidates import proven

        found = proven(self._store, trained.candidates, trained.champion, self._settings.gate.candidate_evidence)
        for one in self._store.candidates():
            if one.adapter in trained.candidates:
                self._progress.say(f"Candidate {one.adapter}: {one.pairs} pairs, evidence {evidence(one.wealth):.2f}")
        return found

    def _use_candidate(self, candidate: Candidate, why: Reason, in_use: str | None) -> RunResult:
        """Put a candidate that has proved itself to use in the place of tonight's challenger."""
        self._stage("promote")
        row = self._store.adapter(candidate.adapter)
        run = self._store.conclude_run(self._run.id, row, expected=in_use, reason=in_english(why), why=stored([why]))
        return result_of(run)

    def _keep_out(
        self, snapshot: Snapshot, trained: TrainingOutcome, decision: Decision, figures: dict[str, Any]
    ) -> RunResult:
        """Close the run without a promotion; an adapter that only lacks certainty stays a candidate."""
        most = self._settings.gate.candidates
        if not decision.only_unsure or not most:
            self._store.finish_run(self._run.id, "kept", decision.reason, why=stored([decision.why]))
            return result_of(self._store.run(self._run.id))
        self._stage("publish")
        why = (decision.why, Reason("candidate.kept"))
        dropped = self._store.keep_candidate(
            self._run.id, self._publish(snapshot, trained, figures), most=most, reason=in_english(why), why=stored(why)
        )
        self._adapters.prune(set(self._adapters.ids()) - set(dropped))
        return result_of(self._store.run(self._run.id))

    def _publish(self, snapshot: Snapshot, trained: TrainingOutcome, figures: dict[str, Any]) -> Adapter:
        """Put the adapter in the directory, under the run's id; returns its row, which is added with the promotion."""
        created_at = datetime.now(UTC).isoformat(timespec="milliseconds")
        manifest = {
            "run": self._run.id,
            "created_at": created_at,
            "base_model": trained.base.id,
            "base_revision": trained.base.revision,
            "template_hash": trained.base.template_hash,
            "dataset_hash": snapshot.hash,
            "pairs": len(snapshot),
            "consent": self._settings.consent,
            "learn_from": self._store.learned_origins(self._settings.training.learn_from),
            "metrics": {**figures, "validation_loss": trained.learned.eval_loss},
            "seed": self._settings.training.seed,
            "recipe": trained.recipe.described(),
        }
        self._adapters.publish(self._run.id, trained.adapter, manifest)
        return row_of(self._adapters, self._run.id)

    def _champion(self, in_use: str | None) -> Champion | None:
        """The adapter to beat; None (the bare base) when none can keep serving."""
        if in_use is None:
            return None
        try:
            champion = self._adapter(in_use)
        except (AdapterMissing, AdapterDamaged) as error:
            self._progress.say(f"{error} The bare base stands in for it.")
            return None
        if in_use in self._store.marked_adapters():
            self._progress.say(
                f"The champion {in_use} learned from words withdrawn since; the bare base stands in for it."
            )
            return None
        return champion

    def _adapter(self, adapter_id: str) -> Champion:
        """A published adapter, looked at byte by byte. Raises AdapterMissing, AdapterDamaged."""
        from trainer.measurement import Champion

        row = self._store.adapter(adapter_id)
        manifest = self._adapters.verify(adapter_id, row.manifest)
        seen = _digests(provenance_of(self._home.runs / row.run_id)) if row.run_id else None
        return Champion(adapter_id, self._adapters.path(adapter_id), row.created_at, manifest, seen)

    def _anchor(self, champion: Champion | None) -> Champion | None:
        """The champion of some days ago, if that is another one and can still be compared with."""
        days = self._settings.gate.anchor_days
        moment = (datetime.fromisoformat(self._run.started_at) - timedelta(days=days)).isoformat(
            timespec="milliseconds"
        )
        retired = {one.id for one in self._store.adapters() if one.retired_at is not None}
        then = champion_at(self._store.promotions(), {*retired, *self._store.marked_adapters()}, moment)
        if not days or then is None or then == (champion.id if champion else None):
            return None
        try:
            return self._adapter(then)
        except (AdapterMissing, AdapterDamaged) as error:
            log.info("No champion of %g days ago to compare with: %s", days, error)
            return None

    def _former(self) -> dict[int, str] | None:
        """Digest by reply number of what the last completed run on this base saw."""
        for run in self._store.runs(limit=200):
            if run.outcome in TRAINED:
                seen = provenance_of(self._home.runs / run.id)
                same_base = run.config.get("base") == self._run.config["base"]
                return seen if same_base else None
        return None

    def _stage(self, name: str) -> None:
        log.info("Stage %s", name)
        self._store.update_run(self._run.id, stage=name)

    def _step(self, step: int, total: int, figures: dict[str, float]) -> None:
        """Keep a training step's figures. A busy database costs a point on the curve, never the night."""
        try:
            self._store.log_metrics(self._run.id, step, figures)
        except DatabaseBusy:
            log.warning("The figures of step %d could not be kept", step)
        self._progress.step(step, total, ", ".join(f"{name} {value:.4g}" for name, value in figures.items()))


def _digests(seen: Mapping[int, str] | None) -> frozenset[str] | None:
    return None if seen is None else frozenset(seen.values())


def _config(settings: TrainerSettings) -> dict[str, Any]:
    """What the run's row keeps of the settings."""
    return {
        "base": settings.model.base,
        "consent": settings.consent,
        "persona": settings.persona,
        "training": asdict(settings.training),
        "snapshot": asdict(settings.snapshot),
        "quarantine": asdict(settings.quarantine),
        "gate": asdict(settings.gate),
    }


@contextmanager
def _logged_to(path: Path) -> Iterator[None]:
    """Everything that is logged during the run goes to its own file too."""
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)
        handler.close()
