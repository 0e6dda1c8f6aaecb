"""`runs`: what each night came to, its checks and replies before and after, and its curves as a picture."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot.cli.options import HomeOption, JsonOption

if TYPE_CHECKING:
    from storage.run_records import Run

__all__ = ["register"]

WIDTH = 400
"""Characters of a reply that are shown."""

RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="A run's id, or `last` for the newest that trained.")]

group = typer.Typer(help="See the results of training runs.", invoke_without_command=True)


def register(app: typer.Typer) -> None:
    """Add the group to the program."""
    app.add_typer(group, name="runs")


@group.callback()
def listing_by_default(ctx: typer.Context, as_json: JsonOption = False, home: HomeOption = None) -> None:
    """See the results of training runs."""
    if ctx.invoked_subcommand is None:
        listing(as_json=as_json, home=home)
    elif as_json:
        raise typer.BadParameter("say it after the command: `nightshift runs list --json`", param_hint="--json")


@group.command("list")
def listing(
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, help="How many of the newest.")] = 20,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """List the runs, the newest first. This is what `nightshift runs` does."""
    from storage.files.home import find_home
    from storage.store import Store

    with Store.open(find_home(home).ensure().db) as store:
        runs = store.runs(limit=limit)
    if as_json:
        print(json.dumps([_row(run) for run in runs]))
        return
    if not runs:
        print("No run yet: `nightshift train` starts one.")
        return
    print(f"{'run':22}{'outcome':10}{'pairs':>6}{'loss before':>13}{'after':>8}{'minutes':>9}  reason")
    for run in runs:
        pairs = "" if run.train_pairs is None else str(run.train_pairs)
        figures = f"{_figure(run.champion_nll):>13}{_figure(run.challenger_nll):>8}{_figure(_minutes(run), 1):>9}"
        print(f"{run.id:22}{run.outcome or run.stage:10}{pairs:>6}{figures}  {run.reason or ''}".rstrip())


@group.command()
def show(run: RunArgument, as_json: JsonOption = False, home: HomeOption = None) -> None:
    """Show the checks of one run, and replies to held-out prompts before and after."""
    found = _find(run, home)
    if as_json:
        print(json.dumps(asdict(found)))
        return
    print(f"{found.id}  {found.outcome or found.stage}  {found.started_at[:16]} UTC, by {found.trigger}")
    print(found.reason or "It has not finished.")
    for check in found.details.get("checks", []):
        print(f"{'ok  ' if check['passed'] else 'FAIL'} {check['name']:10}{check['sentence']}")
    for sample in filter(None, found.details.get("samples", [])):  # words withdrawn since leave an empty place
        print(f"\n> {_short(sample['prompt'])}")
        if sample.get("champion") is not None:
            print(f"  before: {_short(sample['champion'])}")
        print(f"  after:  {_short(sample['text'])}")


@group.command()
def plot(
    run: RunArgument,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Where the picture goes (default: RUN.png here).")
    ] = None,
    home: HomeOption = None,
) -> None:
    """Draw a run's losses, learning rate, gradients and time as a PNG picture."""
    from storage.files.home import find_home
    from storage.store import Store

    found = _find(run, home)
    with Store.open(find_home(home).db) as store:
        metrics = store.metrics(found.id)
    from bot.discord_io.charts import has_matplotlib, run_chart
    from bot.errors import NoPicture

    if not has_matplotlib():
        raise NoPicture("The picture needs matplotlib: pip install 'nightshift-discord[plots]'.")
    picture = run_chart(metrics, _caption(found))
    if picture is None:
        raise NoPicture(f"The run {found.id} ended before it had trained two steps, so there is nothing to draw.")
    target = out or Path(f"{found.id}.png")
    try:
        target.write_bytes(picture)
    except OSError as error:
        raise NoPicture(f"{target} cannot be written: {error.strerror}.") from None
    print(target)


def _find(name: str, home: Path | None) -> Run:
    """The run of this id; `last` is the newest that went as far as a comparison. Raises RunNotFound."""
    from storage.adapter_errors import RunNotFound
    from storage.files.home import find_home
    from storage.store import Store

    with Store.open(find_home(home).ensure().db) as store:
        if name != "last":
            return store.run(name)
        for run in store.runs(limit=200):
            if run.challenger_nll is not None:
                return run
    raise RunNotFound(name)


def _row(run: Run) -> dict[str, Any]:
    row = asdict(run)
    return {name: value for name, value in row.items() if name not in {"config", "details", "pid"}} | {
        "minutes": _minutes(run)
    }


def _caption(run: Run) -> str:
    """One line over the picture: what it came to, tokens and time."""
    parts = [run.id, run.outcome or run.stage]
    tokens, seconds = run.details.get("tokens"), run.details.get("seconds", {}).get("train")
    if tokens:
        parts.append(f"{tokens:,} tokens")
    if tokens and seconds:
        parts.append(f"{seconds:.0f} s of training, {tokens / seconds:,.0f} tokens/s")
    return " · ".join(parts)


def _minutes(run: Run) -> float | None:
    if run.finished_at is None:
        return None
    took = datetime.fromisoformat(run.finished_at) - datetime.fromisoformat(run.started_at)
    return max(0.0, round(took.total_seconds() / 60, 2))


def _figure(value: float | None, places: int = 3) -> str:
    return "" if value is None else f"{value:.{places}f}"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= WIDTH else f"{line[: WIDTH - 1]}\u2026"
