"""Whatever fails in the engine, nobody waits for ever, and it can be started again."""

from __future__ import annotations

import asyncio
import json
import shutil
from dataclasses import replace

import pytest
import torch

from model import engine as engine_module
from model.adapter.files import read_adapter
from model.base.loading import load_base
from model.chat import Message
from model.device_errors import is_out_of_memory
from model.errors import (
    AdapterMismatch,
    EngineClosed,
    EngineFailed,
    GenerationFailed,
    ModelError,
    OutOfMemory,
    WakeFailed,
)
from model.protocol import AdapterRef, Sampling
from model.serving import worker as worker_module
from model.serving.detokenize import TextStream
from model.serving.health import Health

HELLO = [Message("user", "Hello")]
GREEDY = Sampling(max_new_tokens=12, temperature=0)
SOON = 20.0  # seconds


def breaking(error: BaseException):
    """A step of the model that raises `error` however it is called."""

    def step(*_args, **_kwargs):
        raise error

    return step


async def soon(work):
    return await asyncio.wait_for(work, SOON)


def break_device(engine, monkeypatch) -> None:
    """Every call to the device fails, as after an illegal memory access on a GPU."""
    gone = RuntimeError("CUDA error: an illegal memory access was encountered")
    for name in ("begin", "prefill", "launch", "collect", "move", "write_adapter"):
        monkeypatch.setattr(engine._worker.decoder, name, breaking(gone))


@pytest.mark.parametrize("step", ["begin", "prefill", "launch", "collect"])
async def test_one_failing_step_ends_its_replies_and_the_engine_goes_on(tiny, start, monkeypatch, step):
    """An error in a step is told to who asked; the next question is answered."""
    engine = await start(tiny)
    with monkeypatch.context() as broken:
        broken.setattr(engine._worker.decoder, step, breaking(ValueError("odd")))
        with pytest.raises(GenerationFailed):
            await soon(engine.submit(HELLO, GREEDY).wait())
    assert (await soon(engine.submit(HELLO, GREEDY).wait())).completion_tokens > 0
    assert engine.failure is None


async def test_a_reply_that_cannot_be_read_as_text_ends_alone(tiny, start, monkeypatch):
    """The tokenizer fails for one reply, and not for the one beside it."""
    engine = await start(tiny)
    push, broken = TextStream.push, []

    def stumble(stream, token):
        broken.append(stream) if not broken else None
        if stream is broken[0]:
            raise ValueError("odd")
        return push(stream, token)

    monkeypatch.setattr(TextStream, "push", stumble)
    first, second = engine.submit(HELLO, GREEDY), engine.submit(HELLO, GREEDY)
    with pytest.raises(GenerationFailed):
        await soon(first.wait())
    assert (await soon(second.wait())).text


async def test_a_broken_device_ends_everything_with_a_sentence(tiny, start, monkeypatch):
    """Replies in the making, waiting ones, a swap that waits for them: all are told, and nothing new is taken."""
    engine = await start(tiny, slots=2)
    long = replace(GREEDY, max_new_tokens=200)
    asked = [engine.submit(HELLO, long) for _ in range(6)]
    await soon(asked[0].__aiter__().__anext__())
    swap = asyncio.ensure_future(engine.swap(tiny.a))
    await asyncio.sleep(0)
    break_device(engine, monkeypatch)
    for generation in asked:
        with pytest.raises(ModelError, match=r"\.$"):
            await soon(generation.wait())
    with pytest.raises(EngineFailed):
        await soon(swap)
    assert isinstance(await soon(engine.failed()), EngineFailed)
    assert engine.stats().failure
    for refused in (engine.swap(tiny.a), engine.sleep(), engine.wake()):
        with pytest.raises(EngineFailed):
            await soon(refused)
    with pytest.raises(EngineFailed):
        engine.submit(HELLO, GREEDY)
    await soon(engine.close())


async def test_errors_that_do_not_stop_end_the_engine(tiny, start, monkeypatch):
    """The third failure in a row of one kind of step is no accident any more."""
    engine = await start(tiny)
    monkeypatch.setattr(engine._worker.decoder, "collect", breaking(ValueError("odd")))
    for _ in range(3):
        with pytest.raises((GenerationFailed, EngineFailed)):
            await soon(engine.submit(HELLO, GREEDY).wait())
    await soon(engine.failed())


async def test_a_model_that_computes_no_numbers_says_so(tiny, start):
    """Weights that overflow would say anything; each reply ends with a sentence, and a sound adapter answers again."""
    engine = await start(tiny, tiny.a)
    linears = engine._worker.decoder.slots.linears
    with torch.inference_mode():
        for linear in linears.values():
            linear.b.fill_(float("inf"))
    for temperature in (0.0, 1.0) * 2:
        with pytest.raises(GenerationFailed, match="no numbers"):
            await soon(engine.submit(HELLO, replace(GREEDY, temperature=temperature)).wait())
    await soon(engine.swap(tiny.b))
    assert (await soon(engine.submit(HELLO, GREEDY).wait())).completion_tokens > 0


async def test_lack_of_memory_ends_replies_and_never_the_engine(tiny, start, monkeypatch):
    """Five long prompts too many, and the engine still answers the short one."""
    engine = await start(tiny)
    with monkeypatch.context() as short:
        short.setattr(engine._worker.decoder, "prefill", breaking(torch.OutOfMemoryError("CUDA out of memory.")))
        for _ in range(5):
            with pytest.raises(GenerationFailed):
                await soon(engine.submit(HELLO, GREEDY).wait())
    assert (await soon(engine.submit(HELLO, GREEDY).wait())).completion_tokens > 0


async def test_an_engine_that_failed_starts_again_with_its_adapter(tiny, start, monkeypatch):
    """The same answers as before, by the same adapter."""
    engine = await start(tiny, tiny.a)
    before = (await engine.submit(HELLO, GREEDY).wait()).text
    with monkeypatch.context() as broken:
        break_device(engine, broken)
        with pytest.raises(ModelError):
            await soon(engine.submit(HELLO, GREEDY).wait())
        await soon(engine.failed())
    await soon(engine.restart())
    after = await soon(engine.submit(HELLO, GREEDY).wait())
    assert (after.text, after.adapter, engine.failure, engine.adapter) == (before, "a", None, "a")


async def test_a_restarted_engine_answers_nothing_before_its_adapters_are_back(tiny, start, monkeypatch):
    """Else the bare base would answer those who ask first, and named adapters would not be known."""
    engine = await start(tiny, tiny.a)
    await engine.load(tiny.b)
    meanwhile = []

    def reading(*asked):
        meanwhile.append(engine.failure)
        return read_adapter(*asked)

    monkeypatch.setattr("model.serving.adapter_loading.read_adapter", reading)
    engine.mark_failed("a trial")
    await soon(engine.restart())
    assert meanwhile == [meanwhile[0]] * 2
    assert isinstance(meanwhile[0], EngineFailed)
    assert engine.stats().adapters == {"a": 0, "b": 0}
    assert (await soon(engine.submit(HELLO, GREEDY).wait())).adapter == "a"


async def test_a_restart_without_its_adapter_answers_in_the_base_s_own_name(tiny, start, monkeypatch, tmp_path):
    """The bare base never speaks under the name of an adapter that is gone."""
    engine = await start(tiny)
    plain = (await engine.submit(HELLO, GREEDY).wait()).text
    copy = AdapterRef("copy", shutil.copytree(tiny.a.path, tmp_path / "copy"))
    await engine.swap(copy)
    with monkeypatch.context() as broken:
        break_device(engine, broken)
        with pytest.raises(ModelError):
            await soon(engine.submit(HELLO, GREEDY).wait())
        await soon(engine.failed())
    shutil.rmtree(copy.path)
    await soon(engine.restart())
    said = await soon(engine.submit(HELLO, GREEDY).wait())
    assert (said.text, said.adapter, engine.adapter) == (plain, None, None)


async def test_a_swap_that_breaks_off_half_way_ends_the_engine(tiny, start, monkeypatch):
    """Half an adapter answers nobody."""
    engine = await start(tiny, tiny.a)
    with monkeypatch.context() as broken:
        broken.setattr(engine._worker.decoder, "write_adapter", breaking(ValueError("half")))
        with pytest.raises(EngineFailed):
            await soon(engine.swap(tiny.b))
        await soon(engine.failed())
    await soon(engine.restart())
    assert engine.adapter == "a"


async def test_closing_a_stuck_engine_ends(tiny, start, monkeypatch):
    """A step that never returns keeps nobody from leaving."""
    engine = await start(tiny)
    monkeypatch.setattr(worker_module, "_CLOSE_S", 0.2)
    held = asyncio.Event()
    loop = asyncio.get_running_loop()
    waited = worker_module.threading.Event()

    def hang(*_args, **_kwargs):
        loop.call_soon_threadsafe(held.set)
        waited.wait(SOON)
        raise ValueError("too late")

    monkeypatch.setattr(engine._worker.decoder, "launch", hang)
    asked = engine.submit(HELLO, GREEDY)
    await soon(held.wait())
    await soon(engine.close())
    assert (await soon(asked.wait())).finish_reason == "cancelled"
    waited.set()


async def test_a_stuck_step_is_noticed_by_whoever_comes_next(tiny, start, monkeypatch):
    """A swap and a reply that wait for a step without end are told."""
    engine = await start(tiny)
    monkeypatch.setattr(worker_module, "_LOOK_S", 0.05)
    waited = worker_module.threading.Event()
    monkeypatch.setattr(engine._worker.decoder, "launch", lambda *_a, **_k: waited.wait(SOON))
    asked = engine.submit(HELLO, GREEDY)
    await asyncio.sleep(0.2)
    monkeypatch.setattr(engine._worker._health, "_clock", lambda: 1e12)
    with pytest.raises(EngineFailed):
        await soon(engine.swap(tiny.a))
    with pytest.raises(EngineFailed):
        await soon(asked.wait())
    waited.set()


async def test_a_failed_wake_is_tried_again_with_nothing_lost(tiny, start, monkeypatch):
    """Memory that is not back yet leaves the engine asleep; what queued is answered after the next try."""
    engine = await start(tiny, tiny.a)
    before = (await engine.submit(HELLO, GREEDY).wait()).text
    await engine.sleep()
    asked = engine.submit(HELLO, GREEDY)
    with monkeypatch.context() as short:
        short.setattr(engine_module, "load_base", breaking(torch.OutOfMemoryError("CUDA out of memory.")))
        with pytest.raises(OutOfMemory):
            await soon(engine.wake())
        short.setattr(engine_module, "load_base", breaking(ValueError("odd")))
        with pytest.raises(WakeFailed):
            await soon(engine.wake())
    assert engine.stats().asleep
    await soon(engine.wake())
    said = await soon(asked.wait())
    assert (said.text, said.adapter) == (before, "a")


async def test_a_wake_whose_adapter_is_damaged_answers_nothing_in_its_name(tiny, start, tmp_path):
    """The engine sleeps on until the adapter can be read, or another one is chosen."""
    copy = AdapterRef("copy", shutil.copytree(tiny.a.path, tmp_path / "copy"))
    engine = await start(tiny, copy)
    before = (await engine.submit(HELLO, GREEDY).wait()).text
    await engine.sleep()
    config = copy.path / "adapter_config.json"
    whole = config.read_text()
    config.write_text("{")
    with pytest.raises(AdapterMismatch):
        await soon(engine.wake())
    asked = engine.submit(HELLO, GREEDY)
    assert engine.stats().asleep
    config.write_text(json.dumps(json.loads(whole)))
    await soon(engine.wake())
    assert (await soon(asked.wait())).text == before


async def test_a_closed_engine_is_not_started_again(tiny, start):
    """Closing is for good."""
    engine = await start(tiny)
    await engine.close()
    with pytest.raises(EngineClosed):
        await engine.restart()


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("[enforce fail at alloc_cpu.cpp:117] . DefaultCPUAllocator: can't allocate memory: you tried to"),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        OSError(12, "Cannot allocate memory"),
    ],
)
@pytest.mark.parametrize("step", ["loading._load_quantised", "conversion._convert"])
def test_lack_of_memory_while_loading_a_base_is_called_that(tiny, tmp_path, monkeypatch, error, step):
    """It is no fault of the base, and `embedded` is no remedy."""
    monkeypatch.setattr(f"model.base.{step}", breaking(error))
    with pytest.raises(OutOfMemory, match="Memory ran out while loading the base model"):
        load_base(tiny.config, tmp_path if step == "conversion._convert" else tiny.cache)


def test_other_errors_are_no_lack_of_memory():
    """A missing file is a missing file."""
    assert not is_out_of_memory(OSError(2, "No such file or directory"))
    assert not is_out_of_memory(RuntimeError("CUDA error: an illegal memory access was encountered"))


def test_a_step_that_goes_well_forgives_those_before():
    """Only failures without success between them count together."""
    health = Health()
    odd = ValueError("odd")
    assert [health.is_fatal("decode", odd) for _ in range(2)] == [False, False]
    health.went_well("decode")
    assert [health.is_fatal("decode", odd) for _ in range(3)] == [False, False, True]
