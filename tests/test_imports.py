"""Imports point one way: bot -> trainer -> {model, storage}, and heavy libraries stay in their layer."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("bot", "trainer", "storage", "model")

NEVER = {
    "storage": {"bot", "trainer", "model", "torch", "transformers", "peft", "discord", "simcord"},
    "model": {"bot", "trainer", "storage", "discord", "simcord", "sqlite3", "sqlite_utils"},
    "trainer": {"bot", "discord", "simcord"},
    "bot": set(),
}
"""What each package may not import, anywhere in its files: `bot` wires everything together."""


def imported_by(file):
    """Top-level names of everything a file imports, inside functions too, with the line."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name.split(".")[0], node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno} imports relatively, which hides the package"
            yield node.module.split(".")[0], node.lineno


def files_of(package):
    return sorted(path for path in (ROOT / package).rglob("*.py") if "examples" not in path.parts)


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_imports_only_what_lies_below_it(package):
    """Otherwise the layers grow together and none can be tested or replaced alone."""
    wrong = [
        f"{file.relative_to(ROOT)}:{line} imports {name}"
        for file in files_of(package)
        for name, line in imported_by(file)
        if name in NEVER[package]
    ]
    assert wrong == []


@pytest.mark.parametrize("package", PACKAGES)
def test_no_shipped_file_imports_the_tests(package):
    """The wheel does not carry them."""
    assert not [file for file in files_of(package) if any(name == "tests" for name, _ in imported_by(file))]


def test_importing_the_command_line_loads_nothing_heavy():
    """`nightshift --help` answers at once."""
    heavy = "{'torch', 'transformers', 'peft', 'datasets', 'discord', 'sqlite_utils', 'pydantic', 'bitsandbytes'}"
    program = f"import sys, bot.cli.main; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"
