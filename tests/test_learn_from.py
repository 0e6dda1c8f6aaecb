"""Whoever asks the store what may be learned from says which origins: none is left to a default."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ASKING = {"eligible_pairs", "exportable_pairs", "choices", "counts", "waits_for"}
FILES = [path for package in ("bot", "trainer") for path in sorted((ROOT / package).rglob("*.py"))]


def questions(tree):
    """Calls of the store's methods, directly, by `partial`, or through the store's own thread."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            names = [node.func, *(node.args[:1])]
            for one in names:
                asks = isinstance(one, ast.Attribute) and one.attr in ASKING
                if asks and isinstance(one.value, ast.Name | ast.Attribute) and "tore" in ast.unparse(one.value):
                    yield node


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_question_names_the_origins(path):
    """`learn_from`, or (a run that resumes) settings that hold it."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for call in questions(tree):
        given = {keyword.arg for keyword in call.keywords}
        assert given & {"learn_from", None}, f"{path.name}:{call.lineno}"


def test_the_questions_are_found():
    """The test above sees what it is about."""
    found = [call for path in FILES for call in questions(ast.parse(path.read_text(encoding="utf-8")))]
    assert len(found) >= 8
