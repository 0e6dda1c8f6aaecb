"""Whether a base can be used is asked of a small random one of its kind, before hours are spent on it."""

from __future__ import annotations

import pytest

from model.config import ModelConfig
from model.errors import BaseUnsuitable
from model.serving.suitability import check_suitable
from tests.families import IN_OWN_CACHE, IN_SLOTS, REFUSED, family_config

SETTINGS = ModelConfig(context_tokens=128)
NOT_IN_4_BITS = ["mamba", "falcon_mamba"]  # their projections of time steps are used without their layers


@pytest.mark.parametrize("family", [*IN_SLOTS, *IN_OWN_CACHE, *REFUSED])
def test_every_family_is_told_how_it_would_be_served(family):
    """In slots, in its own cache, or not at all; nothing is asked of those that are held token for token elsewhere."""
    if family in {*REFUSED, *NOT_IN_4_BITS}:
        with pytest.raises(BaseUnsuitable, match=r"cannot be used: .*\. Choose another one"):
            check_suitable(family, family_config(family), SETTINGS)
        return
    way = check_suitable(family, family_config(family), SETTINGS)
    assert ("own cache" in way) is (family in IN_OWN_CACHE)


@pytest.mark.parametrize(
    ("family", "sizes"),
    [
        (
            "mixtral",
            {"num_hidden_layers": 40, "num_local_experts": 64, "intermediate_size": 4000, "vocab_size": 90_000},
        ),
        ("gemma2", {"num_hidden_layers": 12, "layer_types": ["sliding_attention", "full_attention"] * 6}),
        ("lfm2", {"num_hidden_layers": 16, "layer_types": ["conv"] * 5 + ["full_attention"] + ["conv"] * 10}),
        ("deepseek_v3", {"num_hidden_layers": 20, "n_routed_experts": 64, "first_k_dense_replace": 3}),
        ("qwen3_next", {"num_hidden_layers": 8, "layer_types": (["linear_attention"] * 3 + ["full_attention"]) * 2}),
    ],
)
def test_a_large_one_is_asked_by_a_small_one_of_the_same_kinds_of_layers(family, sizes):
    """Few of its layers hold one of each kind, and few experts and words are enough."""
    way = check_suitable(family, family_config(family, **sizes), SETTINGS)
    assert ("own cache" in way) is (family in IN_OWN_CACHE)


def test_what_cannot_be_made_small_is_left_to_the_engine_s_start():
    """No answer is better than a wrong one."""

    class Strange:
        model_type = "strange"

        def get_text_config(self):
            return self

        def to_dict(self):
            return {"model_type": "strange"}

    assert check_suitable("strange", Strange(), SETTINGS) == ""
