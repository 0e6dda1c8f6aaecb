"""The base model in NF4: found, converted once, cached, loaded. One that comes packed with GPTQ is loaded as it is.

Every other base is quantised with double quantisation: without it, on CPUs with AVX512-BF16, one trip through
`state_dict()` corrupts the 4-bit weights (bitsandbytes 0.50). This file knows no adapters and no generation.
"""

from __future__ import annotations

import importlib.util
import logging
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bitsandbytes
import torch
import transformers

from model.base.cache import SCRATCH, clear_leftovers, converting, damage, is_sealed, put_in_place, seal
from model.base.files import BaseRef, resolve_base
from model.base.memory import check_fit
from model.base.output_layer import keep_contiguous
from model.base.prequantized import comes_packed, local_directory
from model.base.tokenizer import chat_tokenizer
from model.base.weight_files import Digests
from model.chat import template_hash
from model.config import ModelConfig
from model.device_errors import is_out_of_memory
from model.errors import BaseNotFound, ModelError, OutOfMemory

__all__ = [
    "LoadedBase",
    "convert_base",
    "load_base",
    "pick_device",
    "pick_dtype",
    "quantisation",
    "set_compute_type",
    "unpack_gguf",
]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LoadedBase:
    """A base model ready to serve or to be trained on: 4-bit weights, eval mode, no adapter.

    Attributes:
        model: a transformers causal language model.
        tokenizer: its tokenizer, with a chat template.
        id: the name people know it by; part of every adapter's manifest.
        revision: which weights exactly; part of every adapter's manifest.
        template_hash: identity of the chat template.
        device: where the weights are.
        dtype: compute type of everything that is not 4-bit.
    """

    model: Any
    tokenizer: Any
    id: str
    revision: str
    template_hash: str
    device: torch.device
    dtype: torch.dtype


def pick_device(name: str) -> torch.device:
    """The device that `auto`, `cpu`, `cuda` or `cuda:N` means here."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(name)
    return (
        torch.device("cuda", torch.cuda.current_device()) if device.type == "cuda" and device.index is None else device
    )


def pick_dtype(name: str, device: torch.device) -> torch.dtype:
    """bf16 on a GPU that computes in it, fp32 elsewhere, unless the setting says otherwise."""
    if name != "auto":
        dtype: torch.dtype = getattr(torch, name)
        return dtype
    return torch.bfloat16 if device.type == "cuda" and torch.cuda.is_bf16_supported() else torch.float32


def load_base(config: ModelConfig, cache_dir: Path) -> LoadedBase:
    """Load the configured base in NF4, converting and caching it the first time.

    Raises BaseNotFound when there is no such model or it cannot be read, DoesNotFit when the GPU has no room for it,
    OutOfMemory when memory ran out nevertheless.
    """
    transformers.utils.logging.disable_progress_bar()  # it draws over replies and over the trainer's own bar
    ref, cached = convert_base(config, cache_dir)
    device = pick_device(config.device)
    dtype = pick_dtype(config.dtype, device)
    with _readable(config.base, device):
        tokenizer = chat_tokenizer(ref, config, cache_dir.parent, cached)
        check_fit(
            cached,
            transformers.AutoConfig.from_pretrained(cached, trust_remote_code=False),
            config.context_tokens,
            dtype,
            device,
        )
        model = _load_quantised(cached, device, dtype)
    return LoadedBase(model, tokenizer, ref.id, ref.revision, template_hash(tokenizer), device, dtype)


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
    with _readable(config.base, device):
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
def _readable(name: str, device: torch.device) -> Iterator[None]:
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


def _load_quantised(directory: Path, device: torch.device, dtype: torch.dtype) -> Any:
    """Load a converted base; bitsandbytes computes in the type of its input, so `dtype` decides everything."""
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(
        directory, device_map={"": device}, dtype=dtype, trust_remote_code=False
    )
    set_compute_type(model, dtype)
    for weight in model.parameters():
        if weight.is_floating_point():  # a base that was converted on a CPU has its norms in fp32
            weight.data = weight.data.to(dtype)
    keep_contiguous(model)
    model.eval().requires_grad_(requires_grad=False)
    return model


def set_compute_type(model: Any, dtype: torch.dtype) -> None:
    """Let every packed layer compute in `dtype`, and none be repacked that cannot be."""
    for module in model.modules():
        if isinstance(module, bitsandbytes.nn.Linear4bit):
            module.compute_dtype, module.compute_type_is_set = dtype, True
            if module.out_features % 32 or module.in_features % 64:
                # bitsandbytes 0.50 repacks for AVX512-BF16 in blocks of these sizes, and fails where they do not fit.
                module.support_avx512bf16_for_cpu = False


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
        dtype=torch.bfloat16 if device.type == "cuda" else torch.float32,
        device_map={"": device},
        quantization_config=quantisation(),
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
