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


async def test_an_embedder_that_cannot_be_loaded_is_wanted_no_more(home, tmp_path):
    """Else every look at the store would find vectors that are still to be made."""
    async with await AsyncStore.open(home.db) as store:
        vectors = Vectors(store, MemoryConfig(embedder=str(tmp_path / "nowhere")))
        assert vectors.wanted
        await vectors.load()
        assert (vectors.wanted, vectors.ready) == (False, False)
        await vectors.load()
        await vectors.close()
