"""Synchronous updates on two worker processes: every step is one with a large batch."""

import json
import os
import signal
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from akkordeon_dask import Gate, Sentinel, data, deploy, nn, optim
from akkordeon_dask.errors import SpecError
from akkordeon_dask.tree import leaves
from tests.support.joined_batches import train_jointly
from tests.support.leftovers import wait_until
from tests.support.patience import PATIENCE
from tests.support.recorded_order import batches_of
from tests.support.restarting_workers import pair

LOSS, SEED = nn.SoftmaxCrossEntropy(), 3
SENTINELS = {"one": (60, 7, 4), "two": (41, 9, 2), "three": (52, 5, 3)}
"""Samples, samples of a batch, batches in flight."""


@dataclass(frozen=True, repr=False)
class Recorder(nn.Linear):
    """Writes down with which parameters it has computed which batch of training."""

    path: str = ""

    def forward(self, params, x, *, train=False, **options):
        if train and self.path:
            with Path(self.path).open("a") as file:
                file.write(json.dumps([params["b"].tolist(), x.tolist()]) + "\n")
        return super().forward(params, x, train=train, **options)

    def steps(self, batches):
        """The batches of each step, which all have met the same parameters."""
        known = {x.tobytes(): name for name, (x, _) in batches.items()}
        steps = {}
        for line in Path(self.path).read_text().splitlines():
            params, x = json.loads(line)
            steps.setdefault(tuple(params), set()).add(known[np.array(x).tobytes()])
        return [sorted(step) for step in steps.values()]


def network(processes, path=""):
    front, back = processes.two()
    optimizer = optim.SGD(0.2, momentum=0.9)
    first = Gate(Recorder(6, 9, path=str(path)) >> nn.Tanh(), optimizer, workers=front, dtype="float64")
    second = Gate(nn.Linear(9, 7) >> nn.GELU(), optimizer, workers=back, dtype="float64")
    return first | second | Gate(nn.Linear(7, 3), optimizer, workers=front, dtype="float64")


def samples(number, seed):
    rng = np.random.default_rng(seed)
    return data.arrays(rng.normal(size=(number, 6)), rng.integers(0, 3, number), seed=seed)


@pytest.mark.parametrize(("many", "size"), [(1, 5), (2, 5), (3, 8)])
def test_ten_steps_equal_a_loop_over_the_joined_batches(processes, tmp_path, many, size):
    spec, epochs, batches = network(processes, tmp_path / "steps"), 5, {}
    with deploy(spec, processes.client, seed=SEED, updates="synchronous", n_microbatches=size) as running:
        for seed, (name, (number, batch_size, concurrency)) in list(enumerate(SENTINELS.items()))[:many]:
            provider = samples(number, seed)
            plan = {"batch_size": batch_size, "concurrency": concurrency, "epochs": epochs, "scores": []}
            running.attach(Sentinel.train(provider, name=name, loss=LOSS, **plan))
            batches |= batches_of(provider, name, batch_size, epochs)
        history = running.wait(timeout=PATIENCE)
        trained, statistics = running.parameters(), running.statistics()
    recorder = spec.gates[0].chain.layers[0]
    ended = recorder.steps(batches)
    assert len(ended) >= 10
    assert sorted(name for step in ended for name in step) == sorted(batches)
    assert max(map(len, ended)) == size
    wanted = train_jointly(spec, ended, batches, loss=LOSS, seed=SEED)
    distance = [np.abs(a - b).max() for a, b in zip(leaves(trained), leaves(wanted), strict=True)]
    assert max(distance) < 1e-12
    assert {statistics[gate].counts.updates for gate in spec.names} == {len(ended)}
    assert max(report.updates for report in history) == len(ended)


def test_the_loss_of_a_gate_s_worker_in_the_middle_of_a_step_holds_nobody_up(tmp_path):
    with pair() as processes:
        options = {"updates": "synchronous", "n_microbatches": 1000, "snapshots": str(tmp_path)}
        front, back = processes.two()
        optimizer = optim.SGD(0.2)
        spec = Gate(nn.Linear(6, 9) >> nn.Tanh(), optimizer, workers=front) | Gate(nn.Linear(9, 3), optimizer)
        with deploy(spec, processes.client, **options) as running:
            lost = running.placement["g1"]
            assert lost == back
            plan = {"batch_size": 5, "concurrency": 3, "epochs": 3, "loss": LOSS, "workers": front}
            first = running.attach(Sentinel.train(samples(2000, 1), name="one", **plan))
            second = running.attach(Sentinel.train(samples(3000, 2), name="two", **plan))
            wait_until(lambda: running.statistics()["g1"].counts.batches > 50)
            os.kill(processes.pid(lost), signal.SIGKILL)
            running.wait(timeout=PATIENCE)
            assert [report.samples for report in first.reports] == [2000] * 3
            assert [report.samples for report in second.reports] == [3000] * 3
            counts = [running.statistics()[gate].counts for gate in ("g0", "g1")]
            assert all(count.updates >= 3 for count in counts)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"updates": "sometimes"}, "'asynchronous' or 'synchronous', not 'sometimes'"),
        ({"updates": "synchronous"}, "needs n_microbatches"),
        ({"updates": "synchronous", "n_microbatches": 0}, "n_microbatches"),
        ({"updates": "synchronous", "n_microbatches": 2.5}, "n_microbatches"),
        ({"n_microbatches": 4}, "give both, or none"),
    ],
)
def test_what_makes_no_step_is_refused(wrong, says):
    with pytest.raises(SpecError, match=says):
        deploy(Gate(nn.Linear(2, 2), optim.SGD(0.1)), **wrong)


def test_gates_that_accumulate_by_themselves_are_refused():
    with pytest.raises(SpecError, match="'g0' has accumulate=3"):
        deploy(Gate(nn.Linear(2, 2), optim.SGD(0.1), accumulate=3), updates="synchronous", n_microbatches=4)
