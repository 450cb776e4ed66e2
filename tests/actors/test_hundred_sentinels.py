"""A hundred sentinels at once over the simulated cluster, their messages shuffled, repeated and delayed."""

import random

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from akkordeon_dask import Sentinel
from tests.actors.test_message_laws import WatchedGate, keeps_credits
from tests.support.numbered_samples import NumberedLoss, Numbers, counted, numbered, small_network
from tests.support.simulated_cluster import SimulatedCluster

MODES = ["train", "train", "validate", "test"]


def mixed(number):
    """The plan of one of the hundred."""
    mode = MODES[number % 4]
    plan = {"batch_size": 2 + number % 3, "concurrency": 1 + number % 3, "loss": NumberedLoss(), "scores": [Numbers()]}
    plan |= {"epochs": 1 + number % 2} if mode == "train" else {"every": 60.0}
    return Sentinel(mode, numbered(4 + number % 7, seed=number), **plan)


@settings(max_examples=3, deadline=None, derandomize=True, phases=[Phase.generate])
@given(st.integers(0, 2**32), st.sampled_from([0.0, 0.05, 0.3]))
def test_promises_4_to_8_a_hundred_sentinels_finish_whatever_happens_to_their_messages(seed, repeats):
    chance = random.Random(seed)

    def fate(message):
        copies = 1 + (chance.random() < repeats)
        return tuple(chance.expovariate(4.0) for _ in range(copies))

    cluster = SimulatedCluster(
        small_network(3), fate=fate, pace=lambda: chance.expovariate(1000.0),
        help=lambda: chance.choice([None, 0.001]), gate_class=WatchedGate,
    )  # fmt: skip
    for number in range(100):
        cluster.attach(f"s{number}", mixed(number))
    cluster.run(cluster.finished, law=keeps_credits(cluster), events=100_000)
    for behavior in cluster.behaviors.values():
        behavior.pause()
    cluster.run(lambda: not any(behavior.in_flight for behavior in cluster.behaviors.values()))

    for name, behavior in cluster.behaviors.items():
        assert behavior.error is None and behavior.state in ("paused", "resting")
        samples = set(range(len(behavior.sentinel.provider.x)))
        assert all(counted(report) == samples and not report.lost for report in cluster.reports[name])
        passes = {"train": behavior.sentinel.epochs, "test": 1}.get(behavior.sentinel.mode, len(cluster.reports[name]))
        assert len(cluster.reports[name]) == passes >= 1
    batches = sum(
        behavior.sentinel.epochs * -(-len(behavior.sentinel.provider.x) // behavior.sentinel.batch_size)
        for behavior in cluster.behaviors.values()
        if behavior.trains
    )
    for gate in cluster.gates:
        assert len(gate.updates) == gate.counts.updates == batches and set(gate.updates.values()) == {1}
        assert len(gate.read) >= 50 and all(len(versions) == 1 for versions in gate.read.values())
    cluster.close()
    assert all(gate.contexts == 0 and gate.held_versions == 1 for gate in cluster.gates)
    assert all(behavior.in_flight == 0 for behavior in cluster.behaviors.values())
