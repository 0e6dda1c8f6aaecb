"""Which models the fused step takes, and that the log says why it leaves the others to transformers' modules."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

from model.base.loading import load_base
from model.fused.cpu import kernels
from model.fused.families import FAMILIES
from model.protocol import AdapterRef
from model.serving.decoder import Decoder
from tests.model.conftest import TINY, Tiny
from tests.model.serving.test_exactness import answers, reference
from tests.tiny import make_tiny_adapter, make_tiny_base

pytestmark = pytest.mark.skipif(not kernels.usable(), reason="no fused step on this processor")
LONGROPE = {
    "rope_type": "longrope",
    "rope_theta": 10_000.0,
    "partial_rotary_factor": 0.75,
    "short_factor": [1.0 + 0.1 * place for place in range(12)],
    "long_factor": [3.0] * 12,
}
LONG = {"rope_parameters": LONGROPE, "original_max_position_embeddings": 200}
REFUSED = {
    "gemma": ({}, "does not know the family gemma"),
    "qwen2": ({"hidden_act": "relu"}, "the activation is relu"),
    "llama": ({"mlp_bias": True}, "the feed-forward layers have biases"),
    "granite": ({"intermediate_size": 160}, "the kernels do not take layers of"),
    "phi3": (LONG, "(longrope) depends on the length of the text"),
}


def decoder_of(folder: Path, family: str, context: int = 256, **changes: object) -> Decoder:
    base = make_tiny_base(folder / "base", family, **changes)
    config = replace(TINY, base=str(base), context_tokens=context)
    decoder = Decoder(load_base(config, folder / "cache"), config)
    decoder.warm_up()
    return decoder


def test_every_family_is_one_of_transformers():
    """A name that is misspelt would never be found."""
    assert set(FAMILIES) <= set(CONFIG_MAPPING_NAMES)


@pytest.mark.parametrize("family", REFUSED)
def test_what_it_does_not_compute_is_left_to_the_modules_and_logged(tmp_path, caplog, family):
    """For one reason each."""
    changes, why = REFUSED[family]
    with caplog.at_level("INFO", logger="model.fused.families"):
        assert "fused" not in decoder_of(tmp_path, family, **changes).path
    assert why in caplog.text


async def test_a_rotary_embedding_for_long_texts_is_fused_where_no_text_is_that_long(tmp_path, start):
    """Phi 4 mini's: up to its original length the angle of a position is one."""
    base = make_tiny_base(tmp_path / "base", "phi3", **LONG)
    config = replace(TINY, base=str(base), context_tokens=200)
    adapter = make_tiny_adapter(tmp_path / "a", load_base(config, tmp_path / "cache").model)
    tiny = Tiny(config, tmp_path / "cache", *(AdapterRef(name, adapter) for name in "ab"))
    engine = await start(tiny, tiny.a)
    assert "fused" in engine._worker.decoder.path
    assert await answers(engine, at_once=True) == reference(tiny, tiny.a)
