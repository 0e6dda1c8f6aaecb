"""Charts as PNG, in Discord's dark colours: the curves of a run, and reviews by day and by adapter.

matplotlib comes with the extra `plots`; without it there is no picture (None), and the caller uses words. A chart has
its own canvas and no global state, so it can be drawn in any thread.
"""

from __future__ import annotations

import importlib.util
import io
import math
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from bot.i18n.en import moderation as texts
from storage.review_records import Tally
from storage.run_records import Metric

__all__ = ["has_matplotlib", "loss_curve", "review_chart", "run_chart"]

_BACK, _INK, _FAINT = "#2b2d31", "#dbdee1", "#4e5058"
_BLUE, _YELLOW, _GREEN, _GREY = "#5865f2", "#f0b232", "#23a559", "#80848e"
_DPI = 200
_BARS = 10  # adapters shown


def has_matplotlib() -> bool:
    """Whether there can be pictures at all."""
    return importlib.util.find_spec("matplotlib") is not None


def loss_curve(metrics: Sequence[Metric]) -> bytes | None:
    """Training and validation loss over steps; None where there is nothing to draw or no matplotlib."""
    learning, validation = _series(metrics, "loss"), _series(metrics, "eval_loss")
    if len(learning) + len(validation) < 2 or (figure := _figure(6.4, 2.8)) is None:
        return None
    axes = figure.subplots()
    _draw_losses(axes, learning, validation)
    return _png(figure)


def run_chart(metrics: Sequence[Metric], caption: str) -> bytes | None:
    """All curves of a run over its steps: losses, learning rate, gradient norm, minutes.

    None where there is nothing to draw or no matplotlib.
    """
    learning, validation = _series(metrics, "loss"), _series(metrics, "eval_loss")
    if len(learning) + len(validation) < 2 or (figure := _figure(8.0, 6.0)) is None:
        return None
    losses, *small = figure.subplot_mosaic([["loss"] * 3, ["rate", "gradient", "time"]], height_ratios=(2, 1)).values()
    _draw_losses(losses, learning, validation)
    losses.set_title(caption, color=_INK, fontsize=9)
    titles = ("learning rate", "gradient norm", "minutes")
    curves = (_series(metrics, "learning_rate"), _series(metrics, "grad_norm"), _minutes(metrics))
    for axes, title, curve in zip(small, titles, curves, strict=True):
        _style(axes)
        axes.set_title(title, color=_INK, fontsize=9)
        if curve:
            axes.plot(*zip(*curve, strict=True), color=_BLUE, linewidth=1.4)
    return _png(figure)


def review_chart(days: Sequence[Tally], adapters: Sequence[Tally]) -> bytes | None:
    """Reviews by day (bars) and each adapter's share of approvals; None without matplotlib or without reviews."""
    if not days or (figure := _figure(7.2, 3.2)) is None:
        return None
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    for axes in (left, right):
        _style(axes)
    names = [one.name[5:] for one in days]
    good = [one.approved for one in days]
    left.bar(names, good, color=_GREEN, label=texts.STATS_APPROVED)
    left.bar(names, [one.reviews - one.approved for one in days], bottom=good, color=_GREY, label=texts.STATS_REJECTED)
    left.set_title(texts.STATS_DAYS, color=_INK, fontsize=10)
    left.yaxis.get_major_locator().set_params(integer=True)
    left.tick_params(axis="x", rotation=0 if len(days) < 8 else 60)
    left.legend(frameon=False, labelcolor=_INK, fontsize=8)
    shown = adapters[-_BARS:]
    shares = [100 * one.approved / one.reviews for one in shown]
    bars = right.barh([_name(one.name) for one in shown], shares, color=_BLUE)
    right.bar_label(bars, [f"{share:.0f} %" for share in shares], padding=3, color=_INK, fontsize=8)
    right.set_xlim(0, 118)
    right.set_xticks([0, 50, 100])
    right.set_title(texts.STATS_ADAPTERS, color=_INK, fontsize=10)
    return _png(figure)


def _name(adapter: str) -> str:
    """A run's id without its random end: 20261123T040000-3f9a as 11-23 04:00."""
    if len(adapter) > 15 and adapter[8:9] == "T" and adapter[:8].isdecimal():
        return f"{adapter[4:6]}-{adapter[6:8]} {adapter[9:11]}:{adapter[11:13]}"
    return adapter or "base"


def _draw_losses(axes: Any, learning: list[tuple[int, float]], validation: list[tuple[int, float]]) -> None:
    _style(axes)
    if learning:
        axes.plot(*zip(*learning, strict=True), color=_BLUE, linewidth=1.8, label=texts.LEARNING)
    if validation:
        axes.plot(
            *zip(*validation, strict=True),
            color=_YELLOW,
            linewidth=1.8,
            marker="o",
            markersize=4,
            label=texts.VALIDATION,
        )
    axes.set_xlabel(texts.STEP_AXIS, color=_INK)
    axes.set_ylabel(texts.LOSS_AXIS, color=_INK)
    axes.legend(frameon=False, labelcolor=_INK)


def _minutes(metrics: Sequence[Metric]) -> list[tuple[int, float]]:
    """When each step was reported, in minutes after the first report."""
    times = [(one.step, datetime.fromisoformat(one.at)) for one in metrics]
    return [(step, (at - times[0][1]).total_seconds() / 60) for step, at in times]


def _series(metrics: Sequence[Metric], name: str) -> list[tuple[int, float]]:
    return [(one.step, one.value) for one in metrics if one.name == name and math.isfinite(one.value)]


def _figure(width: float, height: float) -> Any | None:
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        return None
    figure = Figure(figsize=(width, height), facecolor=_BACK, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _style(axes: Any) -> None:
    axes.set_facecolor(_BACK)
    axes.tick_params(colors=_INK, labelsize=8)
    axes.grid(axis="y", color=_FAINT, linewidth=0.5, alpha=0.6)
    axes.set_axisbelow(True)
    for side, spine in axes.spines.items():
        spine.set_visible(side in {"left", "bottom"})
        spine.set_color(_FAINT)


def _png(figure: Any) -> bytes:
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=_DPI, facecolor=_BACK)
    return out.getvalue()
