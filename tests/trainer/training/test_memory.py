"""Memory estimates: the published figures, the model's own parameter count, and what must grow with what."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from model.base.loading import load_base
from model.config import ModelConfig
from tests.tiny import make_tiny_base
from trainer.settings import TrainingConfig
from trainer.training.base import forbid_repacking
from trainer.training.flat_adapter import flattened
from trainer.training.fused_autograd import fused_autograd
from trainer.training.memory import (
    EMBEDDED_SHAPE,
    METHODS,
    Fit,
    ModelShape,
    Workload,
    article_footprint,
    choose_fit,
    parse_size,
    training_footprint,
)
from trainer.training.packed_decoder import PackedDecoder, adapter_groups
from trainer.training.packed_linears import Dropout
from trainer.training.packed_operations import TorchOperations, Where
from trainer.training.qlora import CHALLENGER, attach_adapter
from trainer.training.recipe import resolve

MISTRAL_7B = ModelShape.from_config(
    {
        "hidden_size": 4096,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "intermediate_size": 14336,
        "vocab_size": 32000,
        "tie_word_embeddings": False,
    }
)


@pytest.mark.parametrize(("method", "gigabytes"), [("full", 160.0), ("lora", 41.6), ("qlora", 11.6)])
def test_ten_billion_parameters_give_the_figures_of_the_qlora_article(method, gigabytes):
    """The count by parameters alone is the article's, with its assumptions."""
    assert article_footprint(10e9, method).total / 1e9 == pytest.approx(gigabytes)


def test_parameters_are_counted_from_the_shape_alone():
    """Both counts are the published ones of the real models."""
    assert MISTRAL_7B.parameters == 7_241_732_096
    assert EMBEDDED_SHAPE.parameters == 134_515_008


def test_an_adapter_of_rank_16_on_every_linear_layer_is_42_million_weights():
    """What peft reports for Mistral-7B with all-linear targets."""
    assert MISTRAL_7B.adapter_parameters(16) == 41_943_040


def test_full_training_takes_16_bytes_a_parameter_before_activations():
    """Weights, gradients, master copy and two moments."""
    footprint = training_footprint(MISTRAL_7B, "full", Workload())
    states = footprint.weights + footprint.gradients + footprint.optimizer
    assert states == 16 * MISTRAL_7B.parameters


@pytest.mark.parametrize("dropout", [0.0, 0.05])
def test_what_a_layer_keeps_is_what_autograd_keeps(tmp_path, dropout):
    """Counted by the hooks for saved tensors, on two models that differ in one layer."""
    sizes = {}
    for layers in (2, 3):
        changes = {"hidden_size": 256, "intermediate_size": 896, "num_attention_heads": 8, "sliding_window": None}
        source = make_tiny_base(tmp_path / str(layers), "mistral", num_hidden_layers=layers, **changes)
        base = load_base(ModelConfig(base=str(source), device="cpu", dtype="bfloat16"), tmp_path / "models")
        forbid_repacking(base.model)
        model = attach_adapter(base.model, resolve(TrainingConfig(dropout=dropout), pairs=60, parameters=1)).train()
        sizes[layers] = bytes_kept(model, torch.randint(3, 500, (4, 64)))
        shape = ModelShape.from_config(base.model.config.to_dict())
    work = Workload(4, 64, dropout=dropout > 0, checkpointing=False)
    both = [training_footprint(replace(shape, layers=layers), "qlora", work) for layers in (2, 3)]
    estimated = both[1].activations - both[0].activations
    assert sizes[3] - sizes[2] == pytest.approx(estimated, rel=0.03)


def test_what_a_packed_layer_keeps_is_what_the_estimate_says(tmp_path):
    """Counted on two models that differ in one layer, without the rotated heads: a GPU writes them over q and k."""
    sizes = {}
    for layers in (2, 3):
        changes = {"hidden_size": 256, "intermediate_size": 896, "num_attention_heads": 8, "sliding_window": None}
        source = make_tiny_base(tmp_path / str(layers), "mistral", num_hidden_layers=layers, **changes)
        base = load_base(ModelConfig(base=str(source), device="cpu", dtype="bfloat16"), tmp_path / "models")
        model = attach_adapter(base.model, resolve(TrainingConfig(dropout=0.0), pairs=60, parameters=1))
        shape = ModelShape.from_config(base.model.config.to_dict())
        sizes[layers] = bytes_kept_packed(model)
    work = Workload(1, 256, checkpointing=False, packed=True)
    both = [training_footprint(replace(shape, layers=layers), "qlora", work) for layers in (2, 3)]
    assert sizes[3] - sizes[2] == pytest.approx(both[1].activations - both[0].activations, rel=0.01)


def bytes_kept_packed(model):
    """By the layers of a packed pass of 256 tokens."""
    where = Where(torch.arange(256), torch.tensor([0, 256], dtype=torch.int32), 256)
    none = Dropout(0.0, torch.zeros(1, dtype=torch.long))
    with torch.no_grad(), flattened(adapter_groups(model, CHALLENGER), torch.bfloat16) as flat:
        decoder = PackedDecoder(model, CHALLENGER, flat, TorchOperations(), 256)
        made = decoder.forward(torch.randint(3, 500, (256,)), where, none, keep=True)
    kept = [value for layer in made.layers for name, value in vars(layer).items() if name != "heads"]
    parts = [part for value in kept for part in (value if isinstance(value, list | tuple) else [value])]
    return sum({part.data_ptr(): part.nbytes for part in parts}.values())


@pytest.mark.parametrize(("checkpointing", "measured"), [(False, 11.47e9), (True, 5.99e9)])
def test_packed_passes_of_a_7b_model_take_what_was_measured_on_an_h100(checkpointing, measured):
    """4 x 512 tokens with a vocabulary of 49,152 (docs/lab/performance.md)."""
    work = Workload(4, 512, checkpointing=checkpointing, packed=True)
    assert training_footprint(replace(MISTRAL_7B, vocabulary=49_152), "qlora", work).total == pytest.approx(
        measured, rel=0.03
    )


def test_a_packed_pass_is_never_larger_than_pays():
    """Activations would take memory for nothing; a pair that is longer still has its pass."""
    for longest, tokens in ((1024, 4096), (6000, 6000)):
        fit = choose_fit(MISTRAL_7B, Workload(16, longest, packed=True), 70e9, longest=longest)
        assert fit == Fit(checkpointing=False, tokens=tokens)


def bytes_kept(model, ids):
    """By a forward pass for the way back, each storage once, without the model's own weights."""
    weights = {weight.untyped_storage().data_ptr() for weight in model.parameters()}
    kept = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = (storage.nbytes(), tensor)  # held, so that no address is used twice
        return tensor

    hooks = torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor)
    with hooks, fused_autograd(model, CHALLENGER), torch.autocast("cpu", torch.bfloat16):
        model(input_ids=ids, use_cache=False)
    return sum(size for size, _ in kept.values())


def test_checkpointing_is_for_where_memory_needs_it():
    """A 7B model trains without it on 80 GB, with it on 12 GB, and the longest pair always has a pass."""
    work = Workload(16, 512)
    large, small, tiny = (choose_fit(MISTRAL_7B, work, free, longest=512) for free in (70e9, 4e9, 0.5e9))
    assert large == Fit(checkpointing=False, tokens=16 * 512)
    assert small.checkpointing
    assert 2048 < small.tokens < 16 * 512
    assert tiny == Fit(checkpointing=True, tokens=512)


@pytest.mark.parametrize(("wish", "checkpointing"), [("on", True), ("off", False)])
def test_the_setting_decides_about_checkpointing_where_it_is_given(wish, checkpointing):
    """Whatever memory there is."""
    assert choose_fit(MISTRAL_7B, Workload(), 4e9, longest=512, wish=wish).checkpointing is checkpointing


@pytest.mark.parametrize("shape", [EMBEDDED_SHAPE, MISTRAL_7B])
def test_each_step_from_full_to_lora_to_qlora_saves_memory(shape):
    """Otherwise there would be no reason to quantise."""
    full, lora, qlora = (training_footprint(shape, method, Workload(rows=1)).total for method in METHODS)
    assert full > lora > qlora


def test_more_text_at_once_costs_activations_and_logits_only():
    """Weights and optimizer states do not depend on the batch."""
    small, large = (training_footprint(MISTRAL_7B, "qlora", Workload(rows=rows)) for rows in (1, 8))
    assert large.logits == small.logits  # a chunk at a time
    assert large.activations == 8 * small.activations
    passing = {"activations": 0.0, "logits": 0.0, "workspace": 0.0}
    assert replace(large, **passing) == replace(small, **passing)


@pytest.mark.parametrize(
    ("text", "parameters"),
    [("10B", 10e9), ("1.5b", 1.5e9), ("135M", 135e6), ("7", None), ("0B", None), ("owner/7B", None), ("", None)],
)
def test_a_plain_size_is_a_number_with_its_unit(text, parameters):
    """Everything else is a model's name or a directory."""
    assert parse_size(text) == parameters


def test_a_config_of_another_family_is_refused():
    """A model without these sizes cannot be estimated from its shape."""
    with pytest.raises(KeyError):
        ModelShape.from_config({"d_model": 768})


@pytest.mark.parametrize(
    ("config", "billions"),
    [
        # Mixtral 8x7B, Qwen3-30B-A3B, Qwen1.5-MoE-A2.7B, OLMoE-1B-7B, DeepSeek-V2-Lite's experts, gpt-oss-20b
        (
            {
                "hidden_size": 4096,
                "num_hidden_layers": 32,
                "num_attention_heads": 32,
                "num_key_value_heads": 8,
                "intermediate_size": 14336,
                "num_local_experts": 8,
                "num_experts_per_tok": 2,
                "vocab_size": 32000,
            },
            46.7,
        ),
        (
            {
                "hidden_size": 2048,
                "num_hidden_layers": 48,
                "num_attention_heads": 32,
                "num_key_value_heads": 4,
                "head_dim": 128,
                "intermediate_size": 6144,
                "moe_intermediate_size": 768,
                "num_experts": 128,
                "num_experts_per_tok": 8,
                "decoder_sparse_step": 1,
                "mlp_only_layers": [],
                "vocab_size": 151936,
            },
            30.5,
        ),
        (
            {
                "hidden_size": 2048,
                "num_hidden_layers": 24,
                "num_attention_heads": 16,
                "num_key_value_heads": 16,
                "intermediate_size": 5632,
                "moe_intermediate_size": 1408,
                "shared_expert_intermediate_size": 5632,
                "num_experts": 60,
                "num_experts_per_tok": 4,
                "vocab_size": 151936,
            },
            14.3,
        ),
        (
            {
                "hidden_size": 2048,
                "num_hidden_layers": 16,
                "num_attention_heads": 16,
                "num_key_value_heads": 16,
                "intermediate_size": 1024,
                "num_experts": 64,
                "num_experts_per_tok": 8,
                "vocab_size": 50304,
            },
            6.9,
        ),
    ],
)
def test_every_expert_counts(config, billions):
    """The published sizes; in 16 bits, since nothing packs experts."""
    shape = ModelShape.from_config(config)
    assert shape.parameters / 1e9 == pytest.approx(billions, abs=0.06)
    assert training_footprint(shape, "qlora", Workload()).weights > 2 * shape.expert_parameters


@pytest.mark.parametrize("family", ["mixtral", "qwen2_moe", "qwen3_moe", "olmoe", "deepseek_v3", "granitemoe"])
def test_experts_are_counted_as_transformers_makes_them(family):
    """Of tiny models of each family, within what norms and biases take; and adapters sit where they are counted."""
    from transformers import AutoModelForCausalLM

    from model.adapter.target_modules import adaptable
    from tests.families import family_config

    config = family_config(family)
    model = AutoModelForCausalLM.from_config(config)
    shape = ModelShape.from_config(config.to_dict())
    held = sum(weight.numel() for weight in model.parameters() if weight.ndim == 3)
    assert held == pytest.approx(shape.expert_parameters, rel=0.05)
    if family in {"mixtral", "qwen3_moe", "olmoe"}:
        assert shape.parameters == pytest.approx(model.num_parameters(), rel=0.02)
        found = sum(8 * (one.in_features + one.out_features) for one in adaptable(model).values())
        assert shape.adapter_parameters(8) == found


def test_a_model_of_text_and_pictures_is_measured_by_its_text():
    """Its config.json has the sizes one level down."""
    text = {"hidden_size": 64, "num_attention_heads": 4, "num_hidden_layers": 2, "intermediate_size": 128}
    nested = ModelShape.from_config({"text_config": {**text, "vocab_size": 512}, "vision_config": {}})
    assert nested == ModelShape.from_config({**text, "vocab_size": 512})


def test_scores_take_no_more_where_there_are_many_words():
    """262,144 words: as many bytes at once as with 49,152, and the answers that are drawn count."""
    many, few = replace(MISTRAL_7B, vocabulary=262_144), replace(MISTRAL_7B, vocabulary=49_152)
    work = Workload(16, 512)
    assert training_footprint(many, "qlora", work).logits <= training_footprint(few, "qlora", work).logits
    assert training_footprint(many, "qlora", work).evaluation == pytest.approx(400e6)
    assert training_footprint(few, "qlora", work).evaluation < 100e6


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("free", [2e9, 6e9, 20e9])
def test_a_pass_that_is_chosen_fits_beside_the_adapter_it_trains(free, packed):
    """The base is there when it is chosen; the adapter, and its copy for packed passes, come after."""
    work = Workload(64, 512, packed=packed)
    fit = choose_fit(MISTRAL_7B, work, free, longest=64)
    taken = replace(work, rows=1, tokens=fit.tokens, checkpointing=fit.checkpointing)
    footprint, base = (training_footprint(MISTRAL_7B, "qlora", one) for one in (taken, replace(taken, rank=0)))
    parts = (footprint.weights - base.weights, footprint.gradients, footprint.optimizer, footprint.activations)
    assert sum(parts) + max(footprint.logits, footprint.workspace) <= free
