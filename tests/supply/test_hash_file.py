"""The hash file: the lock with hashes, complete and in step."""

from __future__ import annotations

import re

import pytest

from supply.hash_file import HASHES, ROOT, disagreements, locked

CONSTRAINTS = (ROOT / "constraints.txt").read_text(encoding="utf-8")


def test_every_package_of_the_lock_has_hashes_in_the_same_version():
    """`make hashes` has to be run after constraints.txt was changed."""
    assert disagreements(CONSTRAINTS, locked(HASHES.read_text(encoding="utf-8"))) == []


def test_every_hash_is_a_sha256_and_torch_brings_its_libraries_for_cuda():
    """With --no-deps nothing else is installed, so that what torch's build for CUDA needs has to be listed too."""
    found = locked(HASHES.read_text(encoding="utf-8"))
    assert all(re.fullmatch(r"[0-9a-f]{64}", one) for package in found.values() for one in package.hashes)
    assert "linux" in found["nvidia-cudnn-cu13"].marker
    assert len(found["torch"].hashes) > 1


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda text: text.replace("peft==0.21.2", "peft==0.21.3"), "peft is 0.21.2 in constraints.txt and 0.21.3"),
        (lambda text: re.sub(r"peft==[^p]*?(?=\n\w)", "", text), "peft is in constraints.txt and not in hashes.txt"),
        (lambda text: text + "loose==1.0\n", "loose has no hash"),
    ],
)
def test_what_differs_is_named(change, sentence):
    """Another version, a package that is missing, a pin without a hash."""
    (found,) = disagreements(CONSTRAINTS, locked(change(HASHES.read_text(encoding="utf-8"))))
    assert sentence in found


def test_a_line_that_pins_nothing_is_refused():
    """A range in a hash file would let anything in."""
    with pytest.raises(ValueError, match=r"line 1 .* pins nothing: torch>=2"):
        locked("torch>=2\n")
