"""How a prompt is cut into passes of fixed sizes: model/serving/captured_prefill.py."""

from __future__ import annotations

import pytest

from model.serving.captured_prefill import plan_passes

SECONDS = {32: 5.5, 128: 12.0, 512: 18.0, 1024: 27.0}


@pytest.mark.parametrize(
    ("tokens", "passes"),
    [
        (1, [32]),
        (33, [32, 32]),
        (100, [128]),
        (150, [128, 32]),
        (300, [512]),
        (600, [1024]),
        (1024, [1024]),
        (1056, [1024, 32]),
        (1500, [1024, 512]),
        (1824, [1024, 1024]),
    ],
)
def test_a_prompt_is_read_in_the_least_time(tokens, passes):
    """A pass costs the same full or not, so a larger one may be quicker than several small ones."""
    assert plan_passes(tokens, SECONDS) == passes


def test_every_token_is_read():
    """At any length."""
    for tokens in range(1, 2100, 7):
        assert sum(plan_passes(tokens, SECONDS)) >= tokens
