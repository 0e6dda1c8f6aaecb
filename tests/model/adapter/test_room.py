"""There is room for the adapters' slots, or a sentence says what is missing, and nothing has changed."""

from __future__ import annotations

import pytest
import torch

from model.adapter.slots import slot_bytes
from model.base import memory
from model.chat import Message
from model.errors import DoesNotFit
from model.protocol import AdapterRef, Sampling
from model.serving.decoder import Decoder
from tests.tiny import make_tiny_adapter


def test_the_slots_take_what_is_asked_for(tiny):
    """To the byte."""
    slots = Decoder(tiny.load(), tiny.config).slots
    held = sum(part.nbytes for linear in slots.linears.values() for part in (linear.a, linear.b))
    assert slot_bytes(slots.linears.values(), 4, 8, torch.float32) == held


def test_slots_without_room_are_refused_before_they_are_allocated(tiny, monkeypatch):
    """With what to choose instead."""
    base = tiny.load()
    monkeypatch.setattr(memory, "free_bytes", lambda _device: 1000.0)
    with pytest.raises(DoesNotFit, match=r"Room for 4 adapters of rank 8 needs about .* fewer slots or adapter_slots"):
        Decoder(base, tiny.config)


async def test_an_adapter_that_wants_larger_slots_than_there_is_room_for_changes_nothing(
    tiny, start, monkeypatch, tmp_path
):
    """The engine still answers with what it has."""
    engine = await start(tiny, tiny.a)
    asked, greedy = [Message("user", "Hello")], Sampling(max_new_tokens=12, temperature=0)
    before = (await engine.submit(asked, greedy).wait()).text
    large = AdapterRef("c", make_tiny_adapter(tmp_path / "c", tiny.load().model, seed=3, rank=16))
    with monkeypatch.context() as full:
        full.setattr(memory, "free_bytes", lambda _device: 1000.0)
        with pytest.raises(DoesNotFit, match="Room for 4 adapters of rank 16"):
            await engine.swap(large)
    after = await engine.submit(asked, greedy).wait()
    assert (after.text, after.adapter, engine.failure) == (before, "a", None)
    await engine.swap(large)
    assert (await engine.submit(asked, greedy).wait()).adapter == "c"
