"""A night on bases of other families: trained, promoted, and taken by the engine; or refused before it begins."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from transformers import AutoModelForCausalLM

from model.chat import Message
from model.config import ModelConfig
from model.engine import Engine
from model.protocol import AdapterRef, Sampling
from storage.files.adapter_directory import AdapterDirectory
from tests.families import family_config
from tests.tiny import tiny_tokenizer


def on(place, root, family):
    """The same home with a base of another family."""
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(family_config(family)).save_pretrained(root / "base")
    tiny_tokenizer().save_pretrained(root / "base")
    model = ModelConfig(base=str(root / "base"), device="cpu", context_tokens=256, slots=2)
    return replace(place, settings=place.settings.model_copy(update={"model": model}))


@pytest.mark.parametrize("family", ["mixtral", "lfm2"])
async def test_what_a_night_promotes_is_answered_with(place, tmp_path, family):
    """Experts, state spaces and convolutions keep their weights; attention and other layers learn."""
    there = on(place, tmp_path, family)
    result = there.run(force=True)
    assert result.outcome == "promoted", result.reason
    engine = await Engine.start(there.settings.model, there.home.models)
    try:
        asked = [Message("user", "boat 3 white?")], Sampling(max_new_tokens=8, temperature=0)
        before = await engine.submit(*asked).wait()
        await engine.swap(AdapterRef(result.challenger, AdapterDirectory(there.home.adapters).path(result.challenger)))
        after = await engine.submit(*asked).wait()
    finally:
        await engine.close()
    assert (before.adapter, after.adapter) == (None, result.challenger)


def test_a_base_that_cannot_be_served_is_refused_before_training(place, tmp_path):
    """In the sentence that the engine would say, and nothing is learned."""
    result = on(place, tmp_path, "recurrent_gemma").run(force=True)
    assert (result.outcome, result.challenger) == ("failed", None)
    assert "cannot be used: it computes otherwise with a cache" in result.reason
