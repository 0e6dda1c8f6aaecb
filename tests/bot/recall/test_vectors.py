"""The thread of the vectors, beside the threads of the engine."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import torch

from bot.recall.vectors import Vectors
from model.config import MemoryConfig
from storage.async_store import AsyncStore


async def test_one_core_for_the_vectors_takes_none_from_other_threads(home):
    """An engine that starts later, or again, has as many threads as it would have without them."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        async with await AsyncStore.open(home.db) as store:
            vectors = Vectors(store, MemoryConfig())
            await vectors.load()
            assert vectors.ready
            with ThreadPoolExecutor(1) as later:
                assert later.submit(torch.get_num_threads).result() == 2
            assert await vectors._on_thread(torch.get_num_threads) == 1
            await vectors.close()
    finally:
        torch.set_num_threads(before)
