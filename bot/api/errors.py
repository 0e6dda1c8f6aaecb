"""What goes wrong with a request to the endpoint, in OpenAI's shape: a status, and an object that says what to do."""

from __future__ import annotations

from typing import Any

from model.errors import AdapterMismatch, AdapterNotLoaded, BankFull, ContextTooLong, ModelError, QueueFull

__all__ = ["ApiError", "Busy", "EngineUnavailable", "InvalidRequest", "ModelNotFound", "WrongKey", "as_api_error"]


class ApiError(Exception):
    """One error. `kind`, `param` and `code` are OpenAI's fields; `str(error)` is the message."""

    def __init__(self, status: int, kind: str, code: str, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.status, self.kind, self.code, self.param = status, kind, code, param

    @property
    def body(self) -> dict[str, Any]:
        """What is sent."""
        return {"error": {"message": str(self), "type": self.kind, "param": self.param, "code": self.code}}

    @property
    def headers(self) -> dict[str, str]:
        """How long to wait, where waiting helps."""
        return {"Retry-After": "1"} if self.status in {429, 503} else {}


class WrongKey(ApiError):
    """No key, or another one."""

    def __init__(self) -> None:
        super().__init__(
            401,
            "invalid_request_error",
            "invalid_api_key",
            "The key is missing or wrong: send the one in the file of [api] key_file as `Authorization: Bearer KEY`.",
        )


class InvalidRequest(ApiError):
    """Something in the request cannot be used."""

    def __init__(
        self, message: str, param: str | None = None, *, code: str = "invalid_value", status: int = 400
    ) -> None:
        super().__init__(status, "invalid_request_error", code, message, param)


class ModelNotFound(ApiError):
    """No adapter has this name."""

    def __init__(self, name: str) -> None:
        super().__init__(
            404,
            "invalid_request_error",
            "model_not_found",
            f"There is no model {name[:80]!r}: GET /v1/models lists them; `current` is the one that the bot uses.",
            "model",
        )


class Busy(ApiError):
    """Too much is asked at once."""

    def __init__(self, message: str) -> None:
        super().__init__(429, "rate_limit_error", "queue_full", message)


class EngineUnavailable(ApiError):
    """The engine, or a place for an adapter in it, is not there at the moment."""

    def __init__(self, message: str) -> None:
        super().__init__(503, "server_error", "engine_unavailable", message)


def as_api_error(error: ModelError) -> ApiError:
    """What an error of the engine is for a client."""
    if isinstance(error, ContextTooLong):
        return InvalidRequest(str(error), "messages", code="context_length_exceeded")
    if isinstance(error, QueueFull):
        return Busy(str(error))
    if isinstance(error, AdapterMismatch):
        return ModelNotFound(error.path.name)
    if isinstance(error, AdapterNotLoaded | BankFull):
        return EngineUnavailable("The adapters in memory are being changed: try again in a moment.")
    return EngineUnavailable(str(error))
