"""The bill of materials of a wheel (CycloneDX 1.6, JSON): all that it needs or can use, with hashes and licences.

Versions and hashes are those of `hashes.txt`, licences those that the installed packages name. What an extra brings is
optional; tools of the tests and checks are no part of it.
"""

from __future__ import annotations

import argparse
import sys
import tomllib
from collections.abc import Iterable, Mapping
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from supply.hash_file import HASHES, MODELS, ROOT, Locked, locked, plain_name
from supply.licences import licence_of

__all__ = ["main", "needs", "write"]

_TOOLS = {"test", "lint", "audit", "gptq"}


def main() -> int:
    """Write the bill of materials of the project into a folder: `<name>-<version>.cdx.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    print(write(parser.parse_args().folder))
    return 0


def write(folder: Path) -> Path:
    """Write the file and return its path. Raises ValueError where it does not follow CycloneDX's schema."""
    from cyclonedx.output.json import JsonV1Dot6
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    text = JsonV1Dot6(_bill(project, locked(HASHES.read_text(encoding="utf-8")))).output_as_string(indent=2)
    if (wrong := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)) is not None:
        raise ValueError(f"the bill of materials is not valid: {str(wrong)[:300]}")
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{project['name'].replace('-', '_')}-{project['version']}.cdx.json"
    file.write_text(text + "\n", encoding="utf-8")
    return file


def needs(requirements: Iterable[str], known: Mapping[str, Locked]) -> dict[str, list[str]]:
    """Every package of the lock that `requirements` lead to, with the packages that it needs itself.

    What a package needs is known where it is installed; a package for another platform ends there.
    """
    found: dict[str, list[str]] = {}
    waiting = [_named(one) for one in requirements]
    while waiting:
        name, extras = waiting.pop()
        if name not in known:
            continue
        below = [pair for line in _required(name) if (pair := _wanted(line, extras))]
        below = [pair for pair in below if pair[0] in known]
        new = {pair[0] for pair in below} - set(found.get(name, ()))
        if name not in found or new:
            found[name] = sorted({*found.get(name, ()), *new})
            waiting += below
    return found


def _bill(project: Mapping[str, Any], known: Mapping[str, Locked]) -> Any:
    from cyclonedx.model.bom import Bom
    from cyclonedx.model.component import Component, ComponentScope, ComponentType

    extras = project["optional-dependencies"]
    optional = [line for name, lines in extras.items() if name not in _TOOLS for line in lines]
    required = needs(project["dependencies"], known)
    every = needs([*project["dependencies"], *optional, *MODELS], known)
    name, version = project["name"], project["version"]
    root = Component(
        name=name, version=version, type=ComponentType.APPLICATION, purl=_purl(name, version), bom_ref=name
    )
    root.licenses.update(_licences("Apache-2.0"))
    bom = Bom()
    bom.metadata.component = root
    parts = {
        one: _component(one, known[one], ComponentScope.REQUIRED if one in required else ComponentScope.OPTIONAL)
        for one in sorted(every)
    }
    bom.components.update(parts.values())
    direct = {_named(line)[0] for line in [*project["dependencies"], *optional]}
    bom.register_dependency(root, [parts[one] for one in sorted(direct & set(parts))])
    for one, below in every.items():
        bom.register_dependency(parts[one], [parts[other] for other in below])
    return bom


def _component(name: str, one: Locked, scope: Any) -> Any:
    from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, XsUri
    from cyclonedx.model.component import Component

    part = Component(name=name, version=one.version, scope=scope, purl=_purl(name, one.version), bom_ref=name)
    found = _distribution(name)
    if found is not None:
        part.licenses.update(_licences(licence_of(found.metadata).said))
    # One package has several files (one for each platform); each hash is of one of them.
    files = [HashType(alg=HashAlgorithm.SHA_256, content=content) for content in one.hashes]
    page = XsUri(f"https://pypi.org/project/{name}/{one.version}/#files")
    part.external_references.add(ExternalReference(type=ExternalReferenceType.DISTRIBUTION, url=page, hashes=files))
    return part


def _licences(said: str) -> list[Any]:
    from cyclonedx.contrib.license.factories import LicenseFactory

    return [LicenseFactory().make_from_string(said)] if said else []


def _purl(name: str, version: str) -> Any:
    from packageurl import PackageURL

    return PackageURL("pypi", None, name, version)


def _distribution(name: str) -> Distribution | None:
    try:
        return distribution(name)
    except PackageNotFoundError:
        return None


def _required(name: str) -> list[str]:
    # The two packages of model files are installed for those alone.
    found = None if name in MODELS else _distribution(name)
    return list(found.requires or []) if found else []


def _named(line: str) -> tuple[str, frozenset[str]]:
    from packaging.requirements import Requirement

    one = Requirement(line)
    return plain_name(one.name), frozenset(one.extras)


def _wanted(line: str, extras: frozenset[str]) -> tuple[str, frozenset[str]] | None:
    """What a requirement names, where its marker holds here with one of the extras, or with none."""
    from packaging.requirements import Requirement

    marker = Requirement(line).marker
    holds = marker is None or any(marker.evaluate({"extra": extra}) for extra in (*extras, ""))
    return _named(line) if holds else None


if __name__ == "__main__":
    sys.exit(main())
