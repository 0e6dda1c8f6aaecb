"""Which base models of the catalog go with this machine, and which one to offer first. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.machine import Memory
from model.catalog import CATALOG, CatalogEntry
from model.config import ModelConfig
from trainer.memory_needs import MemoryNeeds, catalog_shape, memory_needs
from trainer.settings import TrainingConfig

__all__ = ["Offer", "offers", "recommended", "table"]

_SPARE = 0.9  # part of the memory that a choice may take: the estimates leave out what an allocator wastes
_CPU_BILLIONS = 1.1  # larger ones take seconds for a word on a CPU
_CPU_FIRST, _CPU_MEMORY = "HuggingFaceTB/SmolLM2-360M-Instruct", 6e9


@dataclass(frozen=True, slots=True)
class Offer:
    """A model of the catalog and what it needs here."""

    entry: CatalogEntry
    needs: MemoryNeeds

    def fits(self, memory: Memory) -> bool:
        """Whether the bot can answer, and can train while it sleeps."""
        return max(self.needs.serve, self.needs.train) <= memory.total * _SPARE

    def fits_both(self, memory: Memory) -> bool:
        """Whether it can answer while it trains."""
        return self.needs.both <= memory.total * _SPARE


def offers(memory: Memory, catalog: Sequence[CatalogEntry] = CATALOG) -> list[Offer]:
    """The models that this machine can serve and train, the smallest first; the embedded one is always there."""
    found = []
    for entry in catalog:
        needs = memory_needs(catalog_shape(entry), ModelConfig(), TrainingConfig(), on_gpu=memory.on_gpu)
        offer = Offer(entry, needs)
        slow = not memory.on_gpu and entry.parameters > _CPU_BILLIONS
        if entry.base == "embedded" or (offer.fits(memory) and not slow):
            found.append(offer)
    return found


def recommended(choice: Sequence[Offer], memory: Memory, *, hub: bool = True) -> Offer:
    """On a card the largest one for which nobody needs an account, and that answers while it trains.

    Without the hub (`hub` says whether it can be reached) it is the embedded one.
    """
    if not hub:
        return choice[0]
    if not memory.on_gpu:
        first = next((one for one in choice if one.entry.base == _CPU_FIRST), None)
        return first if first is not None and memory.total >= _CPU_MEMORY else choice[0]
    return next((one for one in reversed(choice) if one.fits_both(memory) and not one.entry.gated), choice[0])


def table(choice: Sequence[Offer], memory: Memory, first: Offer) -> list[str]:
    """The offers as lines of text, numbered from 1, with what each costs."""
    width = max(len(one.entry.base) for one in choice)
    lines = [f"     {'model':<{width}}  {'download':>8}  {'answer':>7}  {'train':>6}  licence"]
    for number, one in enumerate(choice, start=1):
        entry = one.entry
        mark = "*" if one is first else " "
        licence = f"{entry.licence}, needs an account on the hub" if entry.gated else entry.licence
        costs = f"{entry.download_gb:>5.1f} GB  {one.needs.serve / 1e9:>4.1f} GB  {one.needs.train / 1e9:>3.1f} GB"
        lines.append(f" {mark}{number:>2}  {entry.base:<{width}}  {costs}  {licence}")
        sleeps = "" if one.fits_both(memory) else " Sleeps while it trains."
        lines.append(f"     {entry.notes}{sleeps}{'' if entry.tried else ' Not tried by us.'}")
    return lines
