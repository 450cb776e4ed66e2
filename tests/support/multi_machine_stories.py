"""Tests of a network over several machines that hold with TLS and without."""

from dataclasses import dataclass
from urllib.parse import urlsplit

import numpy as np

from tests.support.leftovers import wait_until
from tests.support.multi_machine_cluster import Far, User
from tests.support.multi_machine_user import BATCH, SAMPLES, WIDTH, images, network, training
from tests.support.packet_capture import Capture
from tests.support.patience import PATIENCE

EPOCHS = 5


@dataclass
class Journey:
    """A training that has ended, and what was heard of it."""

    user: User
    alice: Capture
    """On alice's link."""
    scheduler: Capture
    """On the scheduler's link."""
    predictions: bytes
    """An array that bob has sent to alice."""


def travel(far: Far) -> Journey:
    """Train, rate and predict."""
    kept = far.folder / "predictions"
    with (
        far.machines.capture("alice") as alice,
        far.machines.capture("scheduler") as scheduler,
        far.user("--epochs", EPOCHS, "--predictions", kept) as user,
    ):
        user.finish()
    return Journey(user, alice, scheduler, kept.read_bytes())


class FarStories:
    """The stories. Who inherits them has the fixtures `far`, the cluster, and `journey`, a training on it."""

    def workers(self, far):
        """The addresses of alice and bob."""
        return far.machines.addresses["alice"], far.machines.addresses["bob"]

    def test_every_gate_is_on_the_host_it_asks_for(self, far, journey):
        said = journey.user.said[0]
        hosts = {gate: urlsplit(address) for gate, address in said["placement"].items()}
        assert {gate: (url.scheme, url.hostname) for gate, url in hosts.items()} == {
            "pippin": (far.protocol, far.machines.addresses["alice"]),
            "quince": (far.protocol, far.machines.addresses["bob"]),
        }
        assert [said["workers"][said["placement"][gate]] for gate in ("pippin", "quince")] == ["alice", "bob"]

    def test_it_learns(self, journey):
        first, *_, last = journey.user.passes()
        (report,) = journey.user.passes("test")
        assert last["loss"] < first["loss"] / 2
        assert report["scores"]["accuracy"] > first["scores"]["accuracy"]
        assert [(p["epoch"], p["samples"], p["lost"]) for p in journey.user.passes()] == [
            (epoch, SAMPLES, 0) for epoch in range(1, EPOCHS + 1)
        ]

    def test_one_batch_at_a_time_gives_what_it_gives_on_one_host(self, far, somebody):
        kept = far.folder / "exact"
        with far.user("--epochs", 1, "--concurrency", 1, "--predictions", kept) as user:
            user.finish()
        with somebody.deploy(network(front="0", back="1"), seed=7) as running:
            running.attach(training(1, concurrency=1))
            running.wait(timeout=PATIENCE)
            here = running.predict(images())
        there = np.frombuffer(kept.read_bytes(), here.dtype).reshape(here.shape)
        np.testing.assert_array_equal(there, here)

    def test_the_gates_talk_from_host_to_host_and_the_scheduler_sees_none_of_it(self, far, journey):
        (alice, bob), scheduler = self.workers(far), far.machines.addresses["scheduler"]
        assert journey.alice.missed == journey.scheduler.missed == 0
        activations = gradients = EPOCHS * SAMPLES * WIDTH * 4
        assert journey.alice.nbytes(alice, bob) > activations
        assert journey.alice.nbytes(bob, alice) > gradients
        assert all(scheduler in pair for pair in journey.scheduler.pairs)
        control = sum(journey.scheduler.nbytes(*pair) for pair in journey.scheduler.pairs)
        assert 0 < control < activations / 10

    def test_promise_7_a_cable_that_is_pulled_for_a_while_costs_no_sample_its_account(self, far):
        alice, bob = self.workers(far)
        with far.machines.capture("alice") as heard, far.user("--patience", "300ms") as user:
            user.await_passes(2)
            with far.machines.cut("bob"):
                before = heard.repeats(alice, bob)
                # TCP tries again after 0.2, 0.6, 1.4 s: batches are overdue by then.
                wait_until(lambda: heard.repeats(alice, bob) >= before + 3)
            user.await_passes(2)
            user.stop()
        passes = user.passes()
        assert [p["epoch"] for p in passes] == list(range(1, len(passes) + 1))
        assert [p["samples"] + p["lost"] for p in passes] == [SAMPLES] * len(passes)
        assert sum(p["resent"] for p in passes) > 0
        batches = (len(passes) + 1) * SAMPLES // BATCH
        assert all(said["version"] <= batches for said in user.said if "gate" in said)
