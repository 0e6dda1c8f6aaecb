"""Packed passes: the losses and gradients of transformers and PEFT, without their modules and without autograd."""

from __future__ import annotations

import contextlib
import signal

import pytest
import torch

from model.base.loading import load_base
from model.config import ModelConfig
from tests.tiny import make_tiny_base
from tests.trainer.training.test_fused_autograd import build, pass_of
from tests.trainer.training.test_qlora import examples_of, into, recipe_of
from trainer.errors import RunInterrupted
from trainer.training import qlora
from trainer.training.base import forbid_repacking
from trainer.training.flat_adapter import flattened
from trainer.training.likelihood import completion_losses, negative_log_likelihoods
from trainer.training.packed_decoder import PackedDecoder, adapter_groups, has_packed_form
from trainer.training.packed_operations import TorchOperations, operations_for
from trainer.training.packed_passes import PackedPasses, packed_passes
from trainer.training.qlora import CHALLENGER, attach_adapter
from trainer.training.tokens import Example

FAMILIES = ["llama", "mistral", "qwen2", "qwen3"]


def examples_in(batch):
    """The examples of a padded batch."""
    rows = zip(
        batch["input_ids"].tolist(), batch["labels"].tolist(), batch["attention_mask"].sum(1).tolist(), strict=True
    )
    return [Example(0, tuple(ids[:n]), sum(label == -100 for label in labels[:n])) for ids, labels, n in rows]


def packed_pass(model, examples, *, dtype=torch.float32, dropout=0.0, checkpointing=False, weight=None):
    """The summed loss of examples in one packed pass, and the gradients by name."""
    weight = weight or 1 / sum(example.labelled for example in examples)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    groups = adapter_groups(model, CHALLENGER)
    with torch.no_grad(), flattened(groups, dtype) as flat:
        longest = max(len(example.ids) for example in examples)
        packed = PackedPasses(
            model, CHALLENGER, flat, TorchOperations(), longest=longest, rows=len(examples), dropout=dropout
        )
        packed.decoder.checkpointing = checkpointing
        torch.manual_seed(5)
        packed.begin()
        loss = packed.backward(examples, weight)
        found = {names[id(w)]: flat.view(flat.gradient, w).clone() for group in groups for w in group}
    return loss, found


def distance(found, wanted):
    return {name: float((found[name] - wanted[name]).norm() / wanted[name].norm()) for name in wanted}


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("family", FAMILIES)
def test_losses_and_gradients_are_those_of_transformers_and_peft(tmp_path, family, checkpointing):
    """In fp32, where rounding cannot hide a fault; windows, biases and head norms among them."""
    model, batch = build(tmp_path, family)
    losses, gradients = pass_of(model, batch, torch.enable_grad())
    assert has_packed_form(model, CHALLENGER)
    loss, found = packed_pass(model, examples_in(batch), checkpointing=checkpointing)
    assert torch.allclose(loss, losses.mean(), rtol=1e-4)
    assert max(distance(found, gradients).values()) < 1e-4


def test_a_window_ends_within_a_pair_and_pairs_do_not_see_each_other(tmp_path):
    """Pairs longer than the window of 24 tokens, against transformers with one pair at a time."""
    model, _ = build(tmp_path, "mistral")
    examples = [Example(n, tuple(range(3 + n, 3 + n + 40 + 9 * n)), 5 * n) for n in range(4)]
    losses = []
    model.zero_grad()
    for example in examples:
        row = {"input_ids": torch.tensor([example.ids]), "labels": torch.tensor([example.labels])}
        losses.append(completion_losses(model, row)[0])
    (torch.cat(losses).sum() / 10).backward()
    wanted = {name: w.grad.clone() for name, w in model.named_parameters() if w.requires_grad}
    loss, found = packed_pass(model, examples, weight=0.1)
    assert torch.allclose(loss, torch.cat(losses).sum() / 10, rtol=1e-4)
    assert max(distance(found, wanted).values()) < 1e-4


def test_activations_computed_again_drop_the_same_elements(tmp_path):
    """Dropout follows from a number and a place, not from when it is asked for."""
    model, batch = build(tmp_path, "llama", dropout=0.2)
    loss, kept = packed_pass(model, examples_in(batch), dropout=0.2)
    other, again = packed_pass(model, examples_in(batch), dropout=0.2, checkpointing=True)
    plain, _ = packed_pass(model, examples_in(batch))
    assert torch.equal(loss, other)
    assert not torch.allclose(loss, plain, rtol=1e-4)
    assert max(distance(again, kept).values()) < 1e-5


def test_dropout_keeps_its_share_and_the_mean():
    """As torch's does: a fifth is dropped, the rest is larger, and each place has a choice of its own."""
    x, seed = torch.ones(400, 500), torch.tensor([7])
    dropped = TorchOperations().drop(x, 0.2, seed, 3)
    assert set(dropped.unique().tolist()) == {0.0, 1.25}
    assert abs(float((dropped == 0).float().mean()) - 0.2) < 0.005
    assert (dropped[0] != dropped[1]).any()
    assert not torch.equal(dropped, TorchOperations().drop(x, 0.2, seed, 4))
    assert not torch.equal(dropped, TorchOperations().drop(x, 0.2, seed + 1, 3))


def test_gradients_with_dropout_are_those_of_the_loss_with_it(tmp_path):
    """A step against the gradient lowers the loss of the same pass by as much as the gradient says."""
    model, batch = build(tmp_path, "qwen3", dropout=0.2)
    examples = examples_in(batch)
    loss, found = packed_pass(model, examples, dropout=0.2)
    step = 1e-4
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name in found:
                weight.sub_(step * found[name])
    after, _ = packed_pass(model, examples, dropout=0.2)
    expected = step * sum(float(gradient.square().sum()) for gradient in found.values())
    assert float(loss - after) == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize("family", FAMILIES)
def test_bf16_is_as_near_to_fp32_as_transformers_and_peft_are(tmp_path, family):
    """The order of the rounding differs, its size does not."""
    exact_model, batch = build(tmp_path / "exact", family)
    exact = pass_of(exact_model, batch, torch.enable_grad())[1]
    model, batch = build(tmp_path / "half", family, dtype="bfloat16")
    theirs = distance(pass_of(model, batch, torch.enable_grad())[1], exact)
    ours = distance(packed_pass(model, examples_in(batch), dtype=torch.bfloat16)[1], exact)
    assert sum(ours.values()) < 1.5 * sum(theirs.values())


def test_a_family_of_another_build_has_no_packed_form(tmp_path):
    """It is trained by transformers' modules."""
    model, _ = build(tmp_path, "gemma3")
    assert not has_packed_form(model, CHALLENGER)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_packed_training_learns_and_gives_the_adapter_back(tmp_path, monkeypatch, dtype):
    """The whole loop, also in fp16, as on a GPU that has no bf16: the same weights under their own names."""
    monkeypatch.setattr(qlora, "packs_well", lambda *_: True)
    config = ModelConfig(base=str(make_tiny_base(tmp_path / "base")), device="cpu", dtype=dtype)
    base = load_base(config, tmp_path / "models")
    forbid_repacking(base.model)
    recipe = recipe_of(epochs=6, dropout=0.05)
    model = attach_adapter(base.model, recipe)
    examples = examples_of(base)
    before = {name: weight.clone() for name, weight in model.named_parameters()}
    heard = []
    learned = qlora.train(
        model,
        examples[:34],
        examples[34:],
        recipe,
        pad_id=0,
        seed=1,
        **into(tmp_path / "checkpoints"),
        report=lambda _step, _total, figures: heard.append(figures),
    )
    losses = [figures["loss"] for figures in heard if "loss" in figures]
    assert losses[-1] < 0.7 * losses[0]
    assert learned.eval_loss == pytest.approx(min(f["eval_loss"] for f in heard if "eval_loss" in f))
    after = dict(model.named_parameters())
    assert after.keys() == before.keys()
    assert {name for name in after if not torch.equal(after[name], before[name])} == {n for n in after if "lora" in n}
    assert all(weight.requires_grad == ("lora" in name) for name, weight in after.items())
    plain = negative_log_likelihoods(model, examples[34:], pad_id=0)
    tokens = [example.labelled for example in examples[34:]]
    mean = sum(n * count for n, count in zip(plain, tokens, strict=True)) / sum(tokens)
    assert mean == pytest.approx(learned.eval_loss, rel=1e-2)


def test_packed_training_resumes_where_it_was_stopped(tmp_path, monkeypatch, tiny_base):
    """Optimizer state and adapter are of one piece, and the random numbers go on."""
    monkeypatch.setattr(qlora, "packs_well", lambda *_: True)
    curves = []
    for stops in ((), (5,)):
        curve: dict[int, float] = {}
        for stop in (*stops, None):
            base = tiny_base.load()
            forbid_repacking(base.model)
            torch.manual_seed(0)
            recipe = recipe_of(epochs=2, dropout=0.05)
            model = attach_adapter(base.model, recipe)
            examples = examples_of(base)

            def report(step, _total, figures, stop=stop, curve=curve):
                if "loss" in figures:
                    curve[step] = figures["loss"]
                    if step == stop:
                        signal.raise_signal(signal.SIGTERM)

            arguments = {**into(tmp_path / str(len(stops)), minutes=0), "report": report}
            with contextlib.suppress(RunInterrupted):
                qlora.train(model, examples[:34], examples[34:], recipe, pad_id=0, seed=1, **arguments)
        curves.append(curve)
    assert curves[1] == pytest.approx(curves[0], rel=1e-5)


def test_memory_that_runs_out_halves_packed_passes(tmp_path, monkeypatch, tiny_base):
    """The step keeps its pairs, and its loss stays what it was."""
    monkeypatch.setattr(qlora, "packs_well", lambda *_: True)
    curves, said = [], []
    for room in (10**6, 100):
        base = tiny_base.load()
        forbid_repacking(base.model)
        torch.manual_seed(0)
        model = attach_adapter(base.model, recipe_of(epochs=1, batch=8))
        forward = PackedDecoder.forward

        def short(self, ids, *arguments, room=room, forward=forward, **options):
            if len(ids) > room:
                raise torch.OutOfMemoryError
            return forward(self, ids, *arguments, **options)

        with monkeypatch.context() as patch:
            patch.setattr(PackedDecoder, "forward", short)
            curve = []
            examples = examples_of(base)
            arguments = {**into(tmp_path / str(room)), "say": said.append}
            qlora.train(
                model,
                examples[:34],
                examples[34:],
                recipe_of(epochs=1, batch=8),
                pad_id=0,
                seed=1,
                **arguments,
                report=lambda _step, _total, figures, curve=curve: curve.append(figures.get("loss")),
            )
        curves.append([loss for loss in curve if loss is not None])
    assert curves[1] == pytest.approx(curves[0], rel=1e-4)
    assert "the step keeps its pairs" in said[0]


@pytest.mark.parametrize("family", FAMILIES)
def test_fp16_is_nearer_to_fp32_than_bf16(tmp_path, family):
    """It has three more bits, and the factor keeps small gradients from vanishing."""
    exact_model, batch = build(tmp_path / "exact", family)
    exact = pass_of(exact_model, batch, torch.enable_grad())[1]
    errors = []
    for dtype, factor in ((torch.bfloat16, 1), (torch.float16, 2**12)):
        model, batch = build(tmp_path / str(dtype), family, dtype=str(dtype).removeprefix("torch."))
        examples = examples_in(batch)
        weight = factor / sum(example.labelled for example in examples)
        _, found = packed_pass(model, examples, dtype=dtype, weight=weight)
        errors.append(sum(distance({name: g / factor for name, g in found.items()}, exact).values()))
    assert errors[1] < 0.5 * errors[0]


@pytest.mark.parametrize(("dtype", "dim"), [(torch.float16, 128), (torch.bfloat16, 96)])
def test_what_the_kernels_do_not_take_is_left_to_torch(dtype, dim):
    """An older GPU's type, and heads whose width is no power of two."""
    assert isinstance(operations_for(torch.device("cuda"), dtype, dim), TorchOperations)


def test_another_family_trains_in_fp16_too(tmp_path):
    """With transformers' modules, under autocast, its loss scaled."""
    config = ModelConfig(base=str(make_tiny_base(tmp_path / "base", "gemma3")), device="cpu", dtype="float16")
    base = load_base(config, tmp_path / "models")
    forbid_repacking(base.model)
    model = attach_adapter(base.model, recipe_of(epochs=3))
    examples, losses = examples_of(base), []
    qlora.train(
        model,
        examples[:34],
        examples[34:],
        recipe_of(epochs=3),
        pad_id=0,
        seed=1,
        **into(tmp_path / "checkpoints"),
        report=lambda _step, _total, figures: losses.append(figures["loss"]) if "loss" in figures else None,
    )
    assert losses[-1] < 0.8 * losses[0]


def test_captured_passes_are_let_go_when_the_training_ends(tmp_path):
    """Graphs keep the memory that they were captured with, even while something still holds the passes."""
    model, _ = build(tmp_path, "llama")
    with packed_passes(model, CHALLENGER, recipe_of(), 64) as passes:
        passes._captured[64], passes._pool = object(), object()
    assert (passes._captured, passes._pool) == ({}, None)
