"""Arguments of an actor, however large, arrive whole, once, without a warning, and nobody else keeps them."""

import asyncio
import pickle
import threading
from dataclasses import dataclass
from functools import partial

import dask.config
import numpy as np
import pytest

from akkordeon_dask import Gate, Sentinel, data, nn
from akkordeon_dask.errors import DeploymentError, SpecError
from akkordeon_dask.memory import ALIGNMENT
from akkordeon_dask.runtime.cluster._payload import Payload
from akkordeon_dask.runtime.recovery._sentinels import move_sentinel
from tests.support.patience import PATIENCE
from tests.support.small_networks import NETWORK, SGD, equal, numbers, train
from tests.support.sync_and_async_client import AsynchronousUser, SynchronousUser

WIDE = Gate(nn.Linear(5000, 3), SGD)
SAMPLES = 1000
"""Of 5,000 float32 each: 20 MB."""


def large(**options):
    """A training sentinel for `WIDE`: four batches an epoch."""
    provider = data.arrays(*numbers(SAMPLES, features=5000))
    return Sentinel.train(provider, **{"batch_size": 250, "epochs": 1, "concurrency": 1, **options})


def payloads(dask_scheduler):
    """The keys of payloads, and the bytes of all calls that the scheduler keeps."""
    known = [key for key in map(str, dask_scheduler.tasks) if key.endswith("-payload")]
    return known, len(pickle.dumps([task.run_spec for task in dask_scheduler.tasks.values()]))


def provider_of(key, dask_worker):
    """Whether the sentinel's array is on the grid of `memory`, and the keys of all data of the worker."""
    x = dask_worker.state.actors[key]._sentinel.provider.x
    return x.ctypes.data % ALIGNMENT, x.shape, list(map(str, dask_worker.data))


def test_large_data_arrive_without_a_warning_and_leave_nothing_behind(user, cluster, nothing_left, eventually):
    with user.deploy(WIDE) as running:
        sentinel = large(workers="1")
        attached = running.attach(sentinel)
        assert [report.samples for report in running.wait(timeout=PATIENCE)] == [SAMPLES]
        worker = cluster.workers[1]
        actor = worker.state.actors[attached.address.actor]
        assert np.shares_memory(actor._sentinel.provider.x, sentinel.provider.x), "one process has them once"
        eventually(lambda: not worker.data)
        assert payloads(cluster.scheduler)[1] < 1e6
    nothing_left()


def test_another_process_has_them_once_on_the_grid_and_trains_to_the_same_bits(processes, user, eventually):
    with user.deploy(WIDE, seed=1) as running:
        running.attach(large())
        running.wait(timeout=PATIENCE)
        expected = running.parameters()
    client = processes.client
    far = SynchronousUser(client.scheduler.address)
    with far.deploy(WIDE, seed=1) as running:
        attached = running.attach(large())
        running.wait(timeout=PATIENCE)
        assert equal(running.parameters(), expected)
        eventually(lambda: not client.run_on_scheduler(payloads)[0])
        assert client.run_on_scheduler(payloads)[1] < 1e6
        offset, shape, others = client.run(provider_of, attached.address.actor, workers=[attached.worker])[
            attached.worker
        ]
        assert (offset, shape, others) == (0, (SAMPLES, 5000), [])
        far.client.sync(partial(move_sentinel, running.plain._session, attached, attached.worker))
        assert len(running.wait(timeout=PATIENCE)) == 1, "a sentinel that moves takes them along"
    far.close()


@dataclass(frozen=True, repr=False, eq=False)
class Shift(nn.Layer):
    """Adds an array of its own."""

    by: np.ndarray

    def forward(self, params, x, *, train=False, key=None, own=False):
        return x + self.by, None

    def backward(self, context, dy, *, need_dx=True, own=False):
        return dy, {}


def test_a_large_gate_arrives_without_a_warning(user, nothing_left):
    many = np.linspace(1, 2, 3_000_000, dtype=np.float32)
    with user.deploy(Gate(Shift(many), SGD), name="large") as running:
        assert np.array_equal(running.predict(np.ones((1, len(many)), np.float32))[0], 1 + many)
    nothing_left()


def test_a_worker_that_takes_no_data_is_named_in_time(user, cluster, monkeypatch, nothing_left):
    async def stand_still(**asked):
        await released.wait()
        raise OSError("nobody waits for it any more")

    released = asyncio.Event()
    text = r"the arguments of sentinel 'train0', 20,0.* bytes, did not get to inproc.*: is the worker there"
    with user.deploy(WIDE) as running:
        with monkeypatch.context() as patch, dask.config.set({"akkordeon.timeouts.load": "300ms"}):
            patch.setitem(cluster.scheduler.handlers, "scatter", stand_still)
            with pytest.raises(DeploymentError, match=text):
                running.attach(large())
        cluster.loop.add_callback(released.set)
        assert running.attach(large()).name == "train0"
    nothing_left()


def test_data_that_arrive_after_the_attach_was_cut_off_do_not_stay(cluster, monkeypatch, nothing_left):
    user, arrive = AsynchronousUser(cluster.scheduler.address), cluster.scheduler.handlers["scatter"]
    entered, released = threading.Event(), asyncio.Event()

    async def late(**sent):
        entered.set()
        await released.wait()
        return await arrive(**sent)

    async def cut_off(running):
        attaching = asyncio.ensure_future(running.attach(large()))
        await asyncio.to_thread(entered.wait, PATIENCE)
        attaching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await attaching

    monkeypatch.setitem(cluster.scheduler.handlers, "scatter", late)
    with user.deploy(WIDE) as running:
        user.call(cut_off, running.plain)
        cluster.loop.add_callback(released.set)
    nothing_left()
    user.close()


class Stays:
    """Does not travel."""

    def __iter__(self):
        yield from ()

    def __reduce__(self):
        raise RuntimeError("it stays here")


def test_an_argument_that_cannot_be_pickled_is_an_error_of_one_line(user, nothing_left):
    with user.deploy(NETWORK) as running:
        with pytest.raises(
            SpecError,
            match=r"sentinel 'train0' cannot travel to its worker by pickle: RuntimeError: it stays here \(raised in ",
        ):
            running.attach(Sentinel.train(Stays(), batch_size=16))
        assert running.attach(train(epochs=1)).name == "train0"
    nothing_left()


def test_a_payload_travels_without_a_copy_and_is_opened_on_the_grid():
    x, odd = np.arange(100_000.0), np.arange(20, dtype=np.int8)[3:]
    buffers = []
    head = pickle.dumps(Payload.of({"x": x, "odd": odd}), protocol=5, buffer_callback=buffers.append)
    assert len(head) < 2000
    assert any(np.shares_memory(x, np.frombuffer(buffer, np.uint8)) for buffer in buffers)
    frames = [b"?" + bytes(buffer.raw()) for buffer in buffers]
    found = pickle.loads(head, buffers=[memoryview(frame)[1:] for frame in frames]).open()
    assert np.array_equal(found["x"], x) and np.array_equal(found["odd"], odd)
    assert found["x"].ctypes.data % ALIGNMENT == 0


def test_a_module_that_the_other_side_lacks_is_an_error_when_the_payload_is_opened():
    head = pickle.dumps(Payload(b"cnowhere\nNothing\n.", []))
    with pytest.raises(ModuleNotFoundError, match="nowhere"):
        pickle.loads(head).open()
