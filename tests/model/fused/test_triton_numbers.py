"""The Triton kernels compute what torch does for every kind of layer: on a GPU, else by Triton's interpreter."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

pytest.importorskip("triton", reason="no Triton here: it comes with CUDA builds of torch")


def test_norms_ends_of_products_and_attention_are_those_of_torch():
    """Norms that round once or twice, gates, factors, parts of heads turned, windows, heads of 256.

    In a process of its own: Triton reads whether to interpret when it is imported.
    """
    env = os.environ if torch.cuda.is_available() else {**os.environ, "TRITON_INTERPRET": "1"}
    command = [sys.executable, "-m", "tests.model.fused.triton_numbers"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
