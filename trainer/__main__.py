"""`python -m trainer`: one training run in this process; progress on stderr, the result as the last line of stdout."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import signal
import sys
from pathlib import Path

from storage.errors import StorageError
from storage.files.home import find_home
from trainer.errors import OutOfSpace, RunBusy, TrainerError, is_disk_full
from trainer.progress import for_stderr
from trainer.result import RunResult
from trainer.run import run_once
from trainer.settings import load_trainer_settings
from trainer.training.helpers import help_training, is_helper, release_helpers
from trainer.voices import voice_of

NICENESS = 10
"""A run that nobody waits for leaves the processor to the bot's replies."""


def main(arguments: list[str] | None = None) -> int:
    """Run once; returns the exit code: 1 for a failed run, otherwise 0."""
    parser = argparse.ArgumentParser(prog="python -m trainer", description="Make one training run.")
    parser.add_argument("--home", type=Path, help="the state directory")
    parser.add_argument("--force", action="store_true", help="train even if little is new")
    parser.add_argument("--json", action="store_true", help="accepted for symmetry: the result is always JSON")
    parser.add_argument("--trigger", default="manual", choices=("manual", "schedule", "discord"))
    parser.add_argument("--server", type=int, help="the server whose own voice is trained")
    parser.add_argument("--local-date", help="the night this run belongs to (default: today)")
    options = parser.parse_args(arguments)

    # Logs and warnings of libraries go to the run's own log file, tracebacks too: stderr is for progress.
    logging.basicConfig(level=logging.INFO, handlers=[logging.NullHandler()])
    logging.captureWarnings(capture=True)
    logging.raiseExceptions = False  # a log that cannot be written, on a full disk, is not worth a traceback a line
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a KeyboardInterrupt: the run is closed properly
    # Threads that wait by spinning bring training to a crawl as soon as the bot answers on the same cores: 2.5 s a step
    # instead of 17 s on 2 busy ones. Read when torch is loaded, which is later.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    if options.trigger != "manual":
        os.nice(NICENESS)
    if is_helper():
        return help_training()
    with contextlib.redirect_stdout(sys.stderr), for_stderr() as progress:
        try:
            home = find_home(options.home).ensure()
            settings = load_trainer_settings(home)
            result = run_once(
                home,
                settings,
                progress=progress,
                force=options.force,
                trigger=options.trigger,
                local_date=options.local_date,
                voice=voice_of(settings, options.server),
            )
        except RunBusy as busy:
            result = RunResult(None, "skipped", str(busy))
        except (TrainerError, StorageError) as error:
            result = RunResult(None, "failed", str(error))
        except OSError as error:
            if not is_disk_full(error):
                raise
            result = RunResult(None, "failed", str(OutOfSpace(find_home(options.home).root, resumes=False)))
        finally:
            release_helpers()
    print(result.to_json(), flush=True)  # noqa: T201 - the result is what stdout is for
    return 1 if result.outcome == "failed" else 0


if __name__ == "__main__":
    sys.exit(main())
