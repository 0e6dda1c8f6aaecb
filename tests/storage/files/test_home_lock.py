"""Two bots on one home: storage/files/home_lock.py."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from bot.app import Nightshift
from bot.settings import load_settings
from storage.errors import HomeOccupied
from storage.files.home import Home
from storage.files.home_lock import occupy
from tests.fake_engine import FakeEngine


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path / "home").ensure()


def test_a_second_holder_is_refused_with_the_first_ones_process(home):
    """One sentence that says what to do."""
    with occupy(home), pytest.raises(HomeOccupied, match=rf"process {os.getpid()}.*--home"), occupy(home):
        pass
    with occupy(home):  # the refused one took nothing with it
        pass


def test_a_killed_holder_leaves_the_home_free(home):
    """The kernel lets go of the lock; the file stays and says nothing."""
    code = (
        "import sys, time; from pathlib import Path\n"
        "from storage.files.home import Home; from storage.files.home_lock import occupy\n"
        "with occupy(Home(Path(sys.argv[1]))): print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(home.root)], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(HomeOccupied, match=rf"process {other.pid}"), occupy(home):
            pass
        other.send_signal(signal.SIGKILL)
        other.wait(10)
    with occupy(home):
        pass


async def test_a_second_bot_on_a_home_does_not_start(home):
    """Else one question would be answered and stored twice. Another home is free."""
    settings = load_settings(home)
    async with Nightshift.open(home, settings, engine=FakeEngine()):
        with pytest.raises(HomeOccupied):
            async with Nightshift.open(home, settings, engine=FakeEngine()):
                pass
        other = Home(home.root.parent / "other").ensure()
        async with Nightshift.open(other, settings, engine=FakeEngine()):
            pass
    async with Nightshift.open(home, settings, engine=FakeEngine()):
        pass
