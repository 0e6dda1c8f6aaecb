"""What a stranger's file may hold, as strategies: any JSON value, and a file that is whole but for a few bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

__all__ = ["changed_bytes", "changed_fields", "names", "values"]

_ODD = ("", ".", "..", "/", "~", "~nobody-here/x", "a\0b", "\ud800", "x" * 5000, "NaN", "\u202e", "../../etc/passwd")

names = st.sampled_from(_ODD) | st.text(max_size=8)
"""Text that may be meant as a name of a file, a person or a model."""

_plain = (
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.sampled_from([-1, 0, 2**31, 2**63, 2**64, 10**400, 1e308, float("inf"), float("nan")])
    | st.floats()
    | names
)
values = st.recursive(
    _plain, lambda below: st.lists(below, max_size=4) | st.dictionaries(names, below, max_size=4), max_leaves=8
)
"""Any JSON value, odd ones more often than chance would have them."""


@st.composite
def changed_fields(draw: Any, whole: Mapping[str, Any]) -> bytes:
    """The JSON of an object in which a few fields are gone, something else, or new; sometimes nested too deep."""
    changed = dict(whole)
    for _ in range(draw(st.integers(1, 3))):
        name = draw(st.sampled_from(sorted(whole)) | names)
        if draw(st.booleans()):
            changed.pop(name, None)
        else:
            changed[name] = draw(values)
    text = json.dumps(changed)
    if draw(st.integers(0, 9)) == 0:
        depth = draw(st.sampled_from([100, 900, 5000]))
        text = text[:-1] + f'{", " if changed else ""}"deep": {"[" * depth}{"]" * depth}}}'
    return text.encode()


@st.composite
def changed_bytes(draw: Any, whole: bytes) -> bytes:
    """A file with a few of its bytes overwritten, cut out, put in or cut off."""
    data = bytearray(whole)
    for _ in range(draw(st.integers(1, 4))):
        start = (
            draw(st.integers(0, max(0, min(len(data), 400))))
            if draw(st.booleans())
            else draw(st.integers(0, len(data)))
        )
        length = draw(st.integers(0, 16))
        data[start : start + length] = draw(st.binary(max_size=16))
    return bytes(data[: draw(st.integers(0, len(data)))] if draw(st.integers(0, 4)) == 0 else data)
