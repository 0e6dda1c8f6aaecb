"""`nightshift explore`: the store in Datasette, in a browser on this machine. A copy in memory, without people.

Nothing is written to the disk, and nothing that is done in the browser reaches the store.
"""

from __future__ import annotations

import contextlib
import secrets
import socket
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bot.errors import DatasetteNotInstalled, PortUnavailable
from bot.loopback import HOST
from storage.database import open_database
from storage.public_copy import copy_public

__all__ = ["explore", "public_database"]

_NAME = "nightshift"
_ABOUT = "A copy from when the command was started, without words, names and ids of people."


@contextlib.contextmanager
def public_database(path: Path) -> Iterator[Any]:
    """The store's public columns as a Datasette, while inside.

    Raises:
        DatasetteNotInstalled: the extra `explore` is missing.
        StorageError: the store cannot be opened.
    """
    try:
        from datasette.app import Datasette
        from datasette.database import Database
    except ImportError as error:
        raise DatasetteNotInstalled from error
    memory = secrets.token_hex(8)
    where = f"file:{memory}?mode=memory&cache=shared"  # as Datasette names what it opens in memory
    with contextlib.closing(sqlite3.connect(where, uri=True)) as copy:
        with contextlib.closing(open_database(path)) as store:
            copy_public(store, copy)
        shown = Datasette([], metadata={"title": "Nightshift", "description": _ABOUT})
        shown.add_database(Database(shown, memory_name=memory), name=_NAME)
        yield shown


def explore(path: Path, port: int, say: Callable[[str], None]) -> None:
    """Serve it until Ctrl-C or SIGTERM. Raises what `public_database` raises, and PortUnavailable."""
    with public_database(path) as shown, contextlib.closing(_socket(port)) as opened:
        import uvicorn

        say(f"Open http://{HOST}:{opened.getsockname()[1]}/{_NAME}. Ctrl-C ends it.")
        server = uvicorn.Server(uvicorn.Config(shown.app(), log_level="warning"))
        with contextlib.suppress(KeyboardInterrupt):  # uvicorn has closed everything and passes it on
            server.run(sockets=[opened])


def _socket(port: int) -> socket.socket:
    """Listens on a port of this machine; 0 takes a free one."""
    opened = socket.socket()
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind((HOST, port))
        opened.listen()  # from now on a browser that opens the address waits
    except OSError as error:
        opened.close()
        raise PortUnavailable("--port", port, error.strerror or "it cannot be opened") from error
    return opened
