"""A loss that is NaN or infinite: the sentinel stops, leaves the batch out, or lets the gates go back."""

import asyncio
import itertools
import threading
from dataclasses import dataclass, replace

import numpy as np
import pytest

from akkordeon_dask import Gate, Network, Sentinel, data, deploy, nn
from akkordeon_dask.errors import NonFiniteError, SpecError
from akkordeon_dask.runtime.recovery import _sentinels
from akkordeon_dask.tree import leaves
from tests.support.patience import PATIENCE
from tests.support.restarting_workers import events, run_store
from tests.support.small_networks import NETWORK, SGD, numbers


@dataclass(frozen=True, repr=False)
class Faulty(nn.SoftmaxCrossEntropy):
    """NaN in these calls, counted over the process."""

    bad: tuple[int, ...] = ()

    def __call__(self, y, target, *, need_dy=True):
        loss, dy = super().__call__(y, target, need_dy=need_dy)
        return (float("nan") if next(_CALLS[self.bad]) in self.bad else loss), dy


_CALLS = {}


def faulty(*bad):
    """A loss whose calls are counted from now."""
    _CALLS[bad] = itertools.count()
    return Faulty(bad=bad)


def train(**options):
    return Sentinel.train(data.arrays(*numbers()), batch_size=16, **{"concurrency": 1, "epochs": 3, **options})


def test_a_batch_that_is_skipped_changes_nothing_and_counts_as_lost():
    with deploy(NETWORK) as running:
        running.attach(train(loss=faulty(5, 6), on_nonfinite="skip"))
        history = running.wait(timeout=PATIENCE)
        updates = {gate: running.statistics()[gate].counts.updates for gate in running.network.names}
        told = events(running.client, running.name, "skipped")
    assert [(report.samples, report.lost) for report in history] == [(64, 0), (32, 32), (64, 0)]
    assert all(np.isfinite(report.loss) for report in history)
    assert set(updates.values()) == {10}
    assert [event["sentinel"] for event in told] == ["train0"] * 2 and "batch 5" in told[0]["text"]


@dataclass(frozen=True, repr=False)
class Rooted(nn.Linear):
    """Its own gradient is NaN in these calls, as that of a square root at 0, though the loss is finite."""

    bad: tuple[int, ...] = ()

    def backward(self, context, dy, **options):
        dx, grads = super().backward(context, dy, **options)
        if next(_CALLS[self.bad]) in self.bad:
            grads = {name: g * np.float32("nan") for name, g in grads.items()}
        return dx, grads


def test_a_gate_whose_own_gradient_is_not_finite_keeps_its_parameters_where_batches_are_skipped():
    _CALLS[1, 2] = itertools.count()
    with deploy(NETWORK[:1] | Gate(Rooted(5, 3, bad=(1, 2)), SGD)) as running:
        running.attach(train(on_nonfinite="skip"))
        history = running.wait(timeout=PATIENCE)
        counts = {name: its.counts for name, its in running.statistics().items() if name in running.network.names}
        assert all(np.isfinite(leaf).all() for tree in running.parameters().values() for leaf in leaves(tree))
    assert [(report.samples, report.lost) for report in history] == [(64, 0)] * 3
    assert [its.updates for its in counts.values()] == [12, 10]
    assert [its.dropped for its in counts.values()] == [{}, {"gradient that is not finite": 2}]


def test_a_pass_whose_batches_are_all_skipped_blames_the_numbers_and_says_what_to_do():
    with deploy(NETWORK) as running:
        running.attach(train(loss=faulty(*range(4, 99)), on_nonfinite="skip"))
        words = r"no sample in pass 2: 4 batches were skipped.*parameters of a gate may be NaN.*lower the learning rate"
        with pytest.raises(NonFiniteError, match=words):
            running.wait(timeout=PATIENCE)


def test_gates_go_back_to_their_snapshots_and_the_pass_restarts_more_slowly(tmp_path):
    with deploy(NETWORK, snapshots=str(tmp_path), snapshot_every=4) as running:
        running.attach(train(loss=faulty(6), on_nonfinite="rewind"))
        history = running.wait(timeout=PATIENCE)
        (told,) = events(running.client, running.name, "rewound")
        versions = {gate: running.statistics()[gate].version for gate in running.network.names}
    assert [(report.epoch, report.samples, report.lost) for report in history] == [(n, 64, 0) for n in (1, 2, 3)]
    assert "g0 to 4, g1 to 4 updates" in told["text"] and "learning rates times 0.5" in told["text"]
    # Six batches, then one step back, then two passes of four.
    assert set(versions.values()) == {6 + 1 + 8}


@pytest.mark.parametrize("accumulates", [True, False], ids=["accumulate", "synchronous"])
def test_gates_go_back_from_the_middle_of_an_update_to_before_its_first_batch(tmp_path, accumulates):
    network = Network([replace(gate, accumulate=4) for gate in NETWORK]) if accumulates else NETWORK
    options = {} if accumulates else {"updates": "synchronous", "n_microbatches": 4}
    with deploy(network, snapshots=str(tmp_path), snapshot_every=4, **options) as running:
        running.attach(train(loss=faulty(6), on_nonfinite="rewind"))
        history = running.wait(timeout=PATIENCE)
        (told,) = events(running.client, running.name, "rewound")
    assert "g0 to 4, g1 to 4 updates" in told["text"]
    assert [(report.epoch, report.samples, report.lost) for report in history] == [(n, 64, 0) for n in (1, 2, 3)]


def stream():
    x, y = numbers()
    return ((x[:16], y[:16]) for _ in itertools.count())


def test_samples_of_a_stream_that_a_rewound_pass_does_not_get_again_count_as_lost(tmp_path):
    with deploy(NETWORK, snapshots=str(tmp_path), snapshot_every=2) as running:
        options = {"concurrency": 1, "batches_per_pass": 4, "epochs": 3}
        running.attach(Sentinel.train(stream, loss=faulty(6, 8), on_nonfinite="rewind", batch_size=16, **options))
        history = running.wait(timeout=PATIENCE)
        rewound = events(running.client, running.name, "rewound")
    # Two batches and the bad one of the second pass are gone, then one and the bad one.
    assert [(report.epoch, report.samples, report.lost) for report in history] == [(1, 64, 0), (2, 64, 80), (3, 64, 0)]
    assert len(rewound) == 2


@dataclass(frozen=True, repr=False)
class Announced(Faulty):
    """Says that it was NaN, if it trains."""

    name: str = ""

    def __call__(self, y, target, *, need_dy=True):
        loss, dy = super().__call__(y, target, need_dy=need_dy)
        if np.isnan(loss):
            _ANNOUNCED[self.name].set()
        return loss, dy


_ANNOUNCED = {}


def test_gates_go_back_once_for_all_sentinels_that_their_numbers_have_failed(tmp_path, monkeypatch):
    names = "one", "two", "three"
    for number, name in enumerate(names):
        _ANNOUNCED[name], _CALLS[number + 6,] = threading.Event(), itertools.count()
    change_gates = _sentinels.change_gates

    async def after_all_have_failed(*args):
        for announced in _ANNOUNCED.values():
            await asyncio.to_thread(announced.wait, PATIENCE)
        return await change_gates(*args)

    monkeypatch.setattr(_sentinels, "change_gates", after_all_have_failed)
    with deploy(NETWORK, snapshots=str(tmp_path), snapshot_every=4) as running:
        for number, name in enumerate(names):
            loss = Announced(bad=(number + 6,), name=name)
            running.attach(train(loss=loss, on_nonfinite="rewind", name=name))
        history = running.wait(timeout=PATIENCE)
        told = [event["sentinel"] for event in events(running.client, running.name, "rewound")]
        restarted = {event["sentinel"]: event["text"] for event in events(running.client, running.name, "restarted")}
        running.snapshot()
    assert len(told) == 1 and restarted.keys() == set(names) - set(told)
    assert all("begins its pass again" in text and "the loss is nan" in text for text in restarted.values())
    assert sorted((report.sentinel, report.epoch, report.samples, report.lost) for report in history) == sorted(
        (name, epoch, 64, 0) for name in names for epoch in (1, 2, 3)
    )
    assert [run_store(tmp_path).load(gate).tree["state"]["rate"] for gate in NETWORK.names] == [0.5, 0.5]


def test_numbers_that_stay_bad_end_it_after_some_tries(tmp_path):
    with deploy(NETWORK, snapshots=str(tmp_path), snapshot_every=4) as running:
        running.attach(train(loss=faulty(*range(6, 100)), on_nonfinite="rewind"))
        with pytest.raises(NonFiniteError, match="lower the learning rate"):
            running.wait(timeout=PATIENCE)
        assert len(events(running.client, running.name, "rewound")) == 5


def test_without_snapshots_there_is_nothing_to_go_back_to():
    with deploy(NETWORK) as running:
        running.attach(train(loss=faulty(5), on_nonfinite="rewind"))
        with pytest.raises(NonFiniteError, match=r"give deploy\(snapshots=URL\)"):
            running.wait(timeout=PATIENCE)


def test_another_word_is_refused_where_it_is_written():
    with pytest.raises(SpecError, match="one of stop, skip, rewind, not 'ignore'"):
        train(on_nonfinite="ignore")


def test_reduced_learning_rates_persist_in_every_later_incarnation(tmp_path, eventually):
    def rates():
        return [run_store(tmp_path).load(gate).tree["state"]["rate"] for gate in NETWORK.names]

    with deploy(NETWORK, snapshots=str(tmp_path), snapshot_every=10**6) as running:
        running.attach(train(loss=faulty(6), on_nonfinite="rewind"))
        running.wait(timeout=PATIENCE)
        # The gates tell at once, for they may be lost before the next snapshot is due.
        eventually(lambda: rates() == [0.5, 0.5], seen=rates)
    with deploy(NETWORK, snapshots=str(tmp_path), resume=str(tmp_path)) as running:
        running.attach(train(loss=faulty(1), on_nonfinite="rewind", epochs=6))
        running.wait(timeout=PATIENCE)
    assert rates() == [0.25, 0.25]
