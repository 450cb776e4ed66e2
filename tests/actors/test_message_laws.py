"""Gates and sentinels together keep their promises whatever happens to their messages."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import chain

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from akkordeon_dask import Sentinel
from akkordeon_dask.actors.gate._behavior import GateBehavior
from akkordeon_dask.actors.gate._computations import Evaluation
from akkordeon_dask.actors.sentinel._retransmission import RetransmissionTimer
from akkordeon_dask.nn import Chain
from tests.support.numbered_samples import NumberedLoss, Numbers, counted, numbered, small_network
from tests.support.simulated_cluster import PERFECT, SimulatedCluster

laws = settings(max_examples=300, deadline=None, derandomize=True)

DELAYS = (0.0, 0.1, 0.5, 2.0, 9.0, 45.0, 200.0)
"""Seconds: far below and far above `impatient` deadlines, and above the leases of pins."""


def impatient():
    return RetransmissionTimer(first=10.0, least=1.0, factor=2.0)


def patient():
    return RetransmissionTimer(first=1000.0, least=1000.0)


class WatchedGate(GateBehavior):
    """Counts the updates by each batch, and keeps which parameters each pass of evaluation read."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.chain = Watched(self.chain)
        self.updates = Counter()
        self.read, self.opened = defaultdict(list), Counter()

    def apply(self, work):
        number = self.versions.present.number
        super().apply(work)
        if self.versions.present.number != number:
            self.updates[work.header.batch] += self.versions.present.number - number
        if type(work) is Evaluation:
            which = work.header.reply_to, work.header.pass_number
            versions = self.read[which]
            if work.header.opening and work.header.attempt > self.opened[which]:
                # What earlier attempts read has come to nothing: the pass begins with this one.
                self.opened[which] = work.header.attempt
                versions.clear()
            used = next(params for y, params in self.chain.evaluated if y is work.y)
            if not any(used is known for known in versions):
                versions.append(used)


class Watched(Chain):
    """Remembers which parameters an output was made with."""

    def __init__(self, layers):
        super().__init__(layers)
        object.__setattr__(self, "evaluated", [])

    def forward(self, params, x, *, train=False, **options):
        y, context = super().forward(params, x, train=train, **options)
        if not train:
            self.evaluated.append((y, params))
        return y, context


@dataclass(frozen=True)
class Storm:
    """The fates of the first messages; the later ones arrive at once."""

    fates: tuple
    paces: tuple
    helps: tuple

    def weather(self):
        fates, paces, helps = iter(self.fates), iter(self.paces), iter(self.helps)
        return {
            "fate": lambda message: next(fates, PERFECT),
            "pace": lambda: next(paces, 0.0),
            "help": lambda: next(helps, None),
        }


delays = st.sampled_from(DELAYS)
paces = st.lists(st.sampled_from([0.0, 0.01, 0.3]), max_size=30).map(tuple)
helps = st.lists(st.sampled_from([None, 0.0, 0.2]), max_size=30).map(tuple)
shuffled = st.tuples(st.sampled_from(DELAYS[:3]))
repeated = st.lists(delays, min_size=1, max_size=3).map(lambda late: (0.0, *late))
lost = st.just(())


def storms(*fates, most=60):
    """Each message meets one of the `fates`, each as often as the others, until up to `most` have been sent."""
    lengths = st.integers(0, most)
    met = lengths.flatmap(lambda length: st.lists(st.one_of(*fates), min_size=length, max_size=length))
    return st.builds(Storm, met.map(tuple), paces, helps)


@st.composite
def scenes(draw, storms, validators=0, max_attempts=(5,), timer=impatient):
    """A simulated cluster with its sentinels attached, and how many samples each of them has."""
    cluster = SimulatedCluster(
        small_network(draw(st.integers(1, 3))),
        **draw(storms).weather(), timer=timer, gate_class=WatchedGate,
        max_attempts=draw(st.sampled_from(max_attempts)),
    )  # fmt: skip
    has = {}
    options = {"loss": NumberedLoss(), "scores": [Numbers()]}
    for number in range(draw(st.integers(1, 2))):
        name, samples = f"train{number}", draw(st.integers(4, 20))
        plan = {"epochs": draw(st.integers(1, 3)), "concurrency": draw(st.integers(1, 4))}
        cluster.attach(name, Sentinel.train(numbered(samples), batch_size=4, **plan, **options))
        has[name] = samples
    for number in range(validators):
        name, samples = f"validate{number}", draw(st.integers(4, 20))
        plan = {"every": draw(st.sampled_from([0.5, 3.0])), "concurrency": draw(st.integers(1, 3))}
        cluster.attach(name, Sentinel.validate(numbered(samples), batch_size=4, **plan, **options))
        has[name] = samples
    return cluster, has


def keeps_credits(cluster):
    """A law for after each event: the batches in flight never exceed the credits."""

    def law():
        for behavior in cluster.behaviors.values():
            assert 0 <= behavior.in_flight <= behavior.sentinel.concurrency
            assert behavior.credits == behavior.sentinel.concurrency - behavior.in_flight

    return law


def finish(cluster):
    cluster.run(cluster.finished, law=keeps_credits(cluster))
    for behavior in cluster.behaviors.values():
        assert behavior.state == ("running" if behavior.sentinel.mode == "validate" else "resting"), behavior.error
        behavior.pause()
    cluster.run(
        lambda: all(behavior.in_flight == 0 for behavior in cluster.behaviors.values()), law=keeps_credits(cluster)
    )


def passes_are_accounted_for(cluster, has):
    for name, reports in cluster.reports.items():
        sentinel = cluster.behaviors[name].sentinel
        assert sorted(report.epoch for report in reports) == list(range(1, len(reports) + 1))
        assert len(reports) == sentinel.epochs or sentinel.mode == "validate"
        for report in reports:
            assert counted(report) <= set(range(has[name]))
            assert report.samples + report.lost == has[name]


def nothing_is_left(cluster):
    cluster.close()
    assert all(behavior.in_flight == 0 and behavior.state == "left" for behavior in cluster.behaviors.values())
    assert all(gate.contexts == 0 and gate.held_versions == 1 for gate in cluster.gates)


@laws
@given(storms(shuffled, st.tuples(st.sampled_from(DELAYS[:4]))), st.integers(1, 4), st.integers(1, 3))
def test_with_one_sentinel_no_gradient_is_more_than_twice_its_concurrency_late(storm, concurrency, gates):
    cluster = SimulatedCluster(small_network(gates), **storm.weather(), timer=patient, gate_class=WatchedGate)
    options = {"loss": NumberedLoss(), "scores": [Numbers()]}
    cluster.attach("train0", Sentinel.train(numbered(80), batch_size=4, concurrency=concurrency, epochs=2, **options))
    finish(cluster)
    for gate in cluster.gates:
        assert sum(gate.counts.delays.values()) == 40
        assert max(gate.counts.delays) <= (2 * concurrency if concurrency > 1 else 0)


@pytest.mark.slow
@laws
@given(scenes(storms(shuffled, repeated, lost)))
def test_promises_4_6_and_7_training_ends_with_each_sample_counted_once_and_each_credit_returned(scene):
    cluster, has = scene
    finish(cluster)
    passes_are_accounted_for(cluster, has)
    for gate in cluster.gates:
        assert set(gate.updates.values()) <= {1}
        assert gate.counts.updates == gate.versions.present.number == len(gate.updates)
    nothing_is_left(cluster)


@settings(laws, max_examples=150)
@given(scenes(storms(shuffled, repeated)))
def test_promises_6_and_7_late_batches_are_resent_and_not_lost(scene):
    cluster, has = scene
    finish(cluster)
    passes_are_accounted_for(cluster, has)
    assert all(report.lost == 0 for reports in cluster.reports.values() for report in reports)
    nothing_is_left(cluster)


@settings(laws, max_examples=100)
@given(scenes(storms(shuffled, repeated), timer=patient, max_attempts=(1, 5)))
def test_promises_6_and_7_in_good_time_each_batch_is_sent_once_and_updates_each_gate_once(scene):
    cluster, has = scene
    finish(cluster)
    passes_are_accounted_for(cluster, has)
    assert all(report.lost == report.resent == 0 for reports in cluster.reports.values() for report in reports)
    batches = sum(behavior.sentinel.epochs * -(-has[name] // 4) for name, behavior in cluster.behaviors.items())
    assert all(gate.counts.updates == batches for gate in cluster.gates)
    nothing_is_left(cluster)


@settings(laws, max_examples=100)
@given(scenes(storms(shuffled)))
def test_promise_4_mailboxes_hold_no_more_than_the_credits_allow(scene):
    cluster, _ = scene
    finish(cluster)
    most = sum(behavior.sentinel.concurrency for behavior in cluster.behaviors.values())
    assert all(1 <= cluster.mailbox(place).statistics().peak <= most for place in cluster.gate_addresses)


@settings(laws, max_examples=100)
@given(scenes(storms(lost, shuffled, most=150), max_attempts=(1, 2)))
def test_promise_7_abandoned_batches_are_reported_lost(scene):
    cluster, has = scene
    finish(cluster)
    passes_are_accounted_for(cluster, has)
    nothing_is_left(cluster)


@pytest.mark.slow
@settings(laws, max_examples=150)
@given(scenes(storms(shuffled, repeated, lost, st.tuples(delays)), validators=2))
def test_promise_8_a_validation_pass_reads_one_version_of_each_gate(scene):
    cluster, has = scene
    finish(cluster)
    passes_are_accounted_for(cluster, has)
    for gate in cluster.gates:
        assert all(len(versions) == 1 for versions in gate.read.values())
        assert set(gate.updates.values()) <= {1}
    nothing_is_left(cluster)


@pytest.mark.slow
def test_the_storms_reach_every_corner_of_these_laws():
    """Not a law of the package but of this file: whatever the gates and sentinels are ready for does happen in it."""
    seen = Counter()
    stormy = storms(shuffled, repeated, lost, st.tuples(delays))

    @settings(laws, max_examples=300, database=None, phases=[Phase.generate])
    @given(scenes(stormy, validators=1) | scenes(stormy, max_attempts=(1, 2)))
    def look(scene):
        cluster, _ = scene
        finish(cluster)
        for report in chain.from_iterable(cluster.reports.values()):
            seen.update({"lost": report.lost, "resent": report.resent})
        seen["gave way"] += sum(cluster.mailbox(place).statistics().replaced for place in cluster.gate_addresses)
        for gate in cluster.gates:
            seen.update(gate.counts.dropped)
            seen["delayed"] += sum(delay > 0 for delay in gate.counts.delays)
            seen["evaluated passes"] += len(gate.read)

    look()
    corners = ["lost", "resent", "delayed", "gave way", "repeated forward", "second update of a batch"]
    corners += ["finished batch", "backward without its forward", "evaluated passes"]
    assert not [corner for corner in corners if seen[corner] < 5], seen
