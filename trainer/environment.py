"""What the training process may know of the bot's environment: everything but secrets. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

__all__ = ["without_secrets"]

_SECRET = re.compile(
    r"(?:^|_)(?:TOKENS?|SECRETS?|PASSWORDS?|PASSWD|PASS|PWD|PASSPHRASE|CREDENTIALS?|KEYS?|APIKEY|AUTH|COOKIES?|WEBHOOKS?|DSN"
    r"|PAT)(?:_|$)|DATABASE_URL|CONNECTION_STRING",
    re.IGNORECASE,
)
_NEEDED = re.compile(r"(?:NIGHTSHIFT|HF|HUGGING_FACE)_|PWD$|OLDPWD$", re.IGNORECASE)
"""Settings, many of which count tokens, and what fetches the base: a gated one needs its token there too."""


def without_secrets(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without passwords and tokens, Discord's first of all, under whatever name they stand."""
    discord = environment.get("DISCORD_TOKEN", "").strip()
    return {
        name: value
        for name, value in environment.items()
        if (_NEEDED.match(name) or not _SECRET.search(name)) and not (discord and discord in value)
    }
