"""The key of the endpoint, in a file of its owner's alone; made where there is none."""

from __future__ import annotations

import hmac
import logging
import os
import secrets
from pathlib import Path

from bot.errors import KeyUnusable
from bot.settings import ApiConfig
from storage.files.home import Home

__all__ = ["api_key", "is_key"]

_log = logging.getLogger(__name__)
_SHORTEST, _LONGEST = 16, 512  # characters


def api_key(home: Home, config: ApiConfig) -> str:
    """The key that clients send. A file that is not there is made, with a new key.

    Raises:
        KeyUnusable: the file cannot be read or made, or holds no key.
    """
    path = home.root / Path(config.key_file).expanduser()
    try:
        if not path.exists():
            return _made(path)
        if path.stat().st_mode & 0o077:
            _log.warning("Others on this machine can read %s: take their rights off it (chmod 600)", path)
        text = path.read_text(encoding="utf-8").strip()
    except UnicodeDecodeError:
        raise KeyUnusable(str(path), "it is no text") from None
    except OSError as error:
        raise KeyUnusable(str(path), (error.strerror or "it cannot be read").lower()) from error
    if not (_SHORTEST <= len(text) <= _LONGEST and text.isascii() and text.isprintable() and " " not in text):
        raise KeyUnusable(str(path), f"it does not hold one key of at least {_SHORTEST} characters alone")
    return text


def is_key(header: str | None, key: str) -> bool:
    """Whether an Authorization header carries the key. Takes as long for a wrong one."""
    kind, _, sent = (header or "").partition(" ")
    same = hmac.compare_digest(sent.strip().encode("utf-8", "replace"), key.encode())
    return same and kind.casefold() == "bearer"


def _made(path: Path) -> str:
    key = f"sk-{secrets.token_urlsafe(32)}"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(f"{key}\n")
    _log.info("New key for the endpoint: %s", path)
    return key
