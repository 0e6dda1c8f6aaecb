"""Tiny random chat models on disk, for tests that need a real model but no sense."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
CORPUS = [
    "Hello there, how are you today? I am fine, thank you.",
    "What is the best way to print a small boat on a rainy Sunday?",
    "system user assistant keeper light harbour watch over the quiet sea",
]


def tiny_tokenizer() -> Any:
    """A byte-level BPE tokenizer of 512 tokens with ChatML control tokens."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=512,
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(CORPUS * 20, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|endoftext|>", unk_token="<|endoftext|>"
    )
    fast.chat_template = TEMPLATE
    return fast


def tiny_config(family: str = "llama", **changes: Any) -> Any:
    """A two-layer configuration of `family`: llama, mistral (sliding window), qwen2, qwen3 or gemma3."""
    from transformers import AutoConfig

    kinds = {"llama": "llama", "mistral": "mistral", "qwen2": "qwen2", "qwen3": "qwen3", "gemma3": "gemma3_text"}
    values: dict[str, Any] = {
        "vocab_size": 512,
        "hidden_size": 128,
        "intermediate_size": 256,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 32,
        "max_position_embeddings": 512,
        "tie_word_embeddings": family in {"llama", "gemma3"},
        "bos_token_id": None,
        "eos_token_id": 2,
        "pad_token_id": 0,
    }
    if family == "mistral":
        values["sliding_window"] = 24
    if family == "gemma3":
        values.update(sliding_window=16, layer_types=["sliding_attention", "full_attention"], query_pre_attn_scalar=32)
    return AutoConfig.for_model(kinds[family], **(values | changes))


def make_tiny_base(path: Path, family: str = "llama", seed: int = 0, **changes: Any) -> Path:
    """Write a loadable random model of `family` with tokenizer and chat template to `path` and return it."""
    import torch
    from transformers import AutoModelForCausalLM

    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(tiny_config(family, **changes), dtype=torch.float32)
    model.save_pretrained(path)
    tiny_tokenizer().save_pretrained(path)
    return path


def make_tiny_adapter(
    path: Path, base_model: Any, *, seed: int = 1, rank: int = 8, alpha: int = 16, scale: float = 0.3
) -> Path:
    """Write a random LoRA adapter over all linear layers of `base_model` to `path`, as PEFT saves it.

    `scale` is the spread of its B matrices: large enough to change what a greedy model says.
    """
    import copy

    import torch
    from peft import LoraConfig, get_peft_model

    from model.adapter.target_modules import targets

    torch.manual_seed(seed)
    config = LoraConfig(r=rank, lora_alpha=alpha, target_modules=targets(base_model), task_type="CAUSAL_LM")
    wrapped = get_peft_model(copy.deepcopy(base_model), config)
    for name, parameter in wrapped.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=scale)
    wrapped.save_pretrained(path)
    return path


def random_adapter(shapes: Mapping[str, tuple[int, int]], rank: int, seed: int) -> Any:
    """A random adapter in memory, as it is read from files, for layers of `shapes` (inputs, outputs)."""
    import torch

    from model.adapter.files import AdapterWeights

    draw = torch.Generator().manual_seed(seed)
    matrices = {
        name: (torch.randn(rank, inputs, generator=draw) / 16, torch.randn(outputs, rank, generator=draw) / 16)
        for name, (inputs, outputs) in shapes.items()
    }
    return AdapterWeights(rank, 1.0, matrices)
