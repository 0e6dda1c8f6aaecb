"""What can go wrong with the model; `str(error)` is one sentence that tells the operator what to do."""

from __future__ import annotations

from pathlib import Path

__all__ = [
    "AdapterMismatch",
    "AdapterNotLoaded",
    "BankFull",
    "BaseNotFound",
    "BaseUnsuitable",
    "ClientNotInstalled",
    "ContextTooLong",
    "DoesNotFit",
    "EmbedderNotFound",
    "EngineClosed",
    "EngineFailed",
    "GenerationFailed",
    "ModelError",
    "OutOfMemory",
    "QueueFull",
    "ServerUnavailable",
    "WakeFailed",
]


class ModelError(Exception):
    """Base of this package's errors."""


class BaseNotFound(ModelError):
    """The configured base model cannot be found or read."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(
            f"The base model {name!r} cannot be loaded: {why}. Set [model] base to 'embedded', "
            "a local model directory or a Hugging Face model id."
        )
        self.name = name


class BaseUnsuitable(ModelError):
    """A base that can be loaded, but not answered or trained with as it was made."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(
            f"The base model {name!r} cannot be used: {why}. Choose another one under [model] base; "
            "docs/models.md lists model families that work."
        )
        self.name, self.why = name, why


class EmbedderNotFound(ModelError):
    """The configured embedding model cannot be found or read; the caller continues without it."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(
            f"The embedding model {name!r} cannot be loaded: {why}. Or set [memory] embedder to 'none' and do without."
        )
        self.name, self.why = name, why


class DoesNotFit(ModelError):
    """The model needs more memory than the device has."""

    def __init__(self, needed_bytes: int, free_bytes: int, what: str) -> None:
        super().__init__(
            f"{what} needs about {needed_bytes / 1e9:.1f} GB but only {free_bytes / 1e9:.1f} GB are free: "
            "choose a smaller base, fewer slots or adapter_slots, or a shorter context_tokens under [model]."
        )
        self.needed_bytes, self.free_bytes = needed_bytes, free_bytes


class OutOfMemory(ModelError):
    """Memory ran out although the estimate said that it would do."""

    def __init__(self, what: str, where: str) -> None:
        super().__init__(
            f"Memory ran out while {what} on {where}: close other programs, or choose a smaller base, "
            "fewer slots or a shorter context_tokens under [model]."
        )


class AdapterMismatch(ModelError):
    """An adapter that does not belong to the loaded base, or is damaged; nothing was changed."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"The adapter {path.name} cannot be used: {why}. The adapter in use stays.")
        self.path, self.why = path, why


class AdapterNotLoaded(ModelError):
    """A reply was asked of an adapter that is not in memory."""

    def __init__(self, adapter: str) -> None:
        super().__init__(f"The adapter {adapter} is not in memory: load it first.")
        self.adapter = adapter


class BankFull(ModelError):
    """Every slot holds an adapter that is wanted."""

    def __init__(self, slots: int) -> None:
        super().__init__(
            f"All {slots} places for adapters are taken: unload one, or raise [model] adapter_slots and restart."
        )
        self.slots = slots


class QueueFull(ModelError):
    """The engine's bounded queue has no place left."""

    def __init__(self, length: int) -> None:
        super().__init__(f"{length} requests are already waiting: try again in a moment.")
        self.length = length


class EngineClosed(ModelError):
    """The engine is shutting down, or was never started."""

    def __init__(self) -> None:
        super().__init__("The engine is shut down and takes no more requests.")


class EngineFailed(ModelError):
    """The engine met an error that it cannot go on after; it answers nothing until it is started again."""

    def __init__(self, why: str) -> None:
        super().__init__(f"The engine stopped after an error ({why}) and has to be restarted; see the log for details.")
        self.why = why


class ServerUnavailable(EngineFailed):
    """No model server can be asked; nothing is answered until one is back, which needs no restart of the bot."""

    def __init__(self, url: str, why: str) -> None:
        ModelError.__init__(
            self, f"The model server at {url} cannot be used ({why}): look at the server, or correct [engine] url."
        )
        self.url, self.why = url, why


class ClientNotInstalled(ModelError):
    """A server is set and the library to ask it is missing."""

    def __init__(self) -> None:
        super().__init__(
            "The setting engine.url needs the library openai: `pip install 'nightshift-discord[remote]'`, "
            "or set no url under [engine]."
        )


class WakeFailed(ModelError):
    """The engine sleeps on: it could not be loaded again."""

    def __init__(self, why: str) -> None:
        super().__init__(f"The engine could not be loaded again ({why}); requests keep waiting. See the log.")
        self.why = why


class ContextTooLong(ModelError):
    """A prompt leaves no room for an answer."""

    def __init__(self, tokens: int, limit: int) -> None:
        super().__init__(f"The prompt has {tokens} tokens and the context only {limit}: shorten the conversation.")
        self.tokens, self.limit = tokens, limit


class GenerationFailed(ModelError):
    """One generation failed inside the engine; the others went on."""

    def __init__(self, why: str) -> None:
        super().__init__(f"The reply could not be generated ({why}): try again, and check the log if it keeps failing.")
        self.why = why
