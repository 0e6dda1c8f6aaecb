"""How much hypothesis tries.

Hypothesis takes the same examples each time, or new ones where somebody looks for what nobody thought of.
`HYPOTHESIS_PROFILE=explore make test` draws new examples; a failure there is a fault, or an error of the test's model.
"""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile("same", derandomize=True)
settings.register_profile("explore", derandomize=False)
os.environ.setdefault("NIGHTSHIFT_MEMORY__EMBEDDER", "none")  # tests that want one name it: loading it takes seconds
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))
