"""Imports point one way, between packages (bot -> trainer -> {model, storage}) and between the folders inside each.

Heavy libraries stay in their layer.
"""

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

LAYERS = {
    "bot": (
        ("i18n.language",),
        ("i18n.en",),
        ("i18n.de",),
        ("i18n",),
        ("errors",),
        ("shards",),
        ("settings", "request_id", "event_loop", "moments"),
        ("log_formats", "loopback"),
        ("machine", "token_sources", "health_file", "initial_settings", "log_file", "policy"),
        ("model_offers",),
        ("discord_io",),
        ("server",),
        ("recall",),
        ("chat",),
        ("review",),
        ("training",),
        ("pairs", "privacy", "knowledge"),
        ("lead", "gateway"),
        ("slash_commands", "dynamic_items", "background_loops", "backups"),
        ("client",),
        ("api", "monitoring"),
        ("services", "standalone"),
        ("app",),
        ("login",),
        ("diagnosis.finding",),
        ("diagnosis",),
        ("simulation", "exploration"),
        ("cli",),
    ),
    "trainer": (
        ("errors", "setting_names", "setting_kinds", "canaries", "setting_descriptions", "reasons"),
        ("gate_settings", "data_settings"),
        ("settings",),
        ("snapshot",),
        ("training",),
        ("evaluation", "interchange"),
        ("quarantine",),
        ("",),
    ),
    "storage": (
        ("errors",),
        (
            "encryption_errors",
            "backup_errors",
            "review_errors",
            "adapter_errors",
            "document_errors",
        ),
        ("reply_records", "discord_records", "member_records", "audit_records", "recall_records"),
        ("review_records", "pair_records"),
        ("run_records",),
        ("files",),
        ("",),
    ),
    "model": (
        ("errors", "device_errors", "catalog", "config", "control_tokens", "cores", "reasoning", "stop_strings"),
        ("chat",),
        ("protocol", "embedder"),
        ("base",),
        ("adapter",),
        ("cache",),
        ("fused.kernels",),
        ("fused.cpu", "fused.gpu"),
        ("fused",),
        ("serving",),
        ("engine", "remote"),
        ("engines",),
        ("embedder", "vector_index"),
    ),
}
"""Folders and single files of each package from the bottom up; "" is everything else at its top.

A file imports from its own entry and from the lines below it. Entries of one line do not know each other.
"""

ALLOWED = {
    # For type checking alone: buttons type `interaction.client`, which holds the parts that they use.
    ("bot.discord_io.components", "bot.client"),
}
"""Imports against the order, each with its reason."""


def imported_by(file):
    """Top-level names of everything a file imports, inside functions too, with the line."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name.split(".")[0], node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno} imports relatively, which hides the package"
            yield node.module.split(".")[0], node.lineno


def module_of(file):
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_between_modules(package):
    """Module -> the modules of the same package that it imports, inside functions and for type checking too."""
    modules = {module_of(file): file for file in files_of(package)}
    found = {}
    for module, file in modules.items():
        names = set()
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                full = {f"{node.module}.{alias.name}" for alias in node.names}
                names |= full & modules.keys() or {node.module}
        found[module] = {name for name in names & modules.keys() - {module} if (module, name) not in ALLOWED}
    return found


def layer_of(module):
    """The entry of LAYERS that a module belongs to and the number of its line; the longest name that fits."""
    package, _, name = module.partition(".")
    fitting = [
        (len(entry), number, entry)
        for number, line in enumerate(LAYERS[package])
        for entry in line
        if (not entry and "." not in name) or name == entry or name.startswith(f"{entry}.")
    ]
    assert fitting, f"{module} is in no line of LAYERS"
    return max(fitting)[1:]


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
def test_a_folder_imports_only_from_folders_below_it(package):
    """Whoever reads the tree from the bottom up needs nothing that comes later."""
    graph = {module: names for module, names in imports_between_modules(package).items() if "." in module}
    upwards = [
        f"{module} imports {name}"
        for module, names in graph.items()
        for name in sorted(names)
        if layer_of(name) != layer_of(module) and layer_of(name)[0] >= layer_of(module)[0]
    ]
    assert upwards == []


@pytest.mark.parametrize("package", PACKAGES)
def test_no_modules_import_each_other_in_a_circle(package):
    """Neither directly nor through others: each can be understood before those that use it."""
    graph = imports_between_modules(package)
    while free := [module for module, names in graph.items() if not names & graph.keys()]:
        graph = {module: names for module, names in graph.items() if module not in free}
    assert graph == {}


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
