"""CUDA graphs of the decode step: captured once for each batch size, then replayed as a whole.

Everything a step reads or writes keeps its address (the slots, the adapter's buffers, the sampler's state), so an
adapter that is copied in place needs no new capture. A step that cannot be captured is run as it is, and the log says
so once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable
from typing import Any

import torch

__all__ = ["CudaGraphs"]

log = logging.getLogger(__name__)

_WARM_UPS = 2  # runs before a capture: kernels are compiled and libraries make their handles


class CudaGraphs:
    """Captured steps of one device, by key. All share one memory pool, for only one runs at a time."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._graphs: dict[Hashable, torch.cuda.CUDAGraph] = {}
        self._pool: Any = None  # the handle of the shared memory pool
        self.usable = device.type == "cuda"

    def run(self, key: Hashable, step: Callable[[], None]) -> None:
        """Replay the step captured under `key`; run it as it is if there is none."""
        graph = self._graphs.get(key)
        if graph is None:
            step()
        else:
            graph.replay()

    def capture(self, key: Hashable, step: Callable[[], None]) -> None:
        """Capture `step` under `key`. It is run a few times: do this while no row is in use."""
        if not self.usable:
            return
        try:
            stream = torch.cuda.Stream(self._device)
            stream.wait_stream(torch.cuda.current_stream(self._device))
            with torch.cuda.stream(stream):
                for _ in range(_WARM_UPS):
                    step()
            torch.cuda.current_stream(self._device).wait_stream(stream)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
                step()
        except Exception as error:  # noqa: BLE001 - whatever a model does that cannot be captured, it still can be run
            self.usable = False
            self._graphs.clear()
            log.warning("The decode step cannot be captured (%s); it runs uncaptured, and slower", error)
            return
        self._pool = self._pool or graph.pool()
        self._graphs[key] = graph

    def __contains__(self, key: Hashable) -> bool:
        return key in self._graphs

    def clear(self) -> None:
        """Forget every capture: addresses changed."""
        self._graphs.clear()
