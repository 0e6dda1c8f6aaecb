"""Every error of the store carries its data and one sentence that says what to do."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from storage import adapter_errors, backup_errors, document_errors, encryption_errors, errors, review_errors
from storage.errors import StorageError

SAMPLES = {"Path": Path("/home/x"), "Path | None": Path("/home/x"), "Sequence[str]": ("m999",), "int | None": 7}
MODULES = (errors, encryption_errors, backup_errors, review_errors, adapter_errors, document_errors)
KINDS = [
    kind
    for module in MODULES
    for kind in vars(module).values()
    if inspect.isclass(kind) and issubclass(kind, StorageError) and kind.__module__ == module.__name__
]
WITHOUT_ADVICE = (StorageError, errors.FileUnusable)  # the base; one whose words are its caller's


def made(kind):
    """The error, and what it was made of."""
    signature = inspect.signature(kind.__init__)
    given = {
        name: SAMPLES.get(one.annotation, 3 if one.annotation in ("int", "float") else name)
        for name, one in list(signature.parameters.items())[1:]
    }
    return kind(**given), given


@pytest.mark.parametrize("kind", [one for one in KINDS if one is not StorageError])
def test_an_error_carries_its_data(kind):
    """So that code that words it for somebody else need not read its sentence."""
    error, given = made(kind)
    assert {name: getattr(error, name) for name in given} == given


@pytest.mark.parametrize("kind", [one for one in KINDS if one not in WITHOUT_ADVICE])
def test_an_error_is_one_sentence_that_says_what_to_do(kind):
    """What is wrong, a colon, and the way out, or what follows from it."""
    text = str(made(kind)[0])
    assert text.endswith(".")
    assert ": " in text
    assert "  " not in text
