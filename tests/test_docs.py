"""The documentation keeps up: every command and every option of the program is in docs/commands.md."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer

from bot.cli.main import app
from bot.settings import Settings
from docs import catalog_table, settings_page
from trainer.setting_descriptions import describe

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
PAGES = sorted(
    str(path.relative_to(ROOT)) for pattern in ("*.md", "docs/**/*.md", "examples/*.md") for path in ROOT.glob(pattern)
)
COMMON = {"--home", "--help", "-h", "--version"}  # said once, at the top


def commands(command=None, path=("nightshift",)):
    """Every command with its path: ("nightshift", "adapters", "use")."""
    command = command or typer.main.get_command(app)
    for name, child in getattr(command, "commands", {}).items():
        yield (*path, name), child
        yield from commands(child, (*path, name))


ALL = list(commands())


def section_of(path):
    """The text under a command's own heading, up to the next heading."""
    title = re.escape(" ".join(path))
    found = re.search(rf"^##+ {title}$\n(.*?)(?=^##|\Z)", PAGE, flags=re.MULTILINE | re.DOTALL)
    return found[1] if found else None


@pytest.mark.parametrize("path", [path for path, _ in ALL], ids=" ".join)
def test_every_command_has_a_section(path):
    """`## nightshift NAME`, or `###` below a group."""
    assert section_of(path)


@pytest.mark.parametrize(
    ("path", "command"), ALL, ids=lambda value: " ".join(value) if isinstance(value, tuple) else ""
)
def test_every_option_is_in_its_command_s_section(path, command):
    """Both spellings, where there are two."""
    section = section_of(path)
    options = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    flags = {name for name in options if name.startswith("-")} - COMMON
    assert [flag for flag in sorted(flags) if flag not in section] == []


def test_the_page_names_no_command_that_is_gone():
    """Headings are commands."""
    known = {" ".join(path) for path, _ in ALL}
    assert set(re.findall(r"^##+ (nightshift .*)$", PAGE, flags=re.MULTILINE)) <= known


def test_the_common_options_are_said_once_at_the_top():
    """`--home` is taken by every command."""
    top = PAGE.split("\n## ")[0]
    assert all(option in top for option in ("--home", "--version", "--help"))
    assert all("--home" in {o for p in command.params for o in p.opts} for _, command in ALL)


@pytest.mark.parametrize("page", PAGES)
def test_links_to_files_lead_somewhere(page):
    """A link to a file that moved helps nobody."""
    text = (ROOT / page).read_text(encoding="utf-8")
    targets = re.findall(r"\]\((?!https?://|#)([^)#]+)", text)
    assert [target for target in targets if not (ROOT / page).parent.joinpath(target).exists()] == []


def test_the_make_targets_that_readme_and_contributing_name_exist():
    """The two set-up commands are the first thing anyone types."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for page in ("README.md", "CONTRIBUTING.md"):
        for target in re.findall(r"`?make ([a-z]+)`?", (ROOT / page).read_text(encoding="utf-8")):
            assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target


def test_the_page_of_settings_is_the_programs():
    """Whoever adds a setting runs `make settings`."""
    assert settings_page.PAGE.read_text(encoding="utf-8") == settings_page.page(describe(Settings))


def test_the_table_of_base_models_is_the_program_s():
    """`make settings` writes it anew."""
    page = catalog_table.PAGE.read_text(encoding="utf-8")
    assert catalog_table.replaced(page) == page
