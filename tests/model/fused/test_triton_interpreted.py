"""Triton kernels of training, run by Triton's interpreter on the CPU. Needs Triton, not a card."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytest.importorskip("triton", reason="no Triton here: it comes with CUDA builds of torch")

PROGRAM = """
import torch
from model.fused.gpu.training_kernels import TrainingKernels
from trainer.training.packed_operations import TorchOperations

torch.manual_seed(0)
kernels, plain = TrainingKernels(), TorchOperations()
for tokens, width in ((3, 5000), (300, 32)):  # several blocks a row, and many rows
    gate_up, grad = torch.randn(tokens, 2 * width), torch.randn(tokens, width)
    assert torch.allclose(kernels.gate(gate_up), plain.gate(gate_up), atol=1e-5)
    others = gate_up.clone(), grad.clone()
    kernels.gate_backward(grad, gate_up)
    plain.gate_backward(others[1], others[0])
    assert torch.allclose(gate_up, others[0], atol=1e-5)
    assert torch.allclose(grad, others[1], atol=1e-5)
x, seed = torch.randn(7, 900), torch.tensor([2**62 + 12345])
for salt in (0, 77):
    assert torch.equal(kernels.drop(x, 0.05, seed, salt) == 0, plain.drop(x, 0.05, seed, salt) == 0)
print("computed")
"""


def test_the_gate_and_dropout_compute_what_torch_does():
    """In a process of its own, since Triton asks for its interpreter when it is imported."""
    environment = {**os.environ, "TRITON_INTERPRET": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.stdout.strip() == "computed", done.stderr[-2000:]
