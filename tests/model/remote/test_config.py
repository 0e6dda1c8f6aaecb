"""`[engine]`: addresses as people write them, and what is loaded where no server is set."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bot.settings import load_settings
from model.engines import start_engine
from storage.files.home import Home
from tests.model.remote.conftest import ask
from tests.model_server import serving
from trainer.errors import SettingsInvalid
from trainer.settings import load_trainer_settings

ROOT = Path(__file__).parents[3]


def urls(tmp_path, line):
    """The addresses of a settings file with this line under [engine]."""
    home = Home(tmp_path).ensure()
    home.config.write_text(f"[engine]\n{line}\n", encoding="utf-8")
    load_trainer_settings(home)  # the trainer reads the same file
    return load_settings(home).engine.url


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", ()),
        ('url = ""', ()),
        ('url = "http://host:8000"', ("http://host:8000/v1",)),
        ('url = "http://host:8000/v1/"', ("http://host:8000/v1",)),
        ('url = "https://host/openai/v1"', ("https://host/openai/v1",)),
        ('url = ["http://a:1", "http://b:2/v1"]', ("http://a:1/v1", "http://b:2/v1")),
    ],
)
def test_an_address_is_taken_as_people_write_it(tmp_path, line, expected):
    """With and without /v1, one or several."""
    assert urls(tmp_path, line) == expected


def test_a_variable_of_the_environment_names_several(tmp_path, monkeypatch):
    """With commas between them."""
    monkeypatch.setenv("NIGHTSHIFT_ENGINE__URL", "http://a:1,http://b:2")
    assert urls(tmp_path, "") == ("http://a:1/v1", "http://b:2/v1")


@pytest.mark.parametrize(
    ("url", "says"),
    [("host:8000", "begins with http"), ("ftp://host", "begins with http"), ("http://me:secret@host", "holds no key")],
)
def test_what_is_no_address_is_refused_with_what_is_one(tmp_path, url, says):
    """Before anything starts."""
    with pytest.raises(SettingsInvalid, match=says):
        urls(tmp_path, f'url = "{url}"')


def test_without_a_server_nothing_of_it_is_imported():
    """The client is for who needs it."""
    program = "import sys, model.engines, bot.app; print(sorted({'openai', 'model.remote'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


async def test_the_key_is_the_environments(tiny, tmp_path, monkeypatch):
    """Never the settings file's, which people share."""
    async with serving(key="secret") as server:
        urls(tmp_path, f'url = "{server.url}"')
        monkeypatch.setenv("OPENAI_API_KEY", "secret")
        engine = await start_engine(tiny.config, load_settings(Home(tmp_path)).engine, tiny.cache)
        try:
            assert (await ask(engine)).text == "base: one two three"
        finally:
            await engine.close()
