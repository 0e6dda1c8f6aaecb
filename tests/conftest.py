"""How much hypothesis tries, and what may be learned from where a test says nothing about it.

Hypothesis takes the same examples each time, or new ones where somebody looks for what nobody thought of.
`HYPOTHESIS_PROFILE=explore make test` draws new examples; a failure there is a fault, or an error of the test's model.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

from storage import origins

settings.register_profile("same", derandomize=True)
settings.register_profile("explore", derandomize=False)
os.environ.setdefault("NIGHTSHIFT_MEMORY__EMBEDDER", "none")  # tests that want one name it: loading it takes seconds
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))


@pytest.fixture(scope="session", autouse=True)
def _learning_from_everything() -> Iterator[None]:
    """No test's words are from Discord; what is learned from by default has tests of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(origins, "UNLESS_TOLD", origins.ORIGINS)
        yield
