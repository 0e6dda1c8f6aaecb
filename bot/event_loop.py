"""What keeps the event loop of a program quick beside a model: its threads, and Python's look for garbage."""

from __future__ import annotations

import gc
import os

__all__ = ["let_threads_sleep", "settle_down"]


def let_threads_sleep() -> None:
    """Let the model's threads sleep when they wait for each other, before the libraries that read this are loaded.

    By default OpenMP's threads wait at full speed, between two products and for a while after the last: on a machine
    with few cores that takes the cores from the event loop, and Discord's heartbeat comes late.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")


def settle_down() -> None:
    """What is loaded now stays for good: Python need not look through it for garbage again and again.

    With a model's libraries loaded, one such look holds up the event loop for a tenth of a second and more.
    """
    gc.collect()
    gc.freeze()
