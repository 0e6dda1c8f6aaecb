"""The GPU's training kernels compute what torch does, and train as transformers and PEFT would. Needs a GPU."""

from __future__ import annotations

import pytest
import torch

from trainer.training.packed_operations import Shape, TorchOperations, Where

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")

LENGTHS = (70, 1, 200, 29)
TOKENS = sum(LENGTHS)


@pytest.fixture
def kernels():
    from model.fused.gpu.training_kernels import TrainingKernels

    torch.manual_seed(0)
    return TrainingKernels()


def random(*shape, dtype=torch.bfloat16):
    return torch.randn(*shape, device="cuda", dtype=dtype)


def where_of(lengths):
    positions = torch.cat([torch.arange(length) for length in lengths]).cuda()
    ends = torch.tensor([0, *lengths]).cumsum(0).to("cuda", torch.int32)
    return Where(positions, ends, max(lengths))


def tables(length, dim):
    angles = torch.arange(length, device="cuda")[:, None] / 10_000 ** (torch.arange(dim // 2, device="cuda") * 2 / dim)
    return angles.cos(), angles.sin()


def test_what_was_captured_goes_with_the_training(kernels, tmp_path):
    """Its memory is there for the answers that are drawn next, although somebody still holds the passes."""
    from tests.trainer.training.test_fused_autograd import build
    from tests.trainer.training.test_qlora import recipe_of
    from trainer.training.packed_passes import packed_passes
    from trainer.training.qlora import CHALLENGER

    model, _ = build(tmp_path, "llama", dtype="bfloat16", device="cuda")
    with packed_passes(model, CHALLENGER, recipe_of(), 200) as held:
        held.capture([1024, 512])
        assert held._captured
        inside = torch.cuda.memory_reserved()
    assert not held._captured
    assert torch.cuda.memory_reserved() < inside


def near(found, wanted, bound=1e-2):
    assert found.dtype == wanted.dtype
    assert float((found.float() - wanted.float()).norm() / wanted.float().norm()) < bound


def copy_adapter(source, target):
    """Another device draws other numbers."""
    weights = dict(source.named_parameters())
    with torch.no_grad():
        for name, weight in target.named_parameters():
            if "lora" in name:
                weight.copy_(weights[name])


def test_weights_are_unpacked_to_the_bit_as_bitsandbytes_does(kernels):
    """Layers that share their input, one below the other."""
    from bitsandbytes.functional import dequantize_4bit
    from bitsandbytes.nn import Linear4bit, Params4bit

    layers = []
    for outputs in (96, 32, 4096):
        layer = Linear4bit(192, outputs, bias=False, quant_type="nf4", device="meta")
        weight = torch.randn(outputs, 192, dtype=torch.bfloat16)
        layer.weight = Params4bit(weight, requires_grad=False, compress_statistics=True, quant_type="nf4").to("cuda")
        layers.append(layer)
    wanted = torch.cat([dequantize_4bit(layer.weight, layer.weight.quant_state) for layer in layers])
    assert wanted.dtype == torch.bfloat16
    assert torch.equal(kernels.weight(layers, torch.bfloat16), wanted)


@pytest.mark.parametrize("size", [128, 4096, 5000])
def test_norms(kernels, size):
    """Forward and back, with and without the gradient of the residual."""
    x, grad, beside, weight = random(TOKENS, size), random(TOKENS, size), random(TOKENS, size), random(size)
    plain = TorchOperations()
    near(kernels.rms_norm(x, weight, 1e-5), plain.rms_norm(x, weight, 1e-5))
    for other in (None, beside):
        found = kernels.rms_norm_backward(grad, x, weight, 1e-5, other)
        near(found, plain.rms_norm_backward(grad, x, weight, 1e-5, other))


@pytest.mark.parametrize("normed", [False, True])
@pytest.mark.parametrize(("heads", "kv_heads", "dim"), [(4, 2, 32), (32, 8, 128), (14, 2, 64)])
def test_rotation(kernels, heads, kv_heads, dim, normed):
    """Queries and keys, forward and back; values pass through."""
    shape, where, rotary = Shape(heads, kv_heads, dim, 1.0, 0), where_of(LENGTHS), tables(200, dim)
    qkv = random(TOKENS, (heads + 2 * kv_heads) * dim)
    norms = (random(dim), random(dim), 1e-6) if normed else None
    plain = TorchOperations()
    near(kernels.rotate(qkv.clone(), shape, rotary, where, norms), plain.rotate(qkv, shape, rotary, where, norms))
    grads = tuple(random(TOKENS, count, dim) for count in (heads, kv_heads, kv_heads))
    found = kernels.rotate_backward(grads, qkv, shape, rotary, where, norms=norms)
    near(found, plain.rotate_backward(grads, qkv, shape, rotary, where, norms=norms))


@pytest.mark.parametrize("window", [0, 16])
def test_attention_stays_within_each_sequence(kernels, window):
    """Forward and back; empty sequences at the end, and a window."""
    shape, where = Shape(8, 2, 64, 0.125, window), where_of((*LENGTHS, 0, 0))
    q, k, v, grad = (random(TOKENS, count, 64) for count in (8, 2, 2, 8))
    plain = TorchOperations()
    out, kept = kernels.attend(q, k, v, shape, where)
    wanted, _ = plain.attend(q, k, v, shape, where)
    near(out, wanted)
    found = kernels.attend_backward(grad, (q, k, v), out, kept, shape=shape, where=where)
    for one, other in zip(
        found, plain.attend_backward(grad, (q, k, v), wanted, (), shape=shape, where=where), strict=True
    ):
        near(one, other, 2e-2)


def test_the_gate(kernels):
    """Forward and back, in place."""
    gate_up, grad = random(TOKENS, 2 * 1344), random(TOKENS, 1344)
    near(kernels.gate(gate_up), TorchOperations().gate(gate_up))
    other_gate_up, other_grad = gate_up.clone(), grad.clone()
    kernels.gate_backward(grad, gate_up)
    TorchOperations().gate_backward(other_grad, other_gate_up)
    near(gate_up, other_gate_up)
    near(grad, other_grad)


@pytest.mark.parametrize("vocabulary", [512, 49_152, 151_937])
def test_cross_entropy(kernels, vocabulary):
    """Losses, and the gradient where the scores stood."""
    scores, targets = random(33, vocabulary) * 5, torch.randint(0, vocabulary, (33,), device="cuda")
    others = scores.clone()
    near(kernels.slope(scores, targets), TorchOperations().slope(others, targets), 1e-4)
    near(scores, others)


def test_dropout_drops_the_same_elements(kernels):
    """On every device, so that a test on one says something about the other."""
    x, seed = random(TOKENS, 1000), torch.tensor([2**62 + 12345], device="cuda")
    for salt in (0, 1, 77):
        assert torch.equal(kernels.drop(x, 0.05, seed, salt), TorchOperations().drop(x, 0.05, seed, salt))


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("family", ["llama", "mistral", "qwen2", "qwen3"])
def test_a_captured_pass_has_the_gradients_of_fp32(kernels, tmp_path, family, checkpointing):
    """As near as the rounding of bf16 allows, in each replay, whatever passes were captured beside it."""
    from tests.trainer.training import test_packed_decoder as packed
    from tests.trainer.training.test_fused_autograd import build, pass_of
    from trainer.training.flat_adapter import flattened
    from trainer.training.packed_decoder import adapter_groups
    from trainer.training.packed_passes import PackedPasses
    from trainer.training.qlora import CHALLENGER

    exact_model, batch = build(tmp_path / "exact", family)
    exact = pass_of(exact_model, batch, torch.enable_grad())[1]
    # One conversion for all: on a GPU the weights are rounded to bf16 before they are packed.
    theirs_model, _ = build(tmp_path / "exact", family, dtype="bfloat16")
    copy_adapter(exact_model, theirs_model)
    theirs = packed.distance(pass_of(theirs_model, batch, torch.enable_grad())[1], exact)
    model, _ = build(tmp_path / "exact", family, dtype="bfloat16", device="cuda")
    copy_adapter(exact_model, model)
    examples = packed.examples_in(batch)
    names, groups = {id(weight): name for name, weight in model.named_parameters()}, adapter_groups(model, CHALLENGER)
    with flattened(groups, torch.bfloat16) as flat:
        passes = PackedPasses(model, CHALLENGER, flat, kernels, longest=200, rows=8, dropout=0.0)
        passes.decoder.checkpointing = checkpointing
        passes.capture([320, 256, 192, 128])
        for _ in range(3):
            passes.begin()
            passes.backward(examples, 1 / sum(example.labelled for example in examples))
            found = {names[id(w)]: flat.view(flat.gradient, w).float().cpu() for group in groups for w in group}
            assert sum(packed.distance(found, exact).values()) < 1.5 * sum(theirs.values())
