"""Shards: the connections to Discord that its servers are divided over, and which of them a process serves. Pure."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Shards"]


@dataclass(frozen=True, slots=True)
class Shards:
    """Those of one process.

    Attributes:
        count: how many there are in all; 0: one connection, without sharding.
        ids: those of this process; empty: all of them.
    """

    count: int = 0
    ids: tuple[int, ...] = ()

    @classmethod
    def parse(cls, count: int, chosen: str) -> Shards:
        """From the settings, such as 4 and "0-1". Raises ValueError."""
        if not chosen:
            return cls(count)
        first, _, last = chosen.partition("-")
        ids = tuple(range(int(first), int(last or first) + 1))
        if not ids or ids[-1] >= count:
            raise ValueError(f"the setting discord.shard_range ({chosen}) names no shards of 0 to {count - 1}")
        return cls(count, ids)

    @property
    def part(self) -> str:
        """What the files of this process carry in their names, such as "0-1"; empty where no range is set."""
        return f"{self.ids[0]}-{self.ids[-1]}" if self.ids else ""

    def serve(self, guild_id: int | None) -> bool:
        """Whether what happens on a server (None: in direct messages) reaches this process."""
        return not self.ids or ((guild_id or 0) >> 22) % self.count in self.ids

    @property
    def first(self) -> bool:
        """Whether shard 0 is among them, which gets the direct messages."""
        return self.serve(None)
