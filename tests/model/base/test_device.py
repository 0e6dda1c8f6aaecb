"""Which compute type the settings mean on which device, and that this device is used."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest
import torch

from model.base.device import pick_dtype
from model.chat import Message
from model.serving.decoder import Decoder
from model.serving.worker import Worker


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


def test_the_threads_that_compute_use_the_device_that_was_chosen(tiny, monkeypatch):
    """Kernels are launched on a thread's current device, which is the first one unless it is told."""
    used: list[tuple[str, torch.device]] = []

    def note(device: torch.device) -> None:
        used.append((threading.current_thread().name, device))

    monkeypatch.setattr("model.base.loading.use_device", note)
    monkeypatch.setattr("model.serving.worker.use_device", note)
    decoder = Decoder(tiny.load(), tiny.config)
    worker = Worker(decoder, 1, 1)
    worker.start()
    worker.stop()
    here = threading.current_thread().name
    assert used == [(here, decoder.device), ("nightshift-engine", decoder.device)]


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two CUDA GPUs")
async def test_an_engine_answers_on_the_second_gpu(tiny, start):
    """Fused and captured, as on the first; the asking thread keeps its own."""
    second = replace(tiny, config=replace(tiny.config, device="cuda:1", dtype="auto"))
    engine = await start(second, second.a)
    assert (await engine.submit([Message("user", "Hello")]).wait()).completion_tokens
    assert engine.stats().details["decoding"] == "fused, captured"
    assert torch.cuda.current_device() == 0
