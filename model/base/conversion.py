"""The conversion of a base model to NF4: done once, kept in the cache.

Double quantisation is on: without it, on CPUs with AVX512-BF16, one trip through `state_dict()` corrupts the 4-bit
weights (bitsandbytes 0.50). A base that comes packed is left as it is.
"""

from __future__ import annotations

import importlib.util
import logging
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from model.base.cache import SCRATCH, clear_leftovers, converting, damage, is_sealed, put_in_place, seal
from model.base.device import pick_device, pick_dtype
from model.base.files import BaseRef, resolve_base
from model.base.prequantized import comes_packed, local_directory
from model.base.tokenizer import chat_tokenizer
from model.base.weight_files import Digests
from model.config import ModelConfig
from model.device_errors import is_out_of_memory
from model.errors import BaseNotFound, ModelError, OutOfMemory

__all__ = ["convert_base", "quantisation", "readable", "unpack_gguf"]

log = logging.getLogger(__name__)


def convert_base(config: ModelConfig, cache_dir: Path) -> tuple[BaseRef, Path]:
    """The configured base and the directory of its NF4 form, which is made now if it was not yet, or is damaged.

    The directory of a base that comes packed (in NF4, or with GPTQ) is its own.

    Raises BaseNotFound when there is no such model, it cannot be read, or it is no chat model.
    """
    ref = resolve_base(config.base, cache_dir)
    cached = cache_dir / f"{ref.slug}-nf4"
    clear_leftovers(cache_dir)
    if _is_whole(cached, cache_dir):
        return ref, cached
    device = pick_device(config.device)
    with readable(config.base, device):
        if comes_packed(ref):
            return ref, local_directory(ref)
        chat_tokenizer(ref, config, cache_dir.parent)  # refused now rather than after a long conversion
        with converting(cache_dir):
            if not _is_whole(cached, cache_dir):  # another process may have been first
                _convert(ref, cached, device)
    return ref, cached


def _is_whole(cached: Path, cache_dir: Path) -> bool:
    """Whether a converted base can be loaded; one that is damaged is said to be so."""
    if not cached.exists():
        return False
    digests = Digests(cache_dir)
    why = damage(cached, digests)
    if why is None and not is_sealed(cached):  # made by an older version
        seal(cached, digests)
    digests.keep()
    if why:
        log.warning("The converted base %s is damaged (%s); it is converted again", cached.name, why)
    return why is None


@contextmanager
def readable(name: str, device: torch.device) -> Iterator[None]:
    """Inside, whatever goes wrong in reading the base is raised as BaseNotFound or OutOfMemory."""
    try:
        yield
    except ModelError:
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise OutOfMemory(f"loading the base model {name!r}", str(device)) from error
        raise BaseNotFound(name, _first_line(error)) from error


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def quantisation() -> Any:
    """How bases are packed: NF4 with double quantisation."""
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )


def _convert(ref: BaseRef, target: Path, device: torch.device) -> None:
    """Quantise `ref` into `target`: built beside it and renamed, so that a killed conversion leaves no half model."""
    log.info("Converting %s to NF4; this happens once and is kept in %s", ref.id, target.parent)
    scratch = Path(tempfile.mkdtemp(prefix=SCRATCH, dir=target.parent))
    try:
        source, revision = (unpack_gguf(ref, scratch), None) if ref.gguf_file else (ref.source, ref.hub_revision)
        model, tokenizer = _quantise(source, revision, device)
        built = scratch / "nf4"
        model.save_pretrained(built)
        tokenizer.save_pretrained(built)
        seal(built, Digests())
        put_in_place(built, target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _quantise(source: str, revision: str | None, device: torch.device) -> tuple[Any, Any]:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(
        source,
        revision=revision,
        dtype=pick_dtype("auto", device),
        device_map={"": device},
        quantization_config=quantisation(),
        use_safetensors=True,
        trust_remote_code=False,
    )
    return model, AutoTokenizer.from_pretrained(source, revision=revision, trust_remote_code=False)


def unpack_gguf(ref: BaseRef, scratch: Path) -> str:
    """Read a GGUF file into a plain fp32 model directory, in `scratch`.

    The model that transformers reads from GGUF carries a `quantization_config` and cannot be saved or quantised again,
    so its weights move into a plain model of the same shape.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer

    if importlib.util.find_spec("gguf") is None:
        raise BaseNotFound(ref.id, "reading GGUF files needs the package gguf")
    read = AutoModelForCausalLM.from_pretrained(
        ref.source, gguf_file=ref.gguf_file, dtype=torch.float32, trust_remote_code=False
    )
    config = read.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    plain = AutoModelForCausalLM.from_config(config, dtype=torch.float32, trust_remote_code=False)
    plain.load_state_dict(read.state_dict())
    plain.tie_weights()
    directory = scratch / "fp32"
    plain.save_pretrained(directory)
    AutoTokenizer.from_pretrained(ref.source, gguf_file=ref.gguf_file, trust_remote_code=False).save_pretrained(
        directory
    )
    return str(directory)
