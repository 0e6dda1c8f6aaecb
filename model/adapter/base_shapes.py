"""A base model without its weights: who it is, and the shapes of everything an adapter may touch.

Enough to say whether an adapter belongs to a base, and how its matrices are named elsewhere, without loading gigabytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from model.adapter.files import BaseIdentity
from model.adapter.target_modules import adaptable
from model.base.conversion import convert_base
from model.base.tokenizer import chat_tokenizer
from model.chat import template_hash
from model.config import ModelConfig

__all__ = ["Skeleton", "read_skeleton"]


@dataclass(frozen=True)
class Skeleton:
    """A base by its configuration alone.

    Attributes:
        identity: what an adapter must have been trained on.
        shapes: module path -> (in_features, out_features), the same as the engine's slot has.
        config: transformers' configuration of the base.
        tokenizer: its tokenizer.
        directory: the converted base on disk.
    """

    identity: BaseIdentity
    shapes: Mapping[str, tuple[int, int]]
    config: Any
    tokenizer: Any
    directory: Path


def read_skeleton(config: ModelConfig, cache_dir: Path) -> Skeleton:
    """Read the configured base's configuration; a base that was never loaded is converted first.

    Raises BaseNotFound.
    """
    from transformers import AutoConfig, AutoModelForCausalLM

    ref, directory = convert_base(config, cache_dir)
    shape = AutoConfig.from_pretrained(directory, trust_remote_code=False)
    tokenizer = chat_tokenizer(ref, config, cache_dir.parent, directory)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(shape, trust_remote_code=False)
    shapes = {name: (one.in_features, one.out_features) for name, one in adaptable(model).items()}
    identity = BaseIdentity(ref.id, ref.revision, template_hash(tokenizer))
    return Skeleton(identity, shapes, shape, tokenizer, directory)
