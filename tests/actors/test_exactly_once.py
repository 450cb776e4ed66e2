"""Promise 7 whatever is lost, repeated, restarted or moved: with behaviors, without a cluster.

AKKORDEON_CASES says how many cases there are in all, of both laws together.
"""

import os
from collections import Counter
from dataclasses import dataclass
from functools import partial
from itertools import chain, product, repeat

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from akkordeon_dask import Sentinel
from akkordeon_dask.messages import Forward
from akkordeon_dask.tree import map_leaves
from tests.actors.test_message_laws import impatient, keeps_credits, patient
from tests.support.numbered_samples import NumberedLoss, Numbers, counted, numbered, small_network
from tests.support.patience import scaled_seconds
from tests.support.restarting_actors import RestartingCluster
from tests.support.simulated_cluster import PERFECT

CASES = int(os.environ.get("AKKORDEON_CASES", "2000"))

pytestmark = pytest.mark.timeout(scaled_seconds(120 + CASES // 5))

laws = settings(max_examples=CASES // 2, deadline=None, derandomize=True)

few = st.integers(0, 2)
DELAYS = (0.0, 0.1, 0.5, 2.0, 9.0, 45.0)
LATE = [(delay,) for delay in DELAYS] + [(0.0, *copies) for copies in product(DELAYS, repeat=2)]
LOSSES = [()] * 10
delays = st.sampled_from(DELAYS)


@dataclass(frozen=True)
class Incident:
    """Something that befalls a network; written as the call of the simulated cluster's method."""

    verb: str
    options: tuple

    def __call__(self, cluster):
        getattr(cluster, self.verb)(**dict(self.options))


def trouble(verb, **options):
    return st.fixed_dictionaries(options).map(lambda drawn: Incident(verb, tuple(drawn.items())))


def some(table, most=60):
    """Rows of the table, as few draws as can be; after them comes the first for ever."""
    rows = st.integers(0, most).flatmap(lambda length: st.binary(min_size=length, max_size=length))
    return rows.map(lambda drawn: chain((table[row % len(table)] for row in drawn), repeat(table[0])))


with_gates = st.one_of(
    trouble("lose", which=few, age=st.integers(0, 4), restarted=delays, wakes=st.none() | delays),
    trouble("move", which=few, pause=delays, fails=st.booleans()),
    trouble("adopt"),
)
with_any = with_gates | trouble("leave", which=few) | trouble("restart_sentinel", which=few, age=st.integers(0, 6))


@st.composite
def scenes(draw, troubles, validators, max_attempts, fates=(*LATE, *LOSSES), sizes=None):
    """A simulated cluster with its sentinels attached, and how many samples each of them has."""
    tables = fates, (0.0, 0.01, 0.3), (None, 0.0, 0.2), DELAYS
    fate, pace, help_, pause = (draw(some(table)) for table in tables)
    cluster = RestartingCluster(
        small_network(draw(st.integers(2, 3))),
        troubles=draw(st.lists(st.tuples(st.integers(0, 20), troubles), min_size=1, max_size=4)),
        fate=lambda message: next(fate), pace=partial(next, pace), help=partial(next, help_),
        pause=partial(next, pause),
        timer=impatient, max_attempts=draw(st.sampled_from(max_attempts)),
        n_microbatches=None if sizes is None else draw(sizes),
    )  # fmt: skip
    has, options = {}, {"batch_size": 2, "loss": NumberedLoss(), "scores": [Numbers()]}
    for number in range(draw(st.integers(1, 2))):
        name, samples = f"train{number}", draw(st.integers(2, 9))
        plan = {"epochs": draw(st.integers(1, 2)), "concurrency": draw(st.integers(1, 3))}
        cluster.attach(name, Sentinel.train(numbered(samples), **plan, **options))
        has[name] = samples
    for number in range(draw(st.integers(*validators))):
        name, samples = f"validate{number}", draw(st.integers(2, 9))
        plan = {"every": draw(st.sampled_from([2.0, 30.0])), "concurrency": draw(st.integers(1, 3))}
        cluster.attach(name, Sentinel.validate(numbered(samples), **plan, **options))
        has[name] = samples
    return cluster, has


def finish(cluster):
    """Let all come to their ends, which takes a bounded number of steps: all credits are home."""
    law = keeps_credits(cluster)
    cluster.run(cluster.finished, law=law)
    for behavior in cluster.behaviors.values():
        assert behavior.state in ("running" if behavior.sentinel.mode == "validate" else "resting", "left"), (
            behavior.error
        )
        behavior.pause()
    cluster.settle()
    cluster.run(lambda: not any(behavior.in_flight for behavior in cluster.behaviors.values()), law=law)


def each_sample_is_counted_once(cluster, has):
    for name, reports in cluster.reports.items():
        behavior = cluster.behaviors[name]
        assert [report.epoch for report in reports] == list(range(1, len(reports) + 1))
        assert len(reports) == behavior.sentinel.epochs or not behavior.trains or behavior.state == "left"
        for report in reports:
            assert counted(report) <= set(range(has[name]))
            assert report.samples + report.lost == has[name]


def no_life_is_updated_twice_with_a_batch(cluster):
    for gate in (*cluster.gates, *cluster.former):
        assert set(gate.updates.values()) <= {1}


def a_pass_reads_one_version_of_each_gate(cluster):
    for behavior in cluster.behaviors.values():
        for traces in behavior.passes.read.values() if not behavior.trains else ():
            for hops in zip(*traces, strict=True):
                assert len({id(params) for _, params in hops}) == 1
            assert all([gate for gate, _ in trace] == list(cluster.names) for trace in traces)


def nothing_is_left(cluster):
    cluster.close()
    for gate in cluster.gates:
        gate._lateness.expect(cluster.now + 1000.0)
        gate.on_timer(cluster.now + 1000.0)
        assert gate.contexts == 0 and gate.held_versions == 1
    assert all(behavior.in_flight == 0 and behavior.state == "left" for behavior in cluster.behaviors.values())


@pytest.mark.slow
@laws
@given(scenes(with_any, (0, 0), (1, 2, 5)))
def test_promises_4_and_7_each_sample_of_training_is_counted_once_whatever_happens(scene):
    cluster, has = scene
    finish(cluster)
    each_sample_is_counted_once(cluster, has)
    no_life_is_updated_twice_with_a_batch(cluster)
    nothing_is_left(cluster)


@pytest.mark.slow
@settings(laws, max_examples=CASES // 8)
@given(scenes(with_any, (0, 0), (1, 2, 5), sizes=st.integers(1, 5)))
def test_promises_4_and_7_hold_with_synchronous_updates_whatever_happens(scene):
    cluster, has = scene
    finish(cluster)
    each_sample_is_counted_once(cluster, has)
    no_life_is_updated_twice_with_a_batch(cluster)
    nothing_is_left(cluster)


stormy = scenes(with_any, (1, 2), (8,)) | scenes(with_gates, (1, 2), (8,), LATE)


@pytest.mark.slow
@laws
@given(stormy)
def test_promises_7_and_8_a_validation_pass_reads_one_version_whatever_happens(scene):
    cluster, has = scene
    finish(cluster)
    each_sample_is_counted_once(cluster, has)
    no_life_is_updated_twice_with_a_batch(cluster)
    a_pass_reads_one_version_of_each_gate(cluster)
    nothing_is_left(cluster)


def test_promise_8_a_late_copy_of_an_opening_batch_sets_no_pin_in_a_restarted_gate():
    late = {0: (0.0, 3.0), 1: (5.0,)}

    def fate(message):
        sent = isinstance(message, Forward) and message.x.shape[1] == 4
        return late.get(message.header.sequence, PERFECT) if sent else PERFECT

    cluster = RestartingCluster(small_network(2), fate=fate, timer=patient)
    front, back = cluster.gates
    back.replace(*back.versions.prepare(map_leaves(lambda leaf: leaf + 1, back.versions.present.params)))
    plan = {"batch_size": 2, "concurrency": 1, "loss": NumberedLoss(), "scores": [Numbers()]}
    behavior = cluster.attach("validate", Sentinel.validate(numbered(4), every=60.0, **plan))
    cluster.run_for(2.0)
    assert behavior.passes.samples == 2
    cluster.lose(1)
    cluster.run(lambda: cluster.reports["validate"])
    assert cluster.gates[1] is not back and behavior.restarts == 1
    a_pass_reads_one_version_of_each_gate(cluster)
    assert front.counts.dropped == {"repeated opening": 1}


@pytest.mark.slow
def test_the_troubles_reach_every_corner_of_these_laws():
    """Not a law of the package but of this file: what gates and sentinels are ready for does happen in it."""
    seen = Counter()

    @settings(laws, max_examples=400, database=None, phases=[Phase.generate])
    @given(stormy | scenes(with_any, (0, 0), (1, 2)))
    def look(scene):
        cluster, _ = scene
        finish(cluster)
        seen["restarted passes"] += sum(behavior.restarts for behavior in cluster.behaviors.values())
        seen["incarnations"] += len(cluster.former)
        for reports in cluster.reports.values():
            seen.update({"lost": sum(one.lost for one in reports), "resent": sum(one.resent for one in reports)})
        for gate in cluster.former:
            now = next(one for one in cluster.gates if one.name == gate.name)
            if not gate.migrating:
                seen["updated in two incarnations"] += len(gate.updates.keys() & now.updates.keys())
        for gate in (*cluster.gates, *cluster.former):
            seen.update(gate.counts.dropped)

    look()
    corners = [
        "restarted passes",
        "incarnations",
        "lost",
        "resent",
        "updated in two incarnations",
        "repeated opening",
        "pin unknown",
    ]
    corners += ["gate moved away", "other generation", "sentinel gone", "second update of a batch", "repeated forward"]
    assert not [corner for corner in corners if seen[corner] < 5], seen
