"""`adapters`: list, use, roll back, verify and prune what the nights have made.

`adopt` and `export`, which reach beyond the home, are in bot/cli/adapter_files.py.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot.cli import adapter_files as interchange
from bot.cli.options import HomeOption, JsonOption, ServerOption, act, operator

if TYPE_CHECKING:
    from storage.files.adapter_directory import AdapterDirectory
    from storage.run_records import Adapter
    from storage.store import Store

__all__ = ["register"]

ReasonOption = Annotated[str, typer.Option("--reason", metavar="TEXT", help="The reason, kept in the history.")]

group = typer.Typer(help="List, choose, check, adopt, export and remove adapters.", invoke_without_command=True)
interchange.register(group)


def register(app: typer.Typer) -> None:
    """Add the group to the program."""
    app.add_typer(group, name="adapters")


@group.callback()
def listing_by_default(ctx: typer.Context, as_json: JsonOption = False, home: HomeOption = None) -> None:
    """List, choose, check, adopt, export and remove adapters."""
    if ctx.invoked_subcommand is None:
        show(as_json=as_json, home=home)
    elif as_json:
        raise typer.BadParameter("say it after the command: `nightshift adapters list --json`", param_hint="--json")


@group.command("list")
def show(as_json: JsonOption = False, server: ServerOption = None, home: HomeOption = None) -> None:
    """List the adapters, the newest last. This is what `nightshift adapters` does.

    Without --server, those of all servers.
    """
    from storage.files.home import find_home
    from storage.store import Store

    with Store.open(find_home(home).ensure().db) as store:
        adapters = store.adapters() if server is None else store.adapters_of_voice(server)
        voices = {server, *(adapter.guild_id for adapter in adapters)}
        champions = {voice: store.champion(voice) for voice in voices}
    champion = champions[server]
    rows = [_row(adapter, champions[adapter.guild_id]) for adapter in adapters]
    if as_json:
        print(json.dumps(rows))
        return
    for row in rows:
        mark = "*" if row["current"] else "-" if row["retired_at"] else " "
        nll = f"NLL {row['nll']:.3f}" if row["nll"] is not None else ""
        remarks = [f"server {row['server']}"] if row["server"] else []
        remarks += ["retired"] if row["retired_at"] else []
        line = f"{mark} {row['id']}  {row['created_at'][:16]}  {row['pairs'] or '?'} pairs  {nll}  {', '.join(remarks)}"
        print(line.rstrip())
    print(f"{'*' if champion is None else ' '} base  the base model without an adapter")


@group.command()
def use(
    adapter: Annotated[str, typer.Argument(metavar="ID|base", help="The adapter, or `base` for none.")],
    reason: ReasonOption = "chosen on the command line",
    server: ServerOption = None,
    home: HomeOption = None,
) -> None:
    """Switch to another adapter. A running bot swaps within seconds."""
    from storage.files.adapter_directory import AdapterDirectory
    from storage.files.home import find_home
    from storage.store import Store

    place = find_home(home).ensure()
    chosen = None if adapter == "base" else adapter
    with Store.open(place.db) as store:
        if chosen is not None:
            AdapterDirectory(place.adapters).verify(chosen, store.adapter(chosen).manifest)
        store.act(
            lambda held: held.promote(chosen, kind="use", actor=operator(), reason=reason, guild_id=server),
            lambda _: act("adapter.use", adapter, guild_id=server, reason=reason),
        )
    print(f"In use now: {adapter}")


@group.command()
def rollback(
    reason: ReasonOption = "rolled back on the command line", server: ServerOption = None, home: HomeOption = None
) -> None:
    """Go back to the previous adapter."""
    from storage.files.adapter_directory import AdapterDirectory
    from storage.files.home import find_home
    from storage.store import Store

    place = find_home(home).ensure()
    with Store.open(place.db) as store:
        before = store.champion_before(server)
        if before is not None:
            AdapterDirectory(place.adapters).verify(before, store.adapter(before).manifest)
        promotion = store.act(
            lambda held: held.rollback(actor=operator(), reason=reason, to=before, guild_id=server),
            lambda made: act("adapter.rollback", made.adapter or "base", guild_id=server, reason=reason),
        )
    print(f"In use now: {promotion.adapter or 'base'}")


@group.command()
def verify(
    adapters: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Default: all of them.")] = None,
    home: HomeOption = None,
) -> None:
    """Compare every file with its manifest. The exit code is 1 if one is damaged."""
    from storage.errors import StorageError
    from storage.files.adapter_directory import AdapterDirectory
    from storage.files.home import find_home
    from storage.store import Store

    place = find_home(home).ensure()
    directory = AdapterDirectory(place.adapters)
    with Store.open(place.db) as store:
        manifests = {adapter.id: adapter.manifest for adapter in store.adapters()}
        registered = {adapter.id for adapter in store.adapters() if not adapter.retired_at}
    damaged = 0
    for adapter in adapters or sorted(registered | set(directory.ids())):
        try:
            directory.verify(adapter, manifests.get(adapter))
        except StorageError as error:
            damaged += 1
            print(error, file=sys.stderr)
        else:
            print(f"{adapter} is intact.")
    if damaged:
        raise typer.Exit(1)


@group.command()
def prune(
    keep: Annotated[int, typer.Option("--keep", min=0, help="How many of the newest adapters to keep as well.")] = 3,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be removed.")] = False,
    home: HomeOption = None,
) -> None:
    """Delete old adapters. Keeps the one in use and those you can roll back to."""
    from storage.files.adapter_directory import AdapterDirectory
    from storage.files.home import find_home
    from storage.store import Store

    place = find_home(home).ensure()
    directory = AdapterDirectory(place.adapters)
    with Store.open(place.db) as store:
        kept = _kept(store, keep)
        doomed = [adapter for adapter in directory.ids() if adapter not in kept]
        if not dry_run:
            _remove(store, directory, doomed)
    for adapter in doomed:
        print(f"{'Would remove' if dry_run else 'Removed'} {adapter}")
    print(f"Kept {len(kept)}, {'would remove' if dry_run else 'removed'} {len(doomed)}.")


def _kept(store: Store, newest: int) -> set[str]:
    """Of each voice the champion, what rollbacks lead to, and the newest few; no retired adapter is one of these."""
    from storage.promotions import fold

    usable = [adapter for adapter in store.adapters() if adapter.retired_at is None]
    kept: set[str] = set()
    for voice in {None, *(adapter.guild_id for adapter in usable)}:
        own = [adapter.id for adapter in usable if adapter.guild_id == voice]
        chain = set(fold(store.promotions(voice)))
        kept |= {one for one in own if one in chain} | set(own[len(own) - newest :] if newest else [])
    return kept


def _remove(store: Store, directory: AdapterDirectory, doomed: list[str]) -> None:
    """Retire the rows first: nothing may choose an adapter whose files are about to go."""
    registered = {adapter.id for adapter in store.adapters()}
    for adapter in doomed:
        if adapter in registered:
            with store.writing():
                store.retire_adapter(adapter)
                store.audit(None, operator(), "adapter.prune", adapter)
    directory.remove(doomed)
    directory.sweep()


def _row(adapter: Adapter, champion: str | None) -> dict[str, Any]:
    metrics = adapter.manifest.get("metrics") or {}
    return {
        "id": adapter.id,
        "current": adapter.id == champion,
        "base_model": adapter.base_model,
        "created_at": adapter.created_at,
        "run": adapter.run_id,
        "server": adapter.guild_id,
        "pairs": adapter.manifest.get("pairs"),
        "nll": metrics.get("challenger_nll"),
        "retired_at": adapter.retired_at,
    }
