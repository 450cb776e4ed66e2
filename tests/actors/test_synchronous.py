"""Synchronous updates: a step of several micro-batches is one step with all their samples, whoever sends them."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from akkordeon_dask import Gate, Sentinel, data, nn, optim
from akkordeon_dask.actors import GateBehavior
from akkordeon_dask.messages import Address, Backward, Flush, StepEnd
from akkordeon_dask.tree import leaves
from tests.actors.test_message_laws import impatient
from tests.support import restarting_actors
from tests.support.gate_harness import Bench
from tests.support.joined_batches import train_jointly
from tests.support.numbered_samples import BACK, FRONT, HOME
from tests.support.recorded_order import batches_of
from tests.support.restarting_actors import RestartingCluster
from tests.support.simulated_cluster import PERFECT, SimulatedCluster
from tests.support.traced_actors import TracedGate

SEED = 4
LOSS = nn.SoftmaxCrossEntropy()


def three_gates(optimizer):
    layers = nn.Linear(6, 9) >> nn.Tanh(), nn.Linear(9, 7) >> nn.GELU(), nn.Linear(7, 3)
    first, *rest = [Gate(one, optimizer, dtype="float64") for one in layers]
    return first | rest[0] | rest[1]


def samples(number, seed):
    rng = np.random.default_rng(seed)
    return data.arrays(rng.normal(size=(number, 6)), rng.integers(0, 3, number), seed=seed)


class Steps:
    """The batches of each step that the first gate has ended, and those of the open one."""

    def __init__(self):
        self.ended, self.open = [], []

    def gates(self, base=GateBehavior):
        steps = self

        class RecordingGate(base):
            def _apply_gradient(self, computation):
                super()._apply_gradient(computation)
                if self.previous is None and computation.applies:
                    header = computation.header
                    steps.open.append((header.sentinel, header.pass_number, header.sequence))

            def end_step(self):
                super().end_step()
                if self.previous is None and steps.open:
                    steps.ended.append(steps.open)
                    steps.open = []

        return RecordingGate


def distance(cluster, params):
    trained = {gate.name: gate.versions.present.params for gate in cluster.gates}
    pairs = [zip(leaves(trained[name]), leaves(params[name]), strict=True) for name in trained]
    return max(float(np.abs(one - other).max()) for one, other in itertools.chain(*pairs))


PLANS = [
    # sentinels: samples, batch size, concurrency, epochs
    (3, {"one": (23, 5, 4, 5)}),
    (3, {"one": (23, 5, 1, 5)}),
    (4, {"one": (31, 4, 3, 2), "two": (40, 7, 2, 4)}),
    (6, {"one": (22, 3, 2, 3), "two": (29, 5, 2, 3), "three": (26, 4, 5, 4)}),
]


def scene(network, size, sentinels, steps, **weather):
    cluster = SimulatedCluster(network, seed=SEED, n_microbatches=size, gate_class=steps.gates(), **weather)
    return cluster, attached(cluster, sentinels)


def attached(cluster, sentinels):
    """Attach them; returns their batches."""
    batches = {}
    for seed, (name, (number, batch_size, concurrency, epochs)) in enumerate(sentinels.items()):
        provider = samples(number, seed)
        plan = {"batch_size": batch_size, "concurrency": concurrency, "epochs": epochs, "loss": LOSS, "scores": []}
        cluster.attach(name, Sentinel.train(provider, **plan))
        batches |= batches_of(provider, name, batch_size, epochs)
    return batches


def paces(seed):
    rng = np.random.default_rng(seed)
    return lambda: float(rng.choice([0.0, 0.01, 0.1, 0.5]))


@pytest.mark.parametrize("optimizer", [optim.SGD(0.3, momentum=0.9), optim.Adam(0.03)], ids=repr)
@pytest.mark.parametrize(("size", "sentinels"), PLANS)
def test_ten_steps_equal_a_loop_over_the_joined_batches(size, sentinels, optimizer):
    network, steps = three_gates(optimizer), Steps()
    cluster, batches = scene(network, size, sentinels, steps, pace=paces(size), help=paces(1))
    cluster.run(cluster.finished)
    assert sorted(itertools.chain(*steps.ended)) == sorted(batches)
    assert not steps.open
    assert len(steps.ended) >= 10
    assert max(map(len, steps.ended)) == size
    assert min(map(len, steps.ended)) < size
    assert distance(cluster, train_jointly(network, steps.ended, batches, loss=LOSS, seed=SEED)) < 1e-12
    assert distance(cluster, train_jointly(network, steps.ended[:-1], batches, loss=LOSS, seed=SEED)) > 1e-6
    for gate in cluster.gates:
        assert (gate.versions.present.updates, gate.versions.present.number) == (len(steps.ended), len(batches))
        assert set(gate.counts.delays) == {0}
        assert gate.held_versions == 1


def test_one_sentinel_makes_the_same_steps_however_fast_the_gates_are():
    made = set()
    for seed in range(5):
        steps = Steps()
        cluster, _ = scene(three_gates(optim.SGD(0.1)), 3, {"one": (23, 5, 4, 2)}, steps, pace=paces(seed))
        cluster.run(cluster.finished)
        made.add(repr([sorted(step) for step in steps.ended]))
        assert [len(step) for step in steps.ended] == [3, 2, 3, 2]
    assert len(made) == 1


def test_a_report_counts_the_updates_and_samples_up_to_the_end_of_its_pass():
    cluster, _ = scene(three_gates(optim.SGD(0.1)), 3, {"one": (23, 5, 4, 2)}, Steps())
    cluster.run(cluster.finished)
    assert [(one.updates, one.samples_trained) for one in cluster.reports["one"]] == [(2, 23), (4, 46)]


FATES = [PERFECT] * 12 + [()] * 3 + [(0.0, 0.0), (0.1,), (2.0,), (0.0, 0.5), (0.0, 9.0), (9.0,), (0.0, 45.0)]


@st.composite
def storms(draw):
    """Up to 80 messages are lost, repeated or late; the later ones arrive at once."""
    drawn = draw(st.binary(max_size=80))
    return itertools.chain((FATES[byte % len(FATES)] for byte in drawn), itertools.repeat(PERFECT))


@settings(max_examples=150, deadline=None, derandomize=True)
@given(storms(), st.integers(1, 3), st.integers(1, 7), st.integers(0, 5))
def test_lost_repeated_and_late_messages_change_no_number(fates, many, size, seed):
    rng, network, steps = np.random.default_rng(seed), three_gates(optim.SGD(0.03, momentum=0.9)), Steps()
    sentinels = {
        name: (int(rng.integers(4, 12)), int(rng.integers(1, 5)), int(rng.integers(1, 5)), 2)
        for name in ("one", "two", "three")[:many]
    }
    weather = {"fate": lambda message: next(fates), "pace": paces(seed), "timer": impatient, "max_attempts": 100}
    cluster, batches = scene(network, size, sentinels, steps, **weather)
    cluster.run(cluster.finished)
    assert sorted(itertools.chain(*steps.ended)) == sorted(batches)
    assert max(map(len, steps.ended)) <= size
    assert distance(cluster, train_jointly(network, steps.ended, batches, loss=LOSS, seed=SEED)) < 1e-12


@pytest.mark.parametrize("after", range(5, 200, 13))
def test_a_sentinel_that_leaves_in_the_middle_of_a_step_takes_nobody_with_it(after):
    events = itertools.count()

    def law():
        if next(events) == after:
            cluster.behaviors["two"].leave()

    sentinels = {"one": (20, 4, 2, 2), "two": (60, 4, 3, 2)}
    cluster, _ = scene(three_gates(optim.SGD(0.3)), 6, sentinels, Steps(), pace=paces(after))
    cluster.run(cluster.finished, law=law)
    assert [report.samples for report in cluster.reports["one"]] == [20, 20]
    assert len(cluster.reports["two"]) < 2
    assert len({gate.versions.present.updates for gate in cluster.gates}) == 1


@pytest.mark.parametrize("seed", range(5))
def test_a_gradient_that_is_being_computed_is_part_of_its_step_though_its_sentinel_leaves(seed):
    steps, sentinels = Steps(), {"one": (20, 4, 2, 2), "two": (60, 4, 2, 2)}
    cluster, _ = scene(three_gates(optim.SGD(0.3)), 2, sentinels, steps, pace=paces(seed), help=lambda: 0.3)
    gate, cell = cluster.gates[0], cluster.cells["gate g0"]
    cluster.run(lambda: cell.computing and gate.computes_gradient_of(("sentinel two", cluster.behaviors["two"].floor)))
    cluster.behaviors["two"].leave()
    cluster.run(cluster.finished)
    assert max(map(len, steps.ended)) == 2
    assert [set(gate.counts.delays) for gate in cluster.gates] == [{0}] * 3


def test_a_batch_that_is_given_up_holds_no_step_up():
    lost = []

    def fate(message):
        if isinstance(message, Backward) and message.header.sequence == 4 and message.dy is not None:
            lost.append(message)
            return ()
        return PERFECT

    steps = Steps()
    cluster, _ = scene(
        three_gates(optim.SGD(0.3)), 3, {"one": (40, 4, 2, 1)}, steps, fate=fate, timer=impatient, max_attempts=2
    )
    cluster.run(cluster.finished)
    assert [(one.samples, one.lost) for one in cluster.reports["one"]] == [(36, 4)]
    assert [len(step) for step in steps.ended] == [3, 3, 3]
    assert {gate.versions.present.updates for gate in cluster.gates} == {3}


def test_a_sentinel_whose_program_is_gone_delays_the_others_by_half_a_minute_at_most():
    steps = Steps()
    cluster, _ = scene(three_gates(optim.SGD(0.3)), 50, {"one": (8, 4, 2, 3), "gone": (400, 4, 2, 3)}, steps)
    cluster.run(lambda: len(steps.open) == 5)
    cluster.cells["sentinel gone"].stop()
    cluster.behaviors["gone"].gates = ()  # nobody hears that it leaves
    cluster.run(lambda: len(cluster.reports["one"]) == 3)
    assert cluster.now < 4 * 60


def test_a_paused_sentinel_is_waited_for_by_nobody():
    steps = Steps()
    cluster, _ = scene(three_gates(optim.SGD(0.3)), 50, {"one": (8, 4, 2, 3), "paused": (400, 4, 2, 3)}, steps)
    cluster.run(lambda: len(steps.open) == 5)
    cluster.behaviors["paused"].pause()
    cluster.run(lambda: len(cluster.reports["one"]) == 3)
    assert cluster.now < 5
    cluster.behaviors["paused"].resume()
    cluster.run(cluster.finished)
    assert [report.samples for report in cluster.reports["paused"]] == [400, 400, 400]


def test_a_consistent_cut_ends_the_step_and_changes_nothing_else():
    steps, sentinels = Steps(), {"one": (23, 5, 2, 3), "two": (40, 7, 3, 2)}
    network = three_gates(optim.SGD(0.3))
    cluster, batches = scene(network, 20, sentinels, steps, pace=paces(2))
    both = cluster.behaviors.values()
    cluster.run(lambda: len(steps.open) == 3)
    for behavior in both:
        behavior.hold("cut", 1000.0)
    cluster.run(lambda: all(behavior.quiet for behavior in both))
    held = {part.actor: part for part in (behavior.held_part("cut", "") for behavior in both)}
    parts = [gate.take_cut("cut", held) for gate in cluster.gates]
    assert {part.version.updates for part in parts} == {1}
    assert [part.version.accumulation for part in parts] == [None] * 3
    for behavior in both:
        behavior.release_from("cut")
    cluster.run(cluster.finished)
    assert sorted(itertools.chain(*steps.ended)) == sorted(batches)
    assert distance(cluster, train_jointly(network, steps.ended, batches, loss=LOSS, seed=SEED)) < 1e-12


@pytest.mark.parametrize("which", [0, 1, 2])
@pytest.mark.parametrize("after", range(3, 40, 4))
def test_a_gate_that_moves_in_the_middle_of_a_step_takes_it_along(after, which, monkeypatch):
    steps, network = Steps(), three_gates(optim.SGD(0.3))
    monkeypatch.setattr(restarting_actors, "TracedGate", steps.gates(TracedGate))
    move = lambda cluster: cluster.move(which, 0.05)  # noqa: E731
    cluster = RestartingCluster(
        network, troubles=[(after, move)] * 3, n_microbatches=4, pace=paces(after), timer=impatient
    )
    batches = attached(cluster, {"one": (23, 5, 3, 3), "two": (31, 7, 2, 3)})
    cluster.run(cluster.finished)
    assert len(cluster.former) == 3
    assert sorted(itertools.chain(*steps.ended)) == sorted(batches)
    assert distance(cluster, train_jointly(network, steps.ended, batches, loss=LOSS, seed=0)) < 1e-12


def test_an_end_that_a_former_first_gate_has_told_is_late():
    bench = Bench(n_microbatches=2)
    bench.behavior.wire(FRONT, BACK, FRONT)
    bench.round(0)
    assert bench.say(StepEnd("net", 1, Address("tcp://former", "former"), 7)) == [] and bench.version.updates == 0
    bench.round(1)
    (sent,) = bench.say(StepEnd("net", 1, FRONT, 1))
    assert (sent.to, sent.message.entry, sent.message.trained) == (BACK, FRONT, (1, 4))


def test_the_end_of_a_step_moves_with_a_gate():
    former, bench = Bench(n_microbatches=2), Bench(n_microbatches=2)
    end = StepEnd("net", 1, FRONT, 1)
    for one in (former, bench):
        one.behavior.wire(FRONT, BACK, FRONT)
    former.round(0)
    former.say(end)
    bench.behavior.import_state(former.behavior.export_state())
    bench.round(1)
    assert [sent.to for sent in bench.say(end)] == [BACK] and bench.version.updates == 1


def test_the_first_gate_knows_after_a_move_how_far_training_is():
    """Also where it tells one sentinel while another one sends."""
    other, flush = Address("tcp://other", "sentinel-2"), Flush("net", 1, HOME, 1)
    former, bench = (Bench(previous=None, next_=None, n_microbatches=2) for _ in range(2))
    for home in (other, HOME):
        former.round(0, home=home)
    assert [sent.message.trained for sent in former.say(flush)] == [(1, 4)]
    bench.behavior.import_state(former.behavior.export_state())
    assert [sent.message.trained for sent in bench.say(flush)] == [(1, 4)]


SHORT = [fate for fate in FATES if max(fate, default=0.0) < 9]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.binary(max_size=80), st.lists(st.tuples(st.integers(0, 60), st.integers(0, 2)), max_size=3), st.integers(1, 5)
)
def test_late_messages_of_a_gate_that_has_moved_end_no_step(drawn, moves, size):
    """Numbers and reports are those of gates that stay, whatever was lost, repeated or late meanwhile."""
    fates = itertools.chain((SHORT[byte % len(SHORT)] for byte in drawn), itertools.repeat(PERFECT))
    network, steps = three_gates(optim.SGD(0.3)), Steps()
    troubles = [(after, lambda cluster, which=which: cluster.move(which, 0.05)) for after, which in moves]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(restarting_actors, "TracedGate", steps.gates(TracedGate))
        cluster = RestartingCluster(
            network, troubles=troubles, n_microbatches=size,
            fate=lambda message: next(fates), timer=impatient, max_attempts=100,
        )  # fmt: skip
        batches = attached(cluster, {"one": (23, 5, 4, 2)})
        cluster.run(cluster.finished)
    assert sorted(itertools.chain(*steps.ended)) == sorted(batches)
    assert distance(cluster, train_jointly(network, steps.ended, batches, loss=LOSS, seed=0)) < 1e-12
    each = -(-5 // size)
    assert [(one.updates, one.samples_trained) for one in cluster.reports["one"]] == [(each, 23), (2 * each, 46)]
