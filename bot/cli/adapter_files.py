"""`adapters adopt` and `adapters export`: adapters from and for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bot.cli.library_logs import only_replies_on_stdout
from bot.cli.options import HomeOption, operator

if TYPE_CHECKING:
    from model.config import ModelConfig
    from storage.files.home import Home

__all__ = ["register"]


def register(group: typer.Typer) -> None:
    """Add the commands to the group `adapters`."""
    group.command()(adopt)
    group.command()(export)


def adopt(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="A directory, or a Hugging Face id (owner/name).")],
    adapter_id: Annotated[
        str | None, typer.Option("--id", metavar="ID", help="Its new id (default: its name and six digits).")
    ] = None,
    base_matches: Annotated[
        bool,
        typer.Option("--base-matches", help="Confirm that its base and chat template are the configured ones."),
    ] = False,
    home: HomeOption = None,
) -> None:
    """Add a LoRA adapter saved by PEFT. It is not used until you choose it."""
    place, model = _settled(home)
    with only_replies_on_stdout():
        from trainer.interchange.adoption import adopt as adopt_it

        adopted = adopt_it(place, model, source, by=operator(), adapter_id=adapter_id, base_matches=base_matches)
    print(f"Adopted {adopted.id}: rank {adopted.rank}, on {adopted.modules} layers.")
    if adopted.rank > model.lora_rank:
        print(f"Its rank is above [model] lora_rank = {model.lora_rank}: the first swap to it allocates memory anew.")
    print(f"It was not judged and is not in use. To use it: nightshift adapters use {adopted.id}")


def export(
    adapter: Annotated[str, typer.Argument(metavar="ID", help="The adapter.")],
    gguf: Annotated[
        Path | None, typer.Option("--gguf", metavar="FILE", help="Write it as GGUF, for llama.cpp or Ollama.")
    ] = None,
    merged: Annotated[
        Path | None, typer.Option("--merged", metavar="DIRECTORY", help="Write base and adapter as one model in bf16.")
    ] = None,
    home: HomeOption = None,
) -> None:
    """Export an adapter for other programs."""
    if gguf is None and merged is None:
        raise typer.BadParameter("say what to write: --gguf FILE or --merged DIRECTORY")
    place, model = _settled(home)
    with only_replies_on_stdout():
        from trainer.interchange.export import export_gguf, export_merged

        tensors = export_gguf(place, model, adapter, gguf.absolute()) if gguf else 0
        if merged:
            export_merged(place, model, adapter, merged.absolute())
    if gguf:
        print(f"Wrote {tensors} tensors to {gguf}. llama.cpp takes it with --lora, Ollama with ADAPTER.")
    if merged:
        print(f"Wrote base and adapter as one model to {merged}.")
        print(
            "Warning: merged weights are not what was judged. Rounding changes them, and quantising them again does so "
            "more: check their answers before you use them."
        )


def _settled(home: Path | None) -> tuple[Home, ModelConfig]:
    """The home, and the base it is set to."""
    from bot.settings import load_settings
    from storage.files.home import find_home

    place = find_home(home).ensure()
    return place, load_settings(place).model
