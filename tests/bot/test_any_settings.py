"""Whatever `nightshift.toml` holds: settings within their bounds, or one sentence."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.settings import Settings, load_settings
from storage.files.home import Home
from tests.foreign import changed_bytes, names
from trainer.errors import SettingsInvalid

WHOLE = b"""persona = "A keeper."
[discord]
review_channel = "review"
daily_quota = 5
[schedule]
time = "03:00"
timezone = "Europe/Berlin"
[model]
base = "embedded"
[training]
servers = [1, 2]
"""
SECTIONS = {
    name: sorted(getattr(field.annotation, "__dataclass_fields__", {})) for name, field in Settings.model_fields.items()
}
SCALARS = st.one_of(
    st.integers(-(2**63), 2**63 - 1).map(str),
    st.floats().map(repr),
    st.sampled_from(["true", "[]", "[1]", "{}", "{ a = 1 }", "1979-05-27T07:32:00Z", "00:32:00", "0", "-1", '""']),
    names.map(lambda text: json.dumps(text.encode("utf-8", "replace").decode())),
)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return Home(tmp_path_factory.mktemp("home")).ensure()


@settings(deadline=None, max_examples=60)
@given(content=changed_bytes(WHOLE))
def test_a_file_with_a_few_wrong_bytes(home, content):
    """TOML that is none, keys that are none."""
    home.config.write_bytes(content)
    with suppress(SettingsInvalid):
        load_settings(home)


@settings(deadline=None, max_examples=120)
@given(data=st.data())
def test_every_setting_with_any_value(home, data):
    """A value out of bounds or of another kind is refused in a sentence that names it."""
    section = data.draw(st.sampled_from(sorted(SECTIONS)))
    value = data.draw(SCALARS)
    if SECTIONS[section]:
        key = data.draw(st.sampled_from(SECTIONS[section]))
        home.config.write_text(f"[{section}]\n{key} = {value}\n", encoding="utf-8")
    else:
        key = section
        home.config.write_text(f"{key} = {value}\n", encoding="utf-8")
    try:
        load_settings(home)
    except SettingsInvalid as error:
        said = str(error)
        assert len(said) < 2000
        assert key in said or section in said or "TOML" in said
