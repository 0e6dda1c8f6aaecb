"""Libraries talk to developers; this keeps their talk out of a person's terminal."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import warnings
from collections.abc import Iterator

__all__ = ["only_replies_on_stdout", "silence_libraries"]

_LOUD = ("bitsandbytes", "huggingface_hub", "transformers", "torch", "httpx")


def silence_libraries(*, progress_bars: bool = False) -> None:
    """Let only errors of libraries through, in this process and those it starts.

    Must come before they are imported: some look at the environment once. Progress bars stay where a person waits, at a
    terminal: in a log each of their steps would be written behind the one before.
    """
    for name in ("TRANSFORMERS_VERBOSITY", "HF_HUB_VERBOSITY"):
        os.environ.setdefault(name, "error")
    if not (progress_bars and sys.stderr.isatty()):
        os.environ.setdefault("TQDM_DISABLE", "1")
    for name in _LOUD:
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.simplefilter("ignore")


@contextlib.contextmanager
def only_replies_on_stdout() -> Iterator[None]:
    """Silence libraries, and send to stderr what anything prints all the same; our own notes go there too."""
    silence_libraries()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger("model").setLevel(logging.INFO)  # "Converting ...; this happens once" is worth knowing
    with contextlib.redirect_stdout(sys.stderr):
        yield
