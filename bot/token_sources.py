"""Where the bot's token comes from: the environment, a file, or a credential of systemd. Never the settings themselves.

The first of them that is there is used, in this order: the environment goes over what the file of settings says.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bot.errors import TokenMissing, TokenUnreadable
from bot.settings import DiscordConfig
from storage.files.home import Home

__all__ = ["CREDENTIAL", "BotToken", "discord_token"]

VARIABLE, CREDENTIAL = "DISCORD_TOKEN", "discord_token"
_DIRECTORY = "CREDENTIALS_DIRECTORY"  # systemd sets it for a unit with LoadCredential= (systemd.exec)
_LONGEST = 4096  # characters; a token has about 70


@dataclass(frozen=True, slots=True)
class BotToken:
    """A token and where it was found. `exposed`: other users of this machine can read its file."""

    value: str = field(repr=False)
    source: str
    exposed: bool = False


def discord_token(home: Home, config: DiscordConfig, environment: Mapping[str, str] = os.environ) -> BotToken:
    """The bot's token, from DISCORD_TOKEN, `token_file` or systemd's credential `discord_token`.

    Raises:
        TokenMissing: it is in none of them.
        TokenUnreadable: its file is not there, cannot be read, or holds no token.
    """
    if token := environment.get(VARIABLE, "").strip():
        return BotToken(_checked(token, VARIABLE), f"the environment variable {VARIABLE}")
    if config.token_file:
        return _from_file(home.root / Path(config.token_file).expanduser())
    credentials = environment.get(_DIRECTORY)
    if credentials and (path := Path(credentials, CREDENTIAL)).exists():
        return _from_file(path)
    raise TokenMissing


def _from_file(path: Path) -> BotToken:
    try:
        with path.open(encoding="utf-8-sig") as file:  # an editor may have put a mark before it
            exposed = bool(stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077)
            text = file.read(_LONGEST + 1)
    except UnicodeDecodeError:
        raise TokenUnreadable(str(path), "it is no text") from None
    except OSError as error:
        raise TokenUnreadable(str(path), (error.strerror or "it cannot be read").lower()) from None
    return BotToken(_checked(text.strip(), str(path)), str(path), exposed)


def _checked(token: str, where: str) -> str:
    """The token alone. Raises TokenUnreadable for what cannot be one."""
    token = token.removeprefix("Bot ").strip("\"' ")
    if not token:
        raise TokenUnreadable(where, "it is empty")
    if not token.isascii() or not token.isprintable() or " " in token or len(token) > _LONGEST:
        raise TokenUnreadable(where, "it holds more than a token; the token stands there alone, in one line")
    return token
