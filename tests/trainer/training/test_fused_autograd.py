"""Lean passes: the losses and gradients of transformers and PEFT, with less kept for the way back."""

from __future__ import annotations

import contextlib

import pytest
import torch

from model.base.loading import load_base
from model.config import ModelConfig
from tests.tiny import FUSED, make_tiny_base
from tests.trainer.training.test_qlora import batch_of, examples_of, recipe_of, wake
from trainer.training.base import forbid_repacking
from trainer.training.fused_autograd import fused_autograd
from trainer.training.likelihood import completion_losses
from trainer.training.qlora import CHALLENGER, attach_adapter


def build(folder, family, *, dropout=0.0, dtype="float32", device="cpu"):
    """A tiny base of a family with an adapter that has weights, and a batch."""
    config = ModelConfig(base=str(make_tiny_base(folder / "base", family)), device=device, dtype=dtype)
    base = load_base(config, folder / "models")
    forbid_repacking(base.model)
    model = attach_adapter(base.model, recipe_of(dropout=dropout)).train()
    wake(model)
    return model, batch_of(examples_of(base, 6))


def pass_of(model, batch, ways):
    """The losses of one pass and its gradients by name, with random numbers from the start."""
    model.zero_grad()
    torch.manual_seed(7)
    with ways:
        losses = completion_losses(model, batch)[0]
        losses.mean().backward()
    return losses.detach(), {name: w.grad.clone() for name, w in model.named_parameters() if w.requires_grad}


@pytest.mark.parametrize("dropout", [0.0, 0.2])
@pytest.mark.parametrize("family", FUSED)
def test_losses_and_gradients_are_those_of_transformers_and_peft(tmp_path, family, dropout):
    """In fp32, where rounding cannot hide a fault; the same elements are dropped."""
    model, batch = build(tmp_path, family, dropout=dropout)
    losses, gradients = pass_of(model, batch, contextlib.nullcontext())
    lean_losses, lean_gradients = pass_of(model, batch, fused_autograd(model, CHALLENGER))
    assert torch.allclose(lean_losses, losses, rtol=1e-4)
    for name, gradient in gradients.items():
        distance = (lean_gradients[name] - gradient).norm() / gradient.norm()
        assert distance < 1e-4, name


@pytest.mark.parametrize("family", ["llama", "mistral", "qwen2", "qwen3", "smollm3", "granite"])
def test_every_adapted_layer_feed_forward_and_norm_of_these_families_is_lean(tmp_path, family):
    """Equal gradients alone would not show that a library gave a layer another name."""
    model, _ = build(tmp_path, family)
    adapted = [module for module in model.modules() if hasattr(module, "lora_A")]
    others = [module for module in model.modules() if type(module).__name__.endswith(("MLP", "RMSNorm"))]
    with fused_autograd(model, CHALLENGER):
        plain = [type(module).__name__ for module in (*adapted, *others) if "forward" not in vars(module)]
    assert len(others) > len(model.get_base_model().model.layers)
    assert plain == []


def test_activations_computed_again_give_the_same_gradients(tmp_path):
    """Nothing that was kept is spoilt by a second way forward, and the same elements are dropped again."""
    model, batch = build(tmp_path, "llama", dropout=0.2)
    _, kept = pass_of(model, batch, fused_autograd(model, CHALLENGER))
    model.activation_checkpointing_enable()
    _, again = pass_of(model, batch, fused_autograd(model, CHALLENGER))
    assert all(torch.equal(kept[name], again[name]) for name in kept)


def test_layers_are_as_they_were_afterwards(tmp_path):
    """Also when the pass failed: another adapter may be asked next, or none."""
    model, batch = build(tmp_path, "llama")
    before, _ = pass_of(model, batch, contextlib.nullcontext())
    with pytest.raises(ZeroDivisionError), fused_autograd(model, CHALLENGER):
        raise ZeroDivisionError
    assert not any("forward" in vars(module) for module in model.modules())
    after, _ = pass_of(model, batch, contextlib.nullcontext())
    assert torch.equal(before, after)


def test_bf16_is_as_near_to_fp32_as_transformers_and_peft_are(tmp_path):
    """The order of the rounding differs, its size does not."""
    exact = pass_of(*build(tmp_path / "exact", "llama"), contextlib.nullcontext())[1]
    model, batch = build(tmp_path / "half", "llama", dtype="bfloat16")
    errors = []
    for ways in (contextlib.nullcontext(), fused_autograd(model, CHALLENGER)):
        gradients = pass_of(model, batch, ways)[1]
        errors.append(sum(float((gradients[name] - exact[name]).norm() / exact[name].norm()) for name in exact))
    assert errors[1] < 1.5 * errors[0]
