"""A base of a 7B's shape without its weights: right for speed and memory, never for quality."""

from __future__ import annotations

import gc
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, MistralConfig

from tests.tiny import tiny_tokenizer

__all__ = ["random_7b"]


def random_7b(path: Path) -> Path:
    """Write Mistral 7B's shape with random weights and a small tokenizer to `path`; needs a GPU."""
    # The end of a turn is a token that the small tokenizer does not have, so that replies go on to their limit.
    config = MistralConfig(vocab_size=49152, sliding_window=None, eos_token_id=49151, pad_token_id=0, bos_token_id=None)
    torch.manual_seed(0)
    with torch.device("cuda"):
        model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16, trust_remote_code=False)
    model.save_pretrained(path)
    tiny_tokenizer().save_pretrained(path)
    del model
    gc.collect()
    torch.cuda.empty_cache()
    return path
