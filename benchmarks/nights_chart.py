"""The twenty nights as a picture: the champion's hold-out loss and general ability, night by night.

.venv/bin/python -m benchmarks.nights_chart nights.json docs/images/nights.png
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

BLUE, GREEN, GREY = "#3b5bdb", "#2b8a3e", "#868e96"


def main() -> None:
    """Read the results of a study and draw them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path)
    parser.add_argument("picture", type=Path)
    options = parser.parse_args()
    lines = json.loads(options.results.read_text(encoding="utf-8"))["lines"]
    draw([line for line in lines if line["study"] == "twenty"], options.picture)


def draw(nights: Sequence[dict[str, Any]], picture: Path) -> None:
    """Night 0 is the bare base. A filled point is a night whose challenger was promoted; on an open one it was not."""
    figure = Figure(figsize=(8, 5), layout="constrained")
    FigureCanvasAgg(figure)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    numbers, losses = [line["night"] for line in nights], [line["holdout_nll"] for line in nights]
    above.step(numbers, losses, where="post", color=BLUE, linewidth=1.5)
    won = [line["outcome"] == "promoted" for line in nights]
    for label, wanted, face in (("promoted", True, BLUE), ("the champion stays", False, "white")):
        shown = [(number, loss) for number, loss, one in zip(numbers, losses, won, strict=True) if one == wanted]
        if shown:
            above.plot(*zip(*shown, strict=True), "o", color=BLUE, markerfacecolor=face, label=label)
    tonight = [(line["night"], line["tonight_nll"]) for line in nights if line["tonight_nll"] is not None]
    above.plot(*zip(*tonight, strict=True), "x", color=GREY, markersize=4, label="hold-out of that night alone")
    above.set_ylabel(f"hold-out loss of the champion\n(nats a token, {nights[0]['holdout_pairs']} pairs)")
    above.legend(frameon=False)
    ability = [line["general"]["probability"] for line in nights]
    below.plot(numbers, ability, color=GREEN, marker="o", markersize=3)
    below.axhspan(0.98 * ability[0], 1.02 * ability[0], color=GREEN, alpha=0.12, linewidth=0)
    below.set_ylabel("general ability (%)\nand ±2 %")
    below.set_ylim(0.95 * ability[0], min(100.0, 1.05 * ability[0]))
    below.set_xlabel("night")
    below.xaxis.get_major_locator().set_params(integer=True)
    for axes in (above, below):
        axes.grid(axis="y", linewidth=0.4, alpha=0.6)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(picture, dpi=160)


if __name__ == "__main__":
    main()
