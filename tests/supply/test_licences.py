"""Licences: what may be used beside Apache-2.0, and that everything installed may."""

from __future__ import annotations

from email.message import Message

import pytest

from supply.licences import agrees, installed, licence_of


def package(name="some", **said):
    metadata = Message()
    metadata["Name"], metadata["Version"] = name, "1.0"
    for key, value in said.items():
        metadata[key.replace("_", "-")] = value
    return metadata


def test_everything_that_is_installed_goes_with_our_licence():
    """A new dependency under another licence, or under none that is named, fails here until somebody has judged it."""
    assert [one for one in installed() if not one.fits] == []


@pytest.mark.parametrize(
    ("expression", "fits"),
    [
        ("MIT", True),
        ("MPL-2.0 AND MIT", True),
        ("Apache-2.0 AND Apache-2.0 WITH LLVM-exception AND BSD-3-Clause", True),
        ("GPL-3.0-only OR MIT", True),
        ("(GPL-2.0-only OR MIT) AND AGPL-3.0-only", False),
        ("AGPL-3.0-only", False),
        ("MIT AND GPL-3.0-only", False),
        ("GPL-3.0-only WITH LLVM-exception", False),
        ("", False),
        ("Proprietary, ask us", False),
    ],
)
def test_an_expression_is_read_as_spdx_means_it(expression, fits):
    """Every part of an AND, one of an OR."""
    assert agrees(expression) is fits


@pytest.mark.parametrize(
    ("said", "fits"),
    [
        ({"License_Expression": "Apache-2.0", "License": "GPL"}, True),
        ({"Classifier": "License :: OSI Approved :: MIT License"}, True),
        ({"Classifier": "License :: OSI Approved :: GNU Affero General Public License v3"}, False),
        ({"License": "BSD 3-Clause License\n\nCopyright"}, True),
        ({"License": "Apache License, Version 2.0"}, True),
        ({"License": "not yours"}, False),
        ({}, False),
    ],
)
def test_older_metadata_are_read_too(said, fits):
    """Expression before classifiers before free text; nothing said is not allowed."""
    assert licence_of(package(**said)).fits is fits


def test_a_judged_package_that_changes_its_licence_is_judged_again():
    """What was decided was decided about what it said then."""
    assert licence_of(package("tld", License_Expression="MPL-1.1 OR GPL-2.0-only OR LGPL-2.1-or-later")).why
    assert not licence_of(package("tld", License_Expression="GPL-2.0-only")).fits
