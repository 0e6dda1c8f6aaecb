"""Tiny random chat models on disk, for tests that need a real model but no sense."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

FUSED = ["llama", "mistral", "qwen2", "qwen3", "smollm3", "granite", "phi3", "olmo2", "gemma3"]
"""Families that the fused step computes."""
_OWN: dict[str, dict[str, Any]] = {
    "llama": {"tie_word_embeddings": True},
    "mistral": {"sliding_window": 24},
    "smollm3": {"no_rope_layer_interval": 2},
    "granite": {
        "embedding_multiplier": 6.0,
        "attention_multiplier": 0.1,
        "residual_multiplier": 0.4,
        "logits_scaling": 0.7,
    },
    "phi3": {
        "sliding_window": 24,
        "rope_parameters": {"rope_type": "default", "rope_theta": 10_000.0, "partial_rotary_factor": 0.75},
    },
    "gemma3": {"tie_word_embeddings": True, "sliding_window": 16, "query_pre_attn_scalar": 32},
}
_KINDS = {"gemma3": "gemma3_text"}
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
    """A two-layer configuration of one of `FUSED`, with whatever the family can have in it."""
    from transformers import AutoConfig

    values: dict[str, Any] = {
        "vocab_size": 512,
        "hidden_size": 128,
        "intermediate_size": 256,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 32,
        "max_position_embeddings": 512,
        "tie_word_embeddings": False,
        "bos_token_id": None,
        "eos_token_id": 2,
        "pad_token_id": 0,
    }
    values |= _OWN.get(family, {}) | changes
    if family == "gemma3":
        values["layer_types"] = (["sliding_attention", "full_attention"] * 2)[: values["num_hidden_layers"]]
    return AutoConfig.for_model(_KINDS.get(family, family), **values)


def tiny_model(family: str = "llama", seed: int = 0, **changes: Any) -> Any:
    """A random model of `family` in fp32. Where norms differ between families, theirs are random too."""
    import torch
    from transformers import AutoModelForCausalLM

    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(tiny_config(family, **changes), dtype=torch.float32)
    if family in {"olmo2", "gemma3"}:
        with torch.no_grad():
            for name, weight in model.named_parameters():
                if "norm" in name:
                    weight.add_(0.2 * torch.randn_like(weight))
    return model


def make_tiny_base(path: Path, family: str = "llama", seed: int = 0, **changes: Any) -> Path:
    """Write a loadable random model of `family` with tokenizer and chat template to `path` and return it."""
    tiny_model(family, seed, **changes).save_pretrained(path)
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
