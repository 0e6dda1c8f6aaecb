"""Which adapters a run compares with: the champion, and the champion of some days ago."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from storage.adapter_errors import AdapterDamaged, AdapterMissing
from storage.promotions import champion_at
from trainer.champion import Champion
from trainer.run_record import RunRecord, digests
from trainer.snapshot.manifest import provenance_of

__all__ = ["anchor_of", "champion_of", "published"]

log = logging.getLogger(__name__)


def champion_of(record: RunRecord, in_use: str | None) -> Champion | None:
    """The adapter to beat; None (the bare base) when none can keep serving."""
    if in_use is None:
        return None
    try:
        champion = published(record, in_use)
    except (AdapterMissing, AdapterDamaged) as error:
        record.progress.say(f"{error} The bare base stands in for it.")
        return None
    if in_use in record.store.marked_adapters():
        record.progress.say(
            f"The champion {in_use} learned from words withdrawn since; the bare base stands in for it."
        )
        return None
    return champion


def published(record: RunRecord, adapter_id: str) -> Champion:
    """A published adapter, looked at byte by byte. Raises AdapterMissing, AdapterDamaged."""
    row = record.store.adapter(adapter_id)
    manifest = record.adapters.verify(adapter_id, row.manifest)
    seen = digests(provenance_of(record.home.runs / row.run_id)) if row.run_id else None
    return Champion(adapter_id, record.adapters.path(adapter_id), row.created_at, manifest, seen)


def anchor_of(record: RunRecord, champion: Champion | None) -> Champion | None:
    """The champion of some days ago, if that is another one and can still be compared with."""
    days = record.settings.gate.anchor_days
    moment = (datetime.fromisoformat(record.run.started_at) - timedelta(days=days)).isoformat(timespec="milliseconds")
    retired = {one.id for one in record.store.adapters() if one.retired_at is not None}
    then = champion_at(
        record.store.promotions(record.run.guild_id), {*retired, *record.store.marked_adapters()}, moment
    )
    if not days or then is None or then == (champion.id if champion else None):
        return None
    try:
        return published(record, then)
    except (AdapterMissing, AdapterDamaged) as error:
        log.info("No champion of %g days ago to compare with: %s", days, error)
        return None
