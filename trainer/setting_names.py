"""The names of settings and the sentences about wrong ones: which there are, and what a misspelt one may mean. Pure.

A name that nobody knows is refused: it would be a setting silently at its default.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Collection, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

__all__ = ["capital", "from_environment", "refuse_unknown", "refuse_unknown_variables", "sentence_of"]

PREFIX = "NIGHTSHIFT_"
NESTED = "__"
_GIVEN = 80  # characters of a wrong value that its sentence repeats
NO_SETTINGS = ("HOME", "DEBUG")
"""Variables with the prefix that are no settings: where the home is, and whether to show tracebacks."""


def refuse_unknown(kind: type[BaseModel], values: Mapping[str, Any], others: Collection[str] = ()) -> None:
    """Raise ValueError for the first name in a file that is no setting of `kind` and no section of `others`."""
    known = _known(kind)
    for name, section in values.items():
        if name in others:
            continue
        if name not in known:
            what = f"section [{name}]" if isinstance(section, dict) else f"setting {name!r}"
            _refuse_misplaced(name, known)
            raise ValueError(f"there is no {what}{_meant(name, [*known, *others])}")
        inside = known[name]
        if inside and isinstance(section, dict):
            unknown = sorted(str(one) for one in section if one not in inside)
            if unknown:
                _refuse_misplaced(unknown[0], known)
                names = ", ".join(sorted(inside))
                raise ValueError(f"[{name}] has no setting {unknown[0]!r}{_meant(unknown[0], inside)}; it has {names}")


def refuse_unknown_variables(
    kind: type[BaseModel], environment: Mapping[str, str], others: Collection[str] = ()
) -> None:
    """The same for variables of the environment."""
    known = {name: {one.casefold() for one in inside} for name, inside in _known(kind).items()}
    for variable in sorted(environment):
        if not variable.upper().startswith(PREFIX):
            continue
        section, _, key = variable[len(PREFIX) :].casefold().partition(NESTED)
        if section in others or variable[len(PREFIX) :].upper() in NO_SETTINGS:
            continue
        if section not in known:
            names = [f"{PREFIX}{one.upper()}" for one in (*known, *others, *NO_SETTINGS)]
            raise ValueError(f"the environment variable {variable} is no setting{_meant(variable.upper(), names)}")
        if key and key not in known[section]:
            names = [f"{PREFIX}{section.upper()}{NESTED}{one.upper()}" for one in known[section]]
            raise ValueError(f"the environment variable {variable} is no setting{_meant(variable.upper(), names)}")


def from_environment(kind: type[BaseModel], environment: Mapping[str, str]) -> list[str]:
    """Settings that the environment sets, as the file would name them, such as "model.base"."""
    known = _known(kind)
    names = (one[len(PREFIX) :].casefold() for one in environment if one.upper().startswith(PREFIX))
    return sorted(name.replace(NESTED, ".") for name in names if name.partition(NESTED)[0] in known)


def sentence_of(error: ValidationError) -> str:
    """The first problem of a validation error in words, naming the setting as the file does."""
    first = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"][:2])
    why = str(first["msg"]).removeprefix("Value error, ").replace("\n", " ")
    if not where:
        return capital(why)
    given = repr(first["input"])
    if len(given) > _GIVEN:
        given = f"{given[:_GIVEN]}\u2026"
    return f"The setting {where} cannot be {given}: {why[:1].lower()}{why[1:]}"


def capital(text: str) -> str:
    """The text with a capital at its start."""
    return text[:1].upper() + text[1:]


def _known(kind: type[BaseModel]) -> dict[str, set[str]]:
    """Every setting at the top, and what is in it where it is a section."""
    return {
        name: {one.name for one in dataclasses.fields(info.annotation)}
        if info.annotation is not None and dataclasses.is_dataclass(info.annotation)
        else set()
        for name, info in kind.model_fields.items()
    }


def _refuse_misplaced(name: str, known: Mapping[str, Collection[str]]) -> None:
    """Raise ValueError for a name that is a setting, but of another place than where it stands."""
    if name in known and not known[name]:
        raise ValueError(f"the setting {name!r} stands at the top of the file, before the first section")
    if sections := [f"[{section}]" for section, inside in known.items() if name in inside]:
        raise ValueError(f"the setting {name!r} belongs to {' or '.join(sections)}")


def _meant(name: str, names: Collection[str]) -> str:
    """The nearest name, if one is near."""
    folded = {one.casefold(): one for one in names}
    near = difflib.get_close_matches(name.casefold(), list(folded), n=1, cutoff=0.5)
    return f" (did you mean {folded[near[0]]!r}?)" if near else ""
