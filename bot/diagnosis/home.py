"""The home: whether it can be written, its settings, the disk, the database, and the adapter in use."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from bot.diagnosis.finding import Finding

if TYPE_CHECKING:
    from bot.settings import Settings
    from storage.files.home import Home

__all__ = ["adapter", "database", "disk", "home", "settings_source"]

_ANOTHER = (
    "The next run that wins replaces it (`nightshift train`); `nightshift adapters use base` puts the base model in "
    "its place at once."
)
_LOW_DISK, _FULL_DISK = 5e9, 0.5e9
_CONVERTED = 0.75  # GB that a converted model takes for a billion parameters, embeddings included


def home(place: Home) -> Finding:
    """Whether everything can be kept there."""
    place.ensure()
    return Finding("good", "home", str(place.root))


def settings_source(place: Home, settings: Settings) -> Finding:
    """Where they come from; a schedule that cannot be read is found here too."""
    from bot.settings import Settings
    from trainer.schedule import WallClock
    from trainer.setting_names import from_environment

    WallClock.parse(settings.schedule)
    places = [str(place.config)] if place.config.exists() else []
    if named := from_environment(Settings, os.environ):
        places.append(f"the environment ({', '.join(named)})")
    return Finding("good", "settings", " and ".join(places) or "all at their defaults")


def disk(place: Home, base: str = "embedded") -> Finding:
    """Room for the home, and for a model that has yet to be fetched and converted."""
    folder = next(path for path in (place.root, *place.root.parents) if path.exists())
    free = shutil.disk_usage(folder).free
    said = f"{free / 1e9:.1f} GB free"
    if free < _FULL_DISK:
        return Finding("broken", "disk", f"{said}: free some space, or choose another --home.")
    wanted = _yet_to_come(place, base)
    if free < wanted:
        text = f"{said}, and {base} takes {wanted / 1e9:.0f} GB to fetch and convert: free some space, or choose "
        return Finding("broken", "disk", f"{text}another --home.")
    if free < _LOW_DISK and base == "embedded":
        return Finding("note", "disk", f"{said}: enough for the embedded model, little for a large one.")
    return Finding("good", "disk", said)


def database(place: Home, settings: Settings) -> Finding:
    """Whether it is whole, and what it holds to learn from."""
    from storage.database import check_database
    from storage.encryption import is_plain
    from storage.store import Store
    from trainer.reasons import excluded, in_english

    if not place.db.exists():
        return Finding("good", "database", "not made yet; the first command that needs it makes it")
    check_database(place.db)
    with Store.open(place.db) as store:
        training = settings.training
        counts = store.counts(settings.consent, servers=training.servers, learn_from=training.learn_from)
    kept = "not encrypted" if is_plain(place.db) else "encrypted"
    text = f"{kept}; {counts.approved} approved pairs, {counts.eligible} of them may be trained on"
    waiting = [in_english(excluded(counts.excluded))] if counts.excluded else []
    if settings.consent == "members" and counts.eligible + counts.excluded < counts.approved:
        waiting.append(f"{'the' if not waiting else 'The'} others wait for members to opt in with /privacy.")
    if waiting:
        return Finding("note", "database", f"{text}: {' '.join(waiting)}")
    return Finding("good", "database", text)


def adapter(place: Home, settings: Settings) -> Finding:
    """Whether the files of the one in use are what was published, and what it may have learned from."""
    from storage.files.adapter_directory import AdapterDirectory
    from storage.store import Store

    if not place.db.exists():
        return Finding("good", "adapter", "none yet, the base model answers")
    with Store.open(place.db) as store:
        champion = store.champion()
        learned = store.learned_origins(settings.training.learn_from)
    if champion is None:
        return Finding("good", "adapter", "none in use, the base model answers")
    directory = AdapterDirectory(place.adapters)
    directory.verify(champion)
    if problem := _left_out_since(directory.manifest(champion), learned):
        return Finding("note", "adapter", f"{champion} is intact, but {problem}. {_ANOTHER}")
    return Finding("good", "adapter", f"{champion} is intact")


def _left_out_since(manifest: Mapping[str, Any], learned: Collection[str]) -> str:
    """What an adapter could learn from, and a new one could not; "" for nothing. Pure."""
    if "dataset_hash" not in manifest:  # adopted: it was trained elsewhere
        return ""
    if "learn_from" not in manifest:
        known = "an earlier version trained it, which did not look where words came from, so it may have learned from"
        return "" if "message" in learned else f"{known} Discord messages"
    more = [one for one in manifest["learn_from"] if one not in learned]
    return (
        f"it was trained while training.learn_from had {', '.join(more)} in it, which it now leaves out" if more else ""
    )


def _yet_to_come(place: Home, base: str) -> float:
    """Bytes that the first start of a model of the catalog will write; 0 for others, and for one that is here."""
    from model.catalog import catalog_entry

    entry = catalog_entry(base)
    if entry is None or any(place.models.glob(f"{base.partition('@')[0].rpartition('/')[2]}-*-nf4")):
        return 0.0
    from trainer.training.local_shape import local_shape

    fetched = base == "embedded" or local_shape(base, place.models) is not None
    return 1e9 * ((0 if fetched else entry.download_gb) + _CONVERTED * entry.parameters)
