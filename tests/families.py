"""Tiny random configurations of many families of language models, for tests of what can be served."""

from __future__ import annotations

from typing import Any

__all__ = ["IN_OWN_CACHE", "IN_SLOTS", "REFUSED", "family_config"]

_COMMON: dict[str, Any] = {
    "vocab_size": 512,
    "hidden_size": 64,
    "n_embd": 64,
    "d_model": 64,
    "intermediate_size": 128,
    "ffn_hidden_size": 128,
    "num_hidden_layers": 2,
    "n_layer": 2,
    "n_layers": 2,
    "num_layers": 2,
    "num_attention_heads": 4,
    "n_head": 4,
    "n_heads": 4,
    "num_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "max_position_embeddings": 512,
    "n_positions": 512,
    "max_seq_len": 512,
    "sliding_window": 8,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
    "num_experts": 4,
    "num_local_experts": 4,
    "n_routed_experts": 4,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 32,
    "shared_expert_intermediate_size": 32,
    "n_group": 1,
    "topk_group": 1,
    "kv_lora_rank": 16,
    "q_lora_rank": 16,
    "qk_rope_head_dim": 8,
    "qk_nope_head_dim": 16,
    "v_head_dim": 12,
    "linear_num_value_heads": 4,
    "linear_num_key_heads": 2,
    "linear_key_head_dim": 16,
    "linear_value_head_dim": 16,
    "mamba_n_heads": 8,
    "mamba_d_head": 16,
    "mamba_d_state": 16,
    "mamba_d_ssm": 128,
    "mamba_num_heads": 8,
    "mamba_head_dim": 16,
    "mamba_n_groups": 1,
    "state_size": 16,
    "ssm_state_size": 16,
    "n_groups": 1,
    "time_step_rank": 8,
    "mamba_dt_rank": 8,
}
_OWN: dict[str, dict[str, Any]] = {
    "bamba": {"attn_layer_indices": [1], "layer_types": None},
    "codegen": {"rotary_dim": 8},
    "deepseek_v2": {"head_dim": 8, "num_key_value_heads": 4, "first_k_dense_replace": 1, "num_experts_per_tok": 2},
    "deepseek_v3": {"head_dim": 8, "num_key_value_heads": 4, "first_k_dense_replace": 1},
    "falcon": {"head_dim": None, "alibi": False},
    "falcon_alibi": {"head_dim": None, "alibi": True},
    "falcon_h1": {"layer_types": None},
    "falcon_mamba": {"layer_types": None},
    "gemma3_text": {"layer_types": ["sliding_attention", "full_attention"], "query_pre_attn_scalar": 16},
    "gpt_neo": {"attention_types": [[["global", "local"], 1]], "window_size": 8},
    "gpt_oss": {"layer_types": ["sliding_attention", "full_attention"]},
    "gptj": {"rotary_dim": 8},
    "granitemoehybrid": {"layer_types": ["mamba", "attention"], "shared_intermediate_size": 64},
    "jamba": {"attn_layer_period": 2, "attn_layer_offset": 1, "layer_types": None, "use_mamba_kernels": False},
    "lfm2": {"layer_types": ["conv", "full_attention"]},
    "llama4_text": {"layer_types": ["chunked_attention", "full_attention"], "attention_chunk_size": 8},
    "mamba": {"layer_types": None},
    "mamba2": {"layer_types": None, "num_heads": 8},
    "minimax": {"layer_types": ["linear_attention", "full_attention"]},
    "mpt": {"head_dim": None},
    "ministral": {"head_dim": 16, "num_key_value_heads": 2},
    "hunyuan_v1_dense": {"head_dim": 16, "num_key_value_heads": 2},
    "nemotron": {"head_dim": 16, "num_key_value_heads": 2},
    "nemotron_h": {"intermediate_size": 128, "layers_block_type": ["mamba", "attention", "mlp"]},
    "qwen3_5_text": {"layer_types": ["linear_attention", "full_attention"]},
    "qwen3_next": {"layer_types": ["linear_attention", "full_attention"]},
    "recurrent_gemma": {"num_hidden_layers": 3, "attention_window_size": 8, "layer_types": None},
}
_KINDS = {"falcon_alibi": "falcon"}

IN_SLOTS = (  # noqa: SIM905 - one to a line would fill a screen
    "llama mistral qwen2 qwen3 gemma gemma2 gemma3_text granite granitemoe deepseek_v2 deepseek_v3 gpt2 gpt_neox "
    "gpt_bigcode opt phi phi3 olmo olmo2 olmo3 cohere cohere2 starcoder2 exaone4 glm glm4 helium smollm3 ministral "
    "ministral3 arcee apertus seed_oss hunyuan_v1_dense ernie4_5 mixtral qwen2_moe qwen3_moe persimmon biogpt nanochat "
    "vaultgemma doge jetmoe olmoe phimoe bitnet"
).split()
IN_OWN_CACHE = (  # noqa: SIM905 - as above
    "gpt_oss qwen3_5_text qwen3_next lfm2 granitemoehybrid falcon_h1 nemotron_h bloom mpt falcon falcon_alibi gptj "
    "stablelm nemotron mamba mamba2 falcon_mamba jamba bamba gpt_neo codegen llama4_text minimax xglm diffllama"
).split()
REFUSED = ["recurrent_gemma"]  # its own cache holds nothing (transformers 5.23)


def family_config(family: str, **changes: Any) -> Any:
    """A configuration of two or three layers; windows are shorter than any test's prompt."""
    from transformers import AutoConfig

    kind = _KINDS.get(family, family)
    plain = AutoConfig.for_model(kind)
    values = {name: value for name, value in _COMMON.items() if getattr(plain, name, None) is not None}
    kinds = list(dict.fromkeys(getattr(plain, "layer_types", None) or ()))
    if kinds:
        values["layer_types"] = kinds if len(kinds) > 1 else kinds * 2
    values |= _OWN.get(family, {}) | changes
    return AutoConfig.for_model(kind, **{name: value for name, value in values.items() if value is not None})
