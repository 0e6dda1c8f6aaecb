"""Kinds of values that several sections of the settings have, with their bounds."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

__all__ = ["Seed", "Share", "Tolerance"]

Share = Annotated[float, Field(ge=0.0, le=1.0)]
"""A part of a whole."""
Tolerance = Annotated[float, Field(ge=0.0, le=100.0)]
"""How much something may rise, as a share or in nats."""
Seed = Annotated[int, Field(ge=0, lt=1 << 32)]
"""Seed of random numbers."""
