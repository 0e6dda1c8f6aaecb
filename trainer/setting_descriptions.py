"""What every setting is: its name, kind, default, bounds and sentence, read from the settings classes themselves.

The page of all settings and the file that `nightshift init` writes are made of these. Pure; knows no file.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

__all__ = ["SettingDescription", "describe", "toml_value"]

_KINDS = {bool: "true or false", int: "whole number", float: "number", str: "text"}
_SIGNS = (("ge", "from"), ("gt", "above"), ("le", "to"), ("lt", "and below"))


@dataclass(frozen=True, slots=True)
class SettingDescription:
    """One setting. `section` is "" at the top of the file; `default` is written as TOML, "none" without one."""

    section: str
    name: str
    kind: str
    default: str
    bounds: str
    sentence: str


def describe(kind: type[BaseModel]) -> list[SettingDescription]:
    """Every setting of a settings class, those at the top first, then section by section in the class's order."""
    sentences, hints = _sentences(kind), get_type_hints(kind, include_extras=True)
    top: list[SettingDescription] = []
    inside: list[SettingDescription] = []
    for name, info in kind.model_fields.items():
        if info.annotation is not None and dataclasses.is_dataclass(info.annotation):
            inside += _section(name, info.annotation)
        else:
            default = None if info.default is PydanticUndefined else info.default
            top.append(_described("", name, hints[name], default, sentences.get(name, "")))
    return top + inside


def toml_value(value: object) -> str:
    """A plain value as TOML writes it; "none" for None, which TOML cannot say."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | list):
        return f"[{', '.join(toml_value(one) for one in value)}]"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return '"' + re.sub(r"[\x00-\x1f\x7f]", lambda sign: f"\\u{ord(sign[0]):04x}", escaped) + '"'
    return repr(value)


def _section(section: str, kind: Any) -> Iterator[SettingDescription]:
    sentences, hints = _sentences(kind), get_type_hints(kind, include_extras=True)
    for one in dataclasses.fields(kind):
        default = getattr(kind(), one.name)
        yield _described(section, one.name, hints[one.name], default, sentences.get(one.name, ""))


def _described(section: str, name: str, hint: Any, default: object, sentence: str) -> SettingDescription:
    kinds, bounds = _read(hint)
    return SettingDescription(
        section,
        name,
        " or ".join(dict.fromkeys(kinds)),
        toml_value(default),
        ", ".join(dict.fromkeys(bounds)),
        sentence,
    )


def _read(hint: Any) -> tuple[list[str], list[str]]:
    """The kinds of value that a type hint takes, and their bounds, in words."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Annotated:
        kinds, bounds = _read(parts[0])
        unit = "characters" if kinds == ["text"] else "entries"
        return kinds, bounds + [text for one in parts[1:] if isinstance(one, FieldInfo) for text in _bounds(one, unit)]
    if origin is Literal:
        return [" or ".join(toml_value(one) for one in parts)], []
    if origin in (Union, UnionType):
        read = [_read(one) for one in parts if one is not NoneType]
        return [kind for kinds, _ in read for kind in kinds], [text for _, bounds in read for text in bounds]
    if origin in (tuple, list):
        kinds, bounds = _read(parts[0])
        return [f"list of {' or '.join(kinds)}"], bounds
    return [_KINDS.get(hint, "text")], []


def _bounds(info: FieldInfo, unit: str) -> list[str]:
    said: list[str] = []
    limits = {sign: getattr(one, sign) for one in info.metadata for sign, _ in _SIGNS if hasattr(one, sign)}
    edges = [f"{word} {_figure(limits[sign])}" for sign, word in _SIGNS if sign in limits]
    if edges:
        said.append(" ".join(edges))
    for one in info.metadata:
        if (pattern := getattr(one, "pattern", None)) is not None:
            said.append(f"matches {pattern}")
        if (most := getattr(one, "max_length", None)) is not None:
            said.append(f"at most {_figure(most)} {unit}")
    return said


def _figure(number: float) -> str:
    if isinstance(number, int) and number & (number - 1) == 0 and number > 1 << 40:
        return f"2^{number.bit_length() - 1}"
    return f"{int(number):,}" if number == int(number) else f"{number:g}"


def _sentences(kind: type) -> dict[str, str]:
    """The strings below the fields of a class and of those that it extends, on one line each."""
    found: dict[str, str] = {}
    for one in reversed(kind.__mro__):
        if one.__module__.startswith(("trainer.", "bot.", "model.", "storage.")):
            found |= _sentences_of(one)
    return found


def _sentences_of(kind: type) -> dict[str, str]:
    tree = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]
    body = tree.body if isinstance(tree, ast.ClassDef) else []
    return {
        field.target.id: " ".join(below.value.value.split())
        for field, below in pairwise(body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(below, ast.Expr)
        and isinstance(below.value, ast.Constant)
        and isinstance(below.value.value, str)
    }
