"""The Grafana dashboard and the page of metrics name what a bot really shows."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from bot.monitoring.metrics import Metrics
from bot.monitoring.snapshot import Snapshot
from model.protocol import Completion, EngineStats, SwapReport
from storage.review_records import EditDistance
from storage.run_records import Figures

ROOT = Path(__file__).parents[3]
DASHBOARD = json.loads((ROOT / "deploy" / "grafana.json").read_text(encoding="utf-8"))
PAGE = (ROOT / "docs" / "monitoring.md").read_text(encoding="utf-8")
ENGINE = EngineStats("base", "a1", "cpu", 8, 1, 0, 12.0, 1000, adapters={"a1": 1})
FIGURES = Figures(
    waiting=1,
    verdicts={"approve": 2},
    runs={("schedule", "promoted"): 1},
    promotions={"gate": 1},
    last_run_ended_at="2026-11-25T04:10:00.000+00:00",
    edits=[EditDistance("a1", 3, 1, 0.1)],
)


@pytest.fixture(scope="module")
def shown():
    """Sample names of a bot of which everything is known, as /metrics has them."""
    from datetime import UTC, datetime

    metrics = Metrics()
    metrics.observer("discord")(Completion("x", "stop", "a1", 10, 5, 0.1, 0.5, cached_tokens=4))
    metrics.swapped(SwapReport("a1", 0.1, 0.0, 0.002))
    now = Snapshot(
        ENGINE, FIGURES, connected=True, latency_s=0.05, servers=1, training=False, next_run=datetime.now(UTC)
    )
    text = metrics.text(now)[0].decode()
    return {line.split("{")[0].split()[0] for line in text.splitlines() if line and not line.startswith("#")}


def expressions():
    return [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]


def names_in(text):
    return set(re.findall(r"\b(?:nightshift|process)_[a-z_]+", text))


def test_every_metric_of_the_dashboard_is_shown_by_a_bot(shown):
    """A renamed metric leaves no empty panel behind."""
    named = set().union(*map(names_in, expressions()))
    assert named
    assert named - shown == set()


def test_labels_that_the_dashboard_groups_by_exist():
    """`source`, `outcome`, `verdict`, `kind`, `adapter`, and the histogram's own `le`."""
    used = {one for text in expressions() for group in re.findall(r"by \(([^)]*)\)", text) for one in group.split(", ")}
    assert used <= {"source", "outcome", "verdict", "kind", "adapter", "le"}


def test_every_metric_is_on_the_page_and_every_name_on_the_page_is_one(shown):
    """Histograms stand there without their endings."""
    bare = {re.sub(r"_(bucket|count|sum|created)$", "", name) for name in shown if name.startswith("nightshift_")}
    named = names_in(PAGE) - {name for name in names_in(PAGE) if name.startswith("process_")}
    counters = {name for name in bare if f"{name}_total" in shown}
    assert bare - counters - named == set()
    assert named - bare == set()


def test_the_dashboard_can_be_imported():
    """Each panel has its own id, a place within the width, and the data source that is chosen at the import."""
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = [panel["gridPos"] for panel in panels]
    assert all(at["x"] + at["w"] <= 24 for at in places)
    cells = [
        (x, y) for at in places for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])
    ]
    assert len(cells) == len(set(cells))
    (source,) = DASHBOARD["templating"]["list"]
    assert {target["datasource"]["uid"] for panel in panels for target in panel["targets"]} == {
        f"${{{source['name']}}}"
    }


def test_what_is_not_known_is_left_out():
    """No latency before the first heartbeat, no run before the first night."""
    now = Snapshot(
        replace(ENGINE, adapters={}),
        Figures(0, {}, {}, {}, None, []),
        connected=False,
        latency_s=float("nan"),
        servers=0,
        training=False,
        next_run=None,
    )
    text = Metrics().text(now)[0].decode()
    assert "nan" not in text.casefold()
    assert "nightshift_last_run_timestamp_seconds" not in text
    assert "nightshift_engine_up 1.0" in text
