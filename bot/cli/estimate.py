"""`estimate`: the memory that training a model needs, and whether this machine has it. No weights are loaded."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot.cli.library_logs import silence_libraries
from bot.cli.options import HomeOption

if TYPE_CHECKING:
    from trainer.training.memory import Footprint, ModelShape, Workload

__all__ = ["register"]

_METHOD_NAMES = {"full": "full fine-tuning", "lora": "LoRA", "qlora": "QLoRA (used here)"}
_BY_SIZE = "Counted by parameters alone: 16 bytes each where all are trained, else 1 in 100 trained; no activations."


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command()(estimate)


def estimate(
    models: Annotated[
        list[str] | None,
        typer.Argument(metavar="[MODEL]...", help="`embedded`, a directory, a Hugging Face id, or a size like 10B."),
    ] = None,
    rows: Annotated[int, typer.Option("--rows", min=1, help="Examples in one forward pass.")] = 4,
    tokens: Annotated[int, typer.Option("--tokens", min=1, help="Tokens in each example.")] = 512,
    rank: Annotated[int, typer.Option("--rank", min=1, help="Rank of the adapter.")] = 16,
    checkpointing: Annotated[
        bool, typer.Option("--checkpointing/--no-checkpointing", help="Keep fewer activations and recompute them.")
    ] = True,
    picture: Annotated[
        Path | None,
        typer.Option("--plot", metavar="FILE", help="Also draw the parts as a bar chart (PNG)."),
    ] = None,
    home: HomeOption = None,
) -> None:
    """Show the memory that training a model needs.

    For full fine-tuning, LoRA and QLoRA, from the model's config alone, and whether this machine has it.
    """
    from trainer.training.memory import METHODS, Workload, article_footprint, parse_size, training_footprint

    work = Workload(rows=rows, tokens=tokens, rank=rank, checkpointing=checkpointing)
    estimates: list[tuple[str, float, list[Footprint]]] = []
    by_size = with_experts = False
    for name in models or [_configured(home)]:
        size = parse_size(name)
        if size is not None:
            by_size = True
            estimates.append((name, size, [article_footprint(size, method) for method in METHODS]))
        else:
            shape = _shape(name)
            with_experts |= shape.expert_parameters > 0
            footprints = [training_footprint(shape, method, work) for method in METHODS]
            estimates.append((name, shape.parameters, footprints))
    _print_table(estimates, work)
    if by_size:
        print(_BY_SIZE)
    if with_experts:
        print("Experts count in full: they stay in 16 bits, and only the layers beside them are packed and adapted.")
    if picture is not None:
        _draw(estimates, work, picture)
        print(picture)


def _draw(estimates: Sequence[tuple[str, float, list[Footprint]]], work: Workload, file: Path) -> None:
    """Write the picture. Raises NoPicture."""
    from bot.cli.memory_chart import draw_footprints
    from bot.errors import NoPicture

    title = f"Memory to train on {work.rows} x {work.tokens} tokens, rank {work.rank}"
    try:
        draw_footprints(estimates, title, file)
    except ImportError:
        raise NoPicture("The picture needs matplotlib: pip install 'nightshift-discord[plots]'.") from None
    except OSError as error:
        raise NoPicture(f"{file} cannot be written: {error.strerror}.") from None


def _configured(home: Path | None) -> str:
    from bot.settings import load_settings
    from storage.files.home import find_home

    return load_settings(find_home(home)).model.base


def _shape(name: str) -> ModelShape:
    """The sizes of a model, from the catalog or from its config alone. Raises BaseNotFound."""
    from model.catalog import catalog_entry
    from model.errors import BaseNotFound
    from trainer.memory_needs import catalog_shape
    from trainer.training.memory import ModelShape

    if (entry := catalog_entry(name)) is not None:
        return catalog_shape(entry)
    config = _config_file(name)
    try:
        return ModelShape.from_config(json.loads(config.read_text(encoding="utf-8")))
    except OSError as error:
        raise BaseNotFound(name, "it has no config.json") from error
    except (ValueError, TypeError, KeyError) as error:
        raise BaseNotFound(name, "its config.json lacks the sizes of a Llama-like model") from error


def _config_file(name: str) -> Path:
    directory = Path(name).expanduser()
    if directory.is_dir():
        return directory / "config.json"
    from huggingface_hub import hf_hub_download

    from model.base.files import resolve_base

    silence_libraries()
    base = resolve_base(name)
    return Path(hf_hub_download(base.source, "config.json", revision=base.hub_revision, local_files_only=True))


def _print_table(estimates: Sequence[tuple[str, float, list[Footprint]]], work: Workload) -> None:
    from rich.console import Console
    from rich.table import Table

    device, available = _memory_here()
    again = "computed again" if work.checkpointing else "kept"
    table = Table(
        title=f"GB of memory to train on {work.rows} x {work.tokens} tokens, rank {work.rank}, activations {again}",
        title_justify="left",
    )
    table.add_column("model")
    table.add_column("way")
    for column in ("weights", "gradients", "optimizer", "activations", "logits", "workspace", "peak"):
        table.add_column(column, justify="right")
    table.add_column("fits here")
    for name, parameters, footprints in estimates:
        for index, footprint in enumerate(footprints):
            title = f"{name} ({_in_units(parameters)})" if index == 0 else ""
            table.add_row(*_cells(title, footprint, available), end_section=index == len(footprints) - 1)
    # Piped output has no width of its own; 80 columns would break the figures apart.
    console = Console() if Console().is_terminal else Console(width=132)
    console.print(table)
    print(f"Here: {available / 1e9:.1f} GB on {device}. The peak is weights, optimizer, activations and the larger of")
    print("logits and workspace; gradients come as activations go. A GPU's context (about 0.5 GB) comes on top.")


def _cells(title: str, footprint: Footprint, available: float) -> list[str]:
    parts: list[Any] = [footprint.weights, footprint.gradients, footprint.optimizer, footprint.activations]
    parts += [footprint.logits, footprint.workspace, footprint.total]
    fits = "yes" if footprint.total < available else "no"
    figures = (f"{part / 1e9:.2f}" if part else "" for part in parts)
    return [title, _METHOD_NAMES[footprint.method], *figures, fits]


def _in_units(parameters: float) -> str:
    return f"{parameters / 1e9:.1f}B" if parameters >= 1e9 else f"{parameters / 1e6:.0f}M"


def _memory_here() -> tuple[str, float]:
    """Where training would run, and the bytes that it has."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.get_device_name(), float(torch.cuda.mem_get_info()[1])
    return "the CPU", float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
