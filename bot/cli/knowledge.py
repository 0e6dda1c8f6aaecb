"""`knowledge`: the documents of a server, from files or from the web."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bot.cli.options import HomeOption, JsonOption, act, operator

if TYPE_CHECKING:
    from storage.recall_records import Document
    from storage.store import Store

__all__ = ["register"]

_LARGEST = 64 * 1024 * 1024  # bytes
_TIMEOUT_S = 30.0

ServerOption = Annotated[
    int, typer.Option("--server", metavar="ID", help="Of which server (default: the first one the bot joined).")
]
DocumentArgument = Annotated[int, typer.Argument(metavar="DOCUMENT", help="Its number.")]

group = typer.Typer(help="Documents that the bot looks things up in.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the group to the program."""
    app.add_typer(group, name="knowledge")


@group.callback()
def start(home: HomeOption = None) -> None:
    """Documents that the bot looks things up in."""


@group.command()
def add(
    source: Annotated[
        str, typer.Argument(metavar="FILE|URL", help="A .md, .txt, .html or .pdf file, or the address of one.")
    ],
    title: Annotated[str, typer.Option("--title", metavar="TEXT", help="What to call it (default: its own).")] = "",
    link: Annotated[str, typer.Option("--link", metavar="URL", help="Where members can read it.")] = "",
    server: ServerOption = 0,
    home: HomeOption = None,
) -> None:
    """Add a document. Everybody on the server may be shown it."""
    from bot.recall.records import limits_of
    from bot.settings import load_settings
    from storage.files.document_text import read_document
    from storage.files.home import find_home
    from storage.recall_records import NewDocument
    from storage.store import Store

    place = find_home(home).ensure()
    memory = load_settings(place).memory
    name, data, address = _read(source)
    own_title, chunks = read_document(name, data)
    with Store.open(place.db) as store:
        document = NewDocument(
            guild_id=_server(store, server),
            title=title or own_title or name,
            kind="file",
            added_by=operator(),
            url=link or address,
        )
        limits = limits_of(memory)
        number = store.act(
            lambda held: held.add_document(document, chunks, limits),
            lambda made: act("knowledge.add", document.kind, guild_id=document.guild_id, document=made),
        )
    print(f"added document {number}, {document.title} ({len(chunks)} parts)")


@group.command("list")
def list_(as_json: JsonOption = False, home: HomeOption = None) -> None:
    """List the documents of all servers."""
    from storage.files.home import find_home
    from storage.store import Store

    with Store.open(find_home(home).ensure().db) as store:
        documents = store.every_document()
    if as_json:
        print(json.dumps([_facts(one) for one in documents], ensure_ascii=False))
        return
    for one in documents:
        print(f"{one.id:>5}  server {one.guild_id}  {one.chunks:>4} parts  {one.title}  {one.url or ''}".rstrip())
    if not documents:
        print("no documents")


@group.command()
def remove(document: DocumentArgument, server: ServerOption = 0, home: HomeOption = None) -> None:
    """Remove a document. Nothing of it is left in the database."""
    from storage.files.home import find_home
    from storage.store import Store

    with Store.open(find_home(home).ensure().db) as store:
        guild = _server(store, server)
        gone = store.act(
            lambda held: held.remove_document(guild, document),
            lambda _: act("knowledge.remove", str(document), guild_id=guild),
        )
    print(f"removed document {gone.id}, {gone.title}")


def _server(store: Store, wanted: int) -> int:
    from bot.errors import ServerUnknown

    found = wanted or next(iter(store.teaching_servers()), 0)
    if not found:
        raise ServerUnknown
    return found


def _facts(one: Document) -> dict[str, object]:
    return {
        "id": one.id,
        "server": one.guild_id,
        "title": one.title,
        "kind": one.kind,
        "url": one.url,
        "parts": one.chunks,
        "characters": one.characters,
        "added_by": one.added_by,
    }


def _read(source: str) -> tuple[str, bytes, str | None]:
    """The name of a document, its bytes, and its address where it has one. Raises DocumentUnreadable."""
    from storage.document_errors import DocumentUnreadable

    if source.startswith(("http://", "https://")):
        return _fetched(source)
    path = Path(source)
    try:
        if path.stat().st_size > _LARGEST:
            raise DocumentUnreadable(path.name, f"it is larger than {_LARGEST >> 20} MB")
        return path.name, path.read_bytes(), None
    except OSError as error:
        raise DocumentUnreadable(source, error.strerror or str(error)) from error


def _fetched(address: str) -> tuple[str, bytes, str | None]:
    from http.client import HTTPException
    from urllib.error import URLError
    from urllib.parse import urlsplit
    from urllib.request import urlopen

    from storage.document_errors import DocumentUnreadable
    from storage.files.document_text import is_readable

    try:
        with urlopen(address, timeout=_TIMEOUT_S) as answer:  # noqa: S310 - http or https, and the operator's own choice
            data, kind, missing = answer.read(_LARGEST + 1), answer.headers.get_content_type(), answer.length
    except (URLError, HTTPException, OSError, ValueError) as error:
        reason = " ".join(str(getattr(error, "reason", "") or error).split())  # it may quote what the server sent
        raise DocumentUnreadable(address, reason) from error
    if len(data) > _LARGEST:
        raise DocumentUnreadable(address, f"it is larger than {_LARGEST >> 20} MB")
    if missing:
        raise DocumentUnreadable(address, "the server broke off before its end")
    name = Path(urlsplit(address).path).name
    endings = {"application/pdf": ".pdf", "text/plain": ".txt", "text/markdown": ".md"}
    known = bool(name) and is_readable(name) and kind in ("application/octet-stream", "text/plain")
    return name if known else f"{name or 'page'}{endings.get(kind, '.html')}", data, address
