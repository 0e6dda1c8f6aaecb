"""Adapters that were trained elsewhere: found, checked like any other, and published under an id of their own.

A source is a directory or a Hugging Face repository that holds what PEFT saves. Nothing is taken on trust that can be
checked: shapes, targets and numbers always; base, revision and chat template as far as the source says anything of
them. Adopting puts nothing to use.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from model.adapter.base_shapes import Skeleton, read_skeleton
from model.adapter.files import AdapterWeights, read_adapter
from model.base.files import resolve_base
from model.config import ModelConfig
from model.errors import AdapterMismatch, BaseNotFound
from storage.audit_records import Act
from storage.errors import StorageError
from storage.files.adapter_directory import REQUIRED, AdapterDirectory
from storage.files.home import Home
from storage.run_records import Adapter
from storage.store import Store
from trainer.errors import AdoptionRefused

__all__ = ["Adopted", "adopt"]

_MANIFEST = "manifest.json"
_TEMPLATES = ("chat_template.jinja", "tokenizer_config.json")
_WANTED = (*REQUIRED, _MANIFEST, *_TEMPLATES)
_LARGEST = 16_000_000  # bytes of a configuration or a template
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+(@[\w./-]+)?")


@dataclass(frozen=True)
class Adopted:
    """An adapter that is published now. `modules`: how many linear layers it changes."""

    id: str
    rank: int
    modules: int


@dataclass(frozen=True)
class _Source:
    """Where an adapter comes from: a directory on disk, and the commit where it lies on the hub."""

    name: str
    directory: Path
    commit: str | None = None


def adopt(
    home: Home,
    model: ModelConfig,
    source: str,
    *,
    by: str,
    adapter_id: str | None = None,
    base_matches: bool = False,
) -> Adopted:
    """Publish the adapter in `source` for the configured base. It is not promoted.

    Args:
        home: where the adapter directory and the store are.
        model: the base it must have been made for.
        source: a directory, or a Hugging Face id (`owner/name` or `owner/name@revision`).
        by: who adopts, for the record.
        adapter_id: its id here; None makes one of the source's name and the hash of its weights.
        base_matches: somebody vouches that base and chat template are the same, whatever the source calls them.

    Raises:
        AdoptionRefused: there is no such source, it cannot be reached, or it does not belong to the base.
        ModelError: the configured base cannot be read.
        StorageError: the id is taken, or nothing can be written.
    """
    found = _find(source)
    skeleton = read_skeleton(model, home.models)
    claimed = _claims(found)
    if not base_matches and (why := _mismatch(found, claimed, skeleton, model.base)):
        raise AdoptionRefused(source, f"{why}; if it is the same nevertheless, say so with --base-matches")
    weights = _read(found, skeleton, claimed)
    chosen = adapter_id or _name_for(found)
    created_at = datetime.now(UTC).isoformat(timespec="milliseconds")
    origin = {
        "source": found.name,
        "commit": found.commit,
        "by": by,
        "claimed_base": claimed.get("base_model_name_or_path"),
        "base_matches": base_matches,
    }
    manifest = {
        "created_at": created_at,
        "base_model": skeleton.identity.id,
        "base_revision": skeleton.identity.revision,
        "template_hash": skeleton.identity.template_hash,
        "rank": weights.rank,
        "adopted": origin,
    }
    with Store.open(home.db) as store, tempfile.TemporaryDirectory() as scratch:
        for name in REQUIRED:  # and nothing else: a repository may hold anything
            shutil.copyfile(found.directory / name, Path(scratch, name))
        adapters = AdapterDirectory(home.adapters)
        adapters.publish(chosen, Path(scratch), manifest)
        try:
            row = Adapter(chosen, None, skeleton.identity.id, created_at, adapters.manifest(chosen))
            store.act(
                lambda store: store.add_adapter(row), lambda _: Act(None, by, "adapter.adopt", chosen, None, origin)
            )
        except StorageError:
            adapters.remove([chosen])
            raise
    return Adopted(chosen, weights.rank, len(weights.matrices))


def _find(source: str) -> _Source:
    path = _directory(source)
    if path is not None:
        return _Source(str(path.resolve()), path.resolve())
    if Path(source).is_absolute() or source.startswith((".", "~")) or not _HUB_ID.fullmatch(source):
        raise AdoptionRefused(source, "there is no such directory, and it is no Hugging Face id (owner/name)")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    repo, _, revision = source.partition("@")
    try:
        directory = Path(snapshot_download(repo, revision=revision or None, allow_patterns=list(_WANTED)))
    except LocalEntryNotFoundError as error:
        raise AdoptionRefused(
            source, "the Hugging Face hub cannot be reached and no copy is in its cache; give a directory instead"
        ) from error
    except (HfHubHTTPError, OSError, ValueError) as error:
        why = (str(error).strip().splitlines() or ["the Hugging Face hub does not have it"])[0]
        raise AdoptionRefused(source, why.rstrip(".")) from error
    return _Source(repo, directory, commit=directory.name)  # …/snapshots/<commit>


def _claims(found: _Source) -> dict[str, Any]:
    """What PEFT wrote beside the weights."""
    missing = [name for name in REQUIRED if not (found.directory / name).is_file()]
    if missing:
        raise AdoptionRefused(found.name, f"it has no {' and no '.join(missing)}")
    return _json(found.directory / REQUIRED[0])


def _mismatch(found: _Source, claimed: dict[str, Any], skeleton: Skeleton, configured: str) -> str | None:
    """Why a source does not seem to belong to the base, as far as it says; None when it does."""
    if _is_ours(found.directory / _MANIFEST):
        return None  # reading it compares base, revision, template and hashes
    base = claimed.get("base_model_name_or_path")
    if not isinstance(base, str) or not base:
        return "it does not say which base it was trained on"
    if not _same_base(base, claimed.get("revision"), skeleton, configured):
        return f"it was trained on {base}, and the configured base is {skeleton.identity.id}"
    template = _template_hash(found.directory)
    if template is not None and template != skeleton.identity.template_hash:
        return f"it was trained with another chat template than that of {skeleton.identity.id}"
    return None


def _is_ours(manifest: Path) -> bool:
    """Whether a manifest says of the base what Nightshift's own do: other programs write files of this name too."""
    return manifest.is_file() and {"base_model", "base_revision", "template_hash", "files"} <= _json(manifest).keys()


def _same_base(claimed: str, revision: object, skeleton: Skeleton, configured: str) -> bool:
    """By its files where the claimed base is a directory here, else by its name and, if both have one, its commit."""
    here = _directory(claimed)
    if here is not None:
        if here.resolve() == skeleton.directory.resolve():
            return True
        try:
            return resolve_base(str(here)).revision == skeleton.identity.revision
        except BaseNotFound:
            return False
    if claimed != configured and Path(claimed).name.casefold() != Path(skeleton.identity.id).name.casefold():
        return False
    # A commit is hexadecimal; "main" and tags say nothing that could be compared.
    is_commit = isinstance(revision, str) and re.fullmatch(r"[0-9a-f]{40}", revision) is not None
    on_hub = "/" in skeleton.identity.id
    return not (is_commit and on_hub) or str(revision).startswith(skeleton.identity.revision)


def _directory(name: str) -> Path | None:
    """The directory that a name means; None where it means none, as a name of a stranger's may."""
    try:
        path = Path(name).expanduser()
        return path if path.is_dir() else None
    except (OSError, ValueError, RuntimeError):  # too long, no name at all, the home of nobody
        return None


def _template_hash(directory: Path) -> str | None:
    """Identity of the chat template that lies beside an adapter, if one does."""
    plain, config = (directory / name for name in _TEMPLATES)
    template = _text(plain) if plain.is_file() else None
    if template is None and config.is_file():
        template = _json(config).get("chat_template")
    return (
        hashlib.sha256(template.encode(errors="surrogatepass")).hexdigest()[:16] if isinstance(template, str) else None
    )


def _read(found: _Source, skeleton: Skeleton, claimed: dict[str, Any]) -> AdapterWeights:
    from trainer.interchange.plain_lora import not_plain

    try:
        weights = read_adapter(found.directory, skeleton.identity, skeleton.shapes)
    except AdapterMismatch as error:
        raise AdoptionRefused(found.name, error.why) from error
    if (why := not_plain(found.directory, claimed, weights)) is not None:
        raise AdoptionRefused(found.name, why)
    return weights


def _name_for(found: _Source) -> str:
    """The source's name and six digits of its weights' hash: the same adapter twice is the same id, and refused."""
    with (found.directory / REQUIRED[1]).open("rb") as stream:
        digits = hashlib.file_digest(stream, "sha256").hexdigest()[:6]
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(found.name).name).strip("-._") or "adapter"
    return f"{plain[:60]}-{digits}"


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(_text(path))
    except (OSError, ValueError, RecursionError) as error:
        raise AdoptionRefused(str(path.parent), f"{path.name} cannot be read") from error
    if not isinstance(value, dict):
        raise AdoptionRefused(str(path.parent), f"{path.name} is damaged")
    return value


def _text(path: Path) -> str:
    """The text of a small file, however large it is. Raises OSError, ValueError."""
    if not path.is_file():
        raise FileNotFoundError(path)
    with path.open("rb") as stream:
        return stream.read(_LARGEST).decode()
