"""Which compute type the settings mean on which device."""

from __future__ import annotations

import pytest
import torch

from model.base.device import pick_dtype


@pytest.mark.parametrize(("native", "dtype"), [(True, torch.bfloat16), (False, torch.float16)])
def test_a_gpu_that_only_emulates_bf16_computes_in_fp16(monkeypatch, native, dtype):
    """A T4 says that it supports bf16, unless it is asked for the real thing."""
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation or native)
    assert pick_dtype("auto", torch.device("cuda:0")) == dtype


def test_a_setting_is_kept_and_a_cpu_computes_in_fp32():
    """Nothing is asked of a GPU for that."""
    assert pick_dtype("float16", torch.device("cuda:0")) == torch.float16
    assert pick_dtype("bfloat16", torch.device("cpu")) == torch.bfloat16
    assert pick_dtype("auto", torch.device("cpu")) == torch.float32
