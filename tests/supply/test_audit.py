"""What `make audit` says of known vulnerabilities: never "none" where nobody answered."""

from __future__ import annotations

import json

import pytest

from supply.audit import read_report

NOT_ASKED = "Known vulnerabilities: not checked, as the package index's service cannot be reached from here."


def report(*rows):
    return json.dumps({"dependencies": rows, "fixes": []})


@pytest.mark.parametrize(
    "text",
    ["", "connection refused", "[]", "{}", report({"name": "a", "skip_reason": "Dependency not found on PyPI"})],
)
def test_a_service_that_does_not_answer_is_said(text):
    """pip-audit itself says "No known vulnerabilities found" where it skipped every package."""
    assert str(read_report(text)) == NOT_ASKED


def test_what_was_answered_is_counted():
    """A part that was not answered is named."""
    found = read_report(report({"name": "a", "version": "1", "vulns": []}, {"name": "b", "skip_reason": "no"}))
    assert str(found) == "Known vulnerabilities: none in 1 packages; it did not answer for 1."


def test_a_known_vulnerability_names_package_and_fixed_version():
    """So that somebody knows what to install."""
    vulnerability = {"id": "PYSEC-1", "fix_versions": ["2"], "aliases": [], "description": ""}
    found = read_report(report({"name": "a", "version": "1", "vulns": [vulnerability]}))
    assert found.known == ("a 1: PYSEC-1, fixed in 2",)
