"""`audit`: who did what, and when: every administrative act on Discord and on the command line."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from bot.cli.options import HomeOption, JsonOption

if TYPE_CHECKING:
    from storage.audit_records import AuditEntry

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command()(audit)


def audit(
    action: Annotated[
        str, typer.Option("--action", metavar="NAME", help="Only these acts, such as adapter or adapter.rollback.")
    ] = "",
    by: Annotated[str, typer.Option("--by", metavar="NAME|ID", help="Only acts of this person.")] = "",
    server: Annotated[
        int | None, typer.Option("--server", metavar="ID", min=1, help="Only acts on this server, and on all at once.")
    ] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="MOMENT", help="Only acts since then: 2h, 3d, 2026-11-25.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, help="How many of the newest.")] = 50,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Show who did what and when, the newest last.

    Times are this machine's; with --json they are UTC.
    """
    from bot.cli.moments import moment
    from storage.files.home import find_home
    from storage.store import Store

    earliest = moment(since, "--since") if since is not None else None
    with Store.open(find_home(home).ensure().db) as store:
        found = store.audit_search(action=action, by=by, guild_id=server, since=earliest, limit=limit)
    found.reverse()
    if as_json:
        print(json.dumps([asdict(one) for one in found], ensure_ascii=False))
        return
    if not found:
        print("No act like that is recorded.")
    for one in found:
        print(_line(one))


def _line(entry: AuditEntry) -> str:
    at = datetime.fromisoformat(entry.created_at)
    local = (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone()
    who = f"{entry.actor} ({entry.actor_id})" if entry.actor_id is not None else entry.actor
    details = "  ".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in entry.details.items())
    where = f"server {entry.guild_id}" if entry.guild_id is not None else ""
    parts = (f"{local:%Y-%m-%d %H:%M:%S}", who, entry.action, entry.subject, details, where)
    return "  ".join(part for part in parts if part)
