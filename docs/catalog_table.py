"""Writes the table of base models in docs/models.md from the catalog: `make settings`, checked by a test."""

from __future__ import annotations

from pathlib import Path

from model.catalog import CATALOG, CatalogEntry
from model.config import ModelConfig
from trainer.memory_needs import catalog_shape, memory_needs
from trainer.settings import TrainingConfig

__all__ = ["main", "replaced", "table"]

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "models.md"
BEGIN, END = "<!-- catalog -->\n", "<!-- end of catalog -->\n"


def main() -> None:
    """Replace the table on the page."""
    PAGE.write_text(replaced(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    print(PAGE)


def replaced(page: str) -> str:
    """The page with the table as the program has it now."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}{table()}{END}{after}"


def table() -> str:
    """One line a model, smallest first; memory in GB for a card."""
    lines = [
        "| `[model] base` | parameters | licence | download | answer | train | both | for |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    return "\n".join([*lines, *map(_line, CATALOG)]) + "\n"


def _line(entry: CatalogEntry) -> str:
    needs = memory_needs(catalog_shape(entry), ModelConfig(), TrainingConfig(), on_gpu=True)
    licence = f"{entry.licence}, gated" if entry.gated else entry.licence
    notes = f"{entry.notes} Reasons first unless that is switched off." if entry.thinks else entry.notes
    memory = " | ".join(f"{size / 1e9:.1f} GB" for size in (needs.serve, needs.train, needs.both))
    return f"| `{entry.base}` | {entry.parameters:g}B | {licence} | {entry.download_gb:.1f} GB | {memory} | {notes} |"


if __name__ == "__main__":
    main()
