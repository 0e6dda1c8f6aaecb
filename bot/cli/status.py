"""`status`: what is in use, what has been gathered, what happened last and what comes next."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import typer

from bot.cli.options import HomeOption, JsonOption

if TYPE_CHECKING:
    from storage.files.home import Home
    from storage.run_records import Run
    from storage.store import Store
    from trainer.settings import TrainerSettings

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command()(status)


def status(as_json: JsonOption = False, home: HomeOption = None) -> None:
    """Show the adapter in use, the pairs, the last and next run."""
    from bot.settings import load_settings
    from storage.files.home import find_home

    place = find_home(home).ensure()
    facts = _facts(place, load_settings(place))
    print(json.dumps(facts) if as_json else _in_words(facts, place))


def _facts(home: Home, settings: TrainerSettings) -> dict[str, Any]:
    from storage.store import Store

    with Store.open(home.db) as store:
        adapter, pairs, last = (
            store.champion(),
            store.counts(settings.consent, servers=settings.training.servers, learn_from=settings.training.learn_from),
            store.last_run(),
        )
        voices = _voices(store, settings) if settings.voices == "server" else None
    return {
        "base_model": _base_name(settings.model.base),
        "adapter": adapter,
        "pairs": asdict(pairs),
        "last_run": None if last is None else _run(last),
        "next_run": _next_run(settings),
        **({} if voices is None else {"voices": voices}),
    }


def _voices(store: Store, settings: TrainerSettings) -> list[dict[str, Any]]:
    """Each server's own voice: its adapter, what it may learn from, and what of it is new."""
    training = settings.training
    news = store.server_news(
        settings.consent, servers=training.servers, learn_from=training.learn_from, imports=training.shared_imports
    )
    return [
        {"server": one.guild_id, "adapter": store.champion(one.guild_id), "pairs": one.pairs, "new": one.new}
        for one in news
    ]


def _base_name(base: str) -> str:
    """The name that adapters carry; a status is given even when the model itself is not there."""
    from model.base.files import EMBEDDED_ID

    return EMBEDDED_ID if base == "embedded" else base


def _next_run(settings: TrainerSettings) -> str | None:
    """When the schedule fires next, if the bot is running then."""
    from trainer.schedule import WallClock

    if not settings.schedule.enabled:
        return None
    fire = WallClock.parse(settings.schedule).after(datetime.now(UTC))
    return None if fire is None else fire.isoformat()


def _run(run: Run) -> dict[str, Any]:
    return {
        "run": run.id,
        "trigger": run.trigger,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
        "outcome": run.outcome,
        "reason": run.reason,
        "challenger": run.challenger,
        "champion_nll": run.champion_nll,
        "challenger_nll": run.challenger_nll,
        "train_pairs": run.train_pairs,
        "holdout_pairs": run.holdout_pairs,
    }


def _in_words(facts: dict[str, Any], home: Home) -> str:
    from trainer.reasons import excluded, in_english

    pairs, last = facts["pairs"], facts["last_run"]
    ended = "never" if last is None else f"{last['started_at'][:16]} UTC, {_outcome(last)}"
    rows = {
        "Home": home.root,
        "Base model": facts["base_model"],
        "Adapter": facts["adapter"] or "none (base model)",
        "Pairs": ", ".join(f"{count} {name}" for name, count in pairs.items()),
        **({"": in_english(excluded(pairs["excluded"]))} if pairs["excluded"] else {}),
        **{f"Voice {n}": _voice(one) for n, one in enumerate(facts.get("voices", ()), start=1)},
        "Last run": ended,
        "Next run": facts["next_run"] or "not scheduled",
    }
    return "\n".join(f"{name:<12}{value}" for name, value in rows.items())


def _voice(one: dict[str, Any]) -> str:
    adapter = one["adapter"] or "none (base model)"
    return f"server {one['server']}: {adapter}, {one['pairs']} pairs, {one['new']} new"


def _outcome(run: dict[str, Any]) -> str:
    return f"{run['outcome']}: {run['reason']}" if run["outcome"] else "not finished"
