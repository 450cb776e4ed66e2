"""A single gate or sentinel on the bench: its behavior, a clock set by hand, and all messages that it sends."""

from typing import NamedTuple

import numpy as np

from akkordeon_dask import Gate, Sentinel, nn, optim
from akkordeon_dask.actors import GateBehavior, SentinelBehavior
from akkordeon_dask.actors.sentinel._behavior import BatchReady
from akkordeon_dask.actors.sentinel._retransmission import RetransmissionTimer
from akkordeon_dask.messages import Address, Backward, Forward, Message
from akkordeon_dask.tree import leaves
from tests.support.numbered_samples import BACK, FRONT, HOME, NumberedLoss, Numbers, header, numbered


def array(seed, *shape):
    """Numbers that nobody writes into."""
    values = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    values.flags.writeable = False
    return values


def bits(tree):
    """The arrays of a tree, to the bit."""
    return [(leaf.dtype, leaf.shape, leaf.tobytes()) for leaf in leaves(tree)]


HERE = Address("tcp://here", "g7")


class Sent(NamedTuple):
    """A message that the gate sent, and its version at that time."""

    to: Address
    message: Message
    version: int


class Bench:
    """A gate of 4 to 3 features.

    Parameters
    ----------
    layers, optimizer, policies
        the gate's.
    previous, next_
        its neighbours.
    n_microbatches
        of a synchronous step; None: it updates by itself.
    helped
        computations are left to other threads: they are put into `taken`.
    """

    def __init__(
        self, layers=None, optimizer=None, *, previous=FRONT, next_=BACK, helped=False, n_microbatches=None, **policies
    ):
        self.now, self.sent, self.taken = 100.0, [], []
        layers = layers or nn.Linear(4, 5) >> nn.Tanh() >> nn.Linear(5, 3)
        gate = Gate(layers, optimizer or optim.SGD(0.1), **policies)
        self.behavior = GateBehavior(
            gate, name="g7", network="net", generation=1, seed=3, worker="tcp://here",
            clock=lambda: self.now, send=self._send, address=HERE, n_microbatches=n_microbatches,
        )  # fmt: skip
        self._helped = helped
        self.behavior.wire(previous, next_)
        for leaf in leaves(self.version.params):
            leaf.flags.writeable = False

    def tick(self):
        """The timer comes, and is punctual."""
        self.behavior._lateness.expect(self.now)
        self.behavior.on_timer(self.now)

    def pass_time(self, seconds, *, step=1.0):
        """Let time pass in which the timer comes so often; only each second is punctual."""
        for _ in range(round(seconds / step)):
            self.now += step
            self.behavior.on_timer(self.now)

    def take_released(self):
        """Let the gate handle what it has sent to itself; returns the headers."""
        released = [sent.message for sent in self.sent if sent.to == HERE]
        self.sent = [sent for sent in self.sent if sent.to != HERE]
        for message in released:
            self.say(message)
        return [message.header for message in released]

    def _send(self, to, message):
        self.sent.append(Sent(to, message, self.version.number))

    def say(self, message):
        """Let the gate handle a message; returns the messages that it sends."""
        before = len(self.sent)
        computation = self.behavior.receive(message)
        if computation is not None and self._helped:
            self.taken.append(computation)
        elif computation is not None:
            computation.run()
            self.behavior.apply(computation)
            computation.send()
        return self.sent[before:]

    def forward(self, sequence=0, *, seed=None, **options):
        """A batch of two samples."""
        return self.say(Forward(header(sequence, **options), array(sequence if seed is None else seed, 2, 4)))

    def backward(self, sequence=0, *, seed=None, **options):
        """The gradient of a batch."""
        seed = 1000 + sequence if seed is None else seed
        return self.say(Backward(header(sequence, **options), array(seed, 2, 3)))

    def round(self, sequence, **options):
        """A batch there and back."""
        return self.forward(sequence, **options) + self.backward(sequence, **options)

    def evaluate(self, sequence=0, *, pass_number=1, opening=False, home=HOME, mode="validate", **options):
        """A batch of validation."""
        options |= {"pass_number": pass_number, "opening": opening, "mode": mode, "home": home}
        return self.forward(sequence, seed=0, **options)

    @property
    def version(self):
        """The present version of the gate's parameters."""
        return self.behavior.versions.present

    @property
    def number(self):
        """Updates so far."""
        return self.version.number

    @property
    def dropped(self):
        """Dropped messages, by reason."""
        return self.behavior.counts.dropped


class Played:
    """A sentinel whose batches are drawn, and whose gates answer, when the test says so.

    Parameters
    ----------
    reader
        a batch reader; None: `draw` gives it batches.
    check
        the behavior's.
    """

    def __init__(self, mode="train", *, max_attempts=3, first=10.0, reader=None, check=lambda batch: None, **options):
        self.now, self.sent, self.reports, self.number = 100.0, [], [], 0
        self.changes, self.notified = [], []
        options = {"loss": NumberedLoss(), "scores": [Numbers()], "concurrency": 3} | options
        self.behavior = SentinelBehavior(
            Sentinel(mode, numbered(40), **options), name="it", address=HOME, network="net", generation=1,
            gates=(FRONT, BACK), clock=lambda: self.now, send=lambda to, message: self.sent.append((to, message)),
            report=self.reports.append, notify=lambda *event: self.notified.append(event), changed=self._changed,
            check=check, timer=RetransmissionTimer(first=first, least=first), max_attempts=max_attempts,
        )  # fmt: skip
        self.behavior.reader = reader

    def _changed(self):
        self.changes.append((self.behavior.state, self.behavior.in_flight))

    def wake(self):
        """The reader has a batch."""
        self.behavior.receive(BatchReady())

    def draw(self, batches=1000, samples=2):
        """Submit batches while they may be drawn; returns the headers of those sent."""
        before = len(self.sent)
        while batches and self.behavior.can_draw():
            self.behavior.submit_batch(array(0, samples, 4), np.arange(self.number, self.number + samples))
            self.number += samples
            batches -= 1
        return [message.header for _, message in self.sent[before:]]

    def predictions(self, header, samples=2):
        """The last gate answers."""
        self.behavior.receive(Forward(header, array(header.sequence, samples, 3)))

    def end(self, header):
        """The first gate answers."""
        self.behavior.receive(Backward(header, None))

    def back(self, header):
        """Both gates answer: the batch completes."""
        self.predictions(header)
        self.end(header)

    def wait(self, seconds):
        """Let time pass; returns the seconds to the next timer."""
        self.now += seconds
        self.behavior._lateness.expect(self.now)
        return self.behavior.on_timer(self.now)
