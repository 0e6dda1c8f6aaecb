"""The catalog of base models says what is so, as far as arithmetic can tell."""

from __future__ import annotations

import pytest

from model.catalog import CATALOG, catalog_entry
from trainer.memory_needs import catalog_shape
from trainer.training.memory import EMBEDDED_SHAPE

EVERY = pytest.mark.parametrize("entry", CATALOG, ids=lambda one: one.base)


@EVERY
def test_the_shape_gives_the_number_of_parameters(entry):
    """A wrong layer or width would change it."""
    assert catalog_shape(entry).parameters / 1e9 == pytest.approx(entry.parameters, rel=0.02)


@EVERY
def test_the_download_is_the_weights_in_16_bits(entry):
    """Small models carry their output layer twice; the embedded one comes in 4 bits."""
    shape = catalog_shape(entry)
    least = 2 * shape.parameters / 1e9
    most = least + (2 * shape.vocabulary * shape.hidden / 1e9 if entry.shape.tied else 0)
    if entry.base != "embedded":
        assert least * 0.97 - 0.05 <= entry.download_gb <= most * 1.03 + 0.05


def test_it_goes_from_the_smallest_to_the_largest():
    """As a list to choose from is read."""
    sizes = [one.parameters for one in CATALOG]
    assert sizes == sorted(sizes)
    assert sizes[1] < 0.5
    assert sizes[-1] > 14


def test_a_base_is_found_by_its_id_in_any_spelling():
    """And with a revision."""
    assert catalog_entry("qwen/qwen3-8b@main").parameters == 8.2
    assert catalog_entry("/models/qwen") is None
    assert catalog_shape(catalog_entry("embedded")) == EMBEDDED_SHAPE
