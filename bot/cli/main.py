"""The `nightshift` program: its commands, and the one place where an error becomes a sentence and an exit code.

Nothing heavy is imported here or at the top of any command's module, so that `--help` is quick.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import metadata
from typing import Annotated

import typer

from bot.cli import (
    adapters,
    api,
    audit,
    backup,
    chat,
    doctor,
    estimate,
    explore,
    health,
    init,
    knowledge,
    logs,
    moderators,
    pairs,
    policy,
    quarantine,
    recall,
    runs,
    serve,
    status,
    storage,
    training,
)
from bot.cli.options import HomeOption

__all__ = ["app", "main", "run"]

FAILED, BAD_USE, INTERRUPTED = 1, 2, 130

app = typer.Typer(
    name="nightshift",
    help="A self-hosted Discord bot that learns a community's voice overnight.",
    add_completion=False,
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
COMMANDS = (
    init,
    serve,
    api,
    chat,
    pairs,
    moderators,
    training,
    runs,
    quarantine,
    knowledge,
    recall,
    adapters,
    status,
    policy,
    storage,
    backup,
    estimate,
    doctor,
    health,
    logs,
    audit,
    explore,
)
for module in COMMANDS:
    module.register(app)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"nightshift {metadata.version('nightshift-discord')}")
        raise typer.Exit


@app.callback()
def start(
    ctx: typer.Context,
    home: HomeOption = None,  # noqa: ARG001 - its callback hands it to the commands
    version: Annotated[  # noqa: ARG001 - its callback answers
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Print the help where no command is given."""
    if ctx.invoked_subcommand is None:
        print(ctx.get_help())


def main() -> None:
    """Entry point of the `nightshift` script."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command; returns the exit code: 0 done, 1 failed, 2 invalid usage, 130 interrupted."""
    try:
        result = app(args=list(arguments), prog_name="nightshift", standalone_mode=False)
    except typer.TyperException as error:
        return _complain(_usage_sentence(error), error.exit_code)
    except (typer.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except BrokenPipeError:
        # The program that read our output (`| head`) has gone; Python must not complain again while it shuts down.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except Exception as error:  # noqa: BLE001 - the one handler of the command line
        return _complain(_sentence(error), FAILED)
    return result if isinstance(result, int) else 0


def _complain(sentence: str, code: int) -> int:
    print(sentence, file=sys.stderr)
    return code


def _usage_sentence(error: typer.TyperException) -> str:
    """What was wrong with the arguments, and where the right ones are written."""
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "nightshift"
    return f"{error.format_message().rstrip('.')} (see `{command} --help`)."


def _sentence(error: Exception) -> str:
    """The sentence a known error carries; for an unforeseen one, how to see more than its name."""
    if _is_ours(error):
        return str(error)
    from storage.faults import as_storage_error  # a failing disk may meet any command

    if (known := as_storage_error(error)) is not None:
        return str(known)
    if os.environ.get("NIGHTSHIFT_DEBUG"):
        raise error
    if isinstance(error, ModuleNotFoundError):  # after an update, say, that was not installed
        return (
            f"The library {error.name} is not installed. Install what this version of Nightshift needs: `make setup`, "
            "or `pip install --upgrade nightshift-discord`."
        )
    return (
        f"Nightshift stopped on an error that nobody foresaw ({type(error).__name__}): "
        "set NIGHTSHIFT_DEBUG=1 and run the command again to see where."
    )


def _is_ours(error: Exception) -> bool:
    """Whether the text of this error was written for people.

    Each package has a base class for its errors. A module that was never imported raised nothing, so none is imported
    to find out (that of the bot's errors would bring discord.py).
    """
    bases = (("storage", "StorageError"), ("model", "ModelError"), ("trainer", "TrainerError"), ("bot", "BotError"))
    kinds = [getattr(sys.modules.get(f"{package}.errors"), name, None) for package, name in bases]
    return isinstance(error, tuple(kind for kind in kinds if kind is not None))
