"""The memory of each way to train as a picture: a bar for each, in parts. Needs matplotlib, the extra `plots`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trainer.training.memory import Footprint

__all__ = ["draw_footprints"]

_WAYS = {"full": "full", "lora": "LoRA", "qlora": "QLoRA"}
_PARTS = (
    ("weights", "#4c72b0"),
    ("gradients", "#dd8452"),
    ("optimizer", "#55a868"),
    ("activations", "#8172b3"),
    ("logits", "#c44e52"),
)


def draw_footprints(estimates: Sequence[tuple[str, float, Sequence[Footprint]]], title: str, file: Path) -> None:
    """Write a PNG with one bar for each model and way, stacked by what the memory is for, in GB of 1e9 bytes.

    The part called logits is the scores, or the workspace where that is larger. The peak above a bar may be less than
    its parts together: gradients come as activations go.

    Args:
        estimates: name, parameters and footprints of each model.
        title: above the picture.
        file: where it goes. OSError when it cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    bars = [(f"{name}\n{_WAYS[one.method]}", one) for name, _, footprints in estimates for one in footprints]
    figure = Figure(figsize=(max(5.0, 1.1 * len(bars) + 2), 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    bottoms = [0.0] * len(bars)
    for part, colour in _PARTS:
        heights = [_gigabytes(footprint, part) for _, footprint in bars]
        label = "logits or workspace" if part == "logits" else part
        axes.bar(range(len(bars)), heights, 0.7, bottom=bottoms, label=label, color=colour)
        bottoms = [bottom + height for bottom, height in zip(bottoms, heights, strict=True)]
    for at, (_, footprint) in enumerate(bars):
        axes.annotate(f"{footprint.total / 1e9:.1f}", (at, bottoms[at]), ha="center", va="bottom", fontsize=9)
    axes.set_xticks(range(len(bars)), [label for label, _ in bars], fontsize=8)
    axes.set_ylabel("GB; above each bar the peak")
    axes.set_title(title, fontsize=10)
    axes.set_ylim(0, 1.08 * max(bottoms))
    axes.legend(fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(file, dpi=130, format="png")


def _gigabytes(footprint: Footprint, part: str) -> float:
    value = max(footprint.logits, footprint.workspace) if part == "logits" else getattr(footprint, part)
    return float(value) / 1e9
