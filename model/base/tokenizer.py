"""The tokenizer of a base with the chat template it is used with, checked before anything expensive is done.

The tokenizer of a local directory is read there every time, so that a changed template is seen.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from model.base.files import BaseRef
from model.chat import Message, encode_prompt, end_of_turn_id
from model.config import ModelConfig
from model.errors import BaseNotFound

__all__ = ["chat_tokenizer"]

_LARGEST_TEMPLATE = 1_000_000  # bytes


def chat_tokenizer(ref: BaseRef, config: ModelConfig, home: Path, converted: Path | None = None) -> Any:
    """The tokenizer of a base; the one beside its converted weights where there is no directory of its own.

    `[model] chat_template`, if set, is its template; a relative path is looked for in `home`.

    Raises:
        BaseNotFound: there is no chat template, or it cannot be used.
        OSError, ValueError: the tokenizer cannot be read.
    """
    tokenizer = _read(ref, converted)
    if config.chat_template:
        tokenizer.chat_template = _own_template(config, home)
    if not tokenizer.chat_template:
        why = (
            'its tokenizer has no chat template, so it is not a chat model; [model] chat_template = "FILE" gives it one'
        )
        raise BaseNotFound(config.base, why)
    try:
        encode_prompt(tokenizer, [Message("system", "x"), Message("user", "x")])
        end_of_turn_id(tokenizer)
    except Exception as error:
        why = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise BaseNotFound(config.base, f"its chat template cannot be used ({why})") from error
    return tokenizer


def _read(ref: BaseRef, converted: Path | None) -> Any:
    from transformers import AutoTokenizer

    if ref.hub_revision is None and ref.gguf_file is None:
        return AutoTokenizer.from_pretrained(ref.source, trust_remote_code=False)
    if converted is not None:
        return AutoTokenizer.from_pretrained(converted, trust_remote_code=False)
    extra = {"gguf_file": ref.gguf_file} if ref.gguf_file else {"revision": ref.hub_revision}
    return AutoTokenizer.from_pretrained(ref.source, trust_remote_code=False, **extra)


def _own_template(config: ModelConfig, home: Path) -> str:
    file = home / Path(config.chat_template).expanduser()
    try:
        if not file.is_file():
            raise FileNotFoundError(f"there is no file {file}")
        with file.open("rb") as stream:
            template = stream.read(_LARGEST_TEMPLATE).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BaseNotFound(config.base, f"its [model] chat_template cannot be read ({error})") from error
    if not template.strip():
        raise BaseNotFound(config.base, f"its [model] chat_template {file} is empty")
    return template
