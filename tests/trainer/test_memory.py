"""Memory estimates: the published figures, the model's own parameter count, and what must grow with what."""

from __future__ import annotations

from dataclasses import replace

import pytest

from trainer.memory import (
    EMBEDDED_SHAPE,
    METHODS,
    ModelShape,
    Workload,
    article_footprint,
    parse_size,
    training_footprint,
)

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


@pytest.mark.parametrize(("checkpointing", "measured_gb"), [(True, 5.78), (False, 30.0)])
def test_a_7b_qlora_run_comes_near_what_was_measured_on_an_h100(checkpointing, measured_gb):
    """4 rows of 512 tokens, rank 16 on all linear layers, no dropout."""
    footprint = training_footprint(MISTRAL_7B, "qlora", Workload(checkpointing=checkpointing))
    assert footprint.total / 1e9 == pytest.approx(measured_gb, rel=0.1)


@pytest.mark.parametrize("shape", [EMBEDDED_SHAPE, MISTRAL_7B])
def test_each_step_from_full_to_lora_to_qlora_saves_memory(shape):
    """Otherwise there would be no reason to quantise."""
    full, lora, qlora = (training_footprint(shape, method, Workload(rows=1)).total for method in METHODS)
    assert full > lora > qlora


def test_more_text_at_once_costs_activations_and_logits_only():
    """Weights and optimizer states do not depend on the batch."""
    small, large = (training_footprint(MISTRAL_7B, "qlora", Workload(rows=rows)) for rows in (1, 8))
    assert large.logits == 8 * small.logits
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
