"""Small networks and data that tell which of their samples were seen."""

from dataclasses import dataclass

import numpy as np

from akkordeon_dask import Gate, Network, data, nn, optim
from akkordeon_dask.messages import Address, Header

CLASSES = 3


@dataclass(frozen=True, repr=False)
class NumberedLoss(nn.Loss):
    """Cross entropy; a target is the number of its sample, which also gives its class."""

    def __call__(self, y, target, *, need_dy=True):
        return nn.SoftmaxCrossEntropy()(y, target % CLASSES, need_dy=need_dy)


@dataclass(frozen=True, repr=False)
class Numbers(nn.Score):
    """Which samples were scored: sample i counts 2**i, so a pass's sum has its bit set where it was counted once."""

    name = "numbers"

    def __call__(self, y, target):
        return float(np.sum(2.0**target)) / len(y)


def counted(report):
    """The numbers of the samples that a pass counted, if it counted none of them twice."""
    total = round(report.scores["numbers"] * report.samples) if report.samples else 0
    seen = {number for number in range(total.bit_length()) if total >> number & 1}
    assert len(seen) == report.samples
    return seen


def numbered(samples, *, seed=0):
    """Up to 40 samples of 4 features; their targets are their numbers."""
    x = np.random.default_rng(seed).normal(size=(samples, 4)).astype(np.float32)
    return data.arrays(x, np.arange(samples), seed=seed)


def small_network(gates=2, optimizer=None, **policies):
    """4-5-...-5-3 with Dropout, in up to 4 gates."""
    inner = [nn.Linear(4, 5) >> nn.ReLU() >> nn.Dropout(0.2)]
    inner += [nn.Linear(5, 5) >> nn.Tanh() for _ in range(gates - 2)]
    pieces = [*inner, nn.Linear(5, CLASSES)] if gates > 1 else [inner[0] >> nn.Linear(5, CLASSES)]
    return Network([Gate(piece, optimizer or optim.DCASGDa(0.05), **policies) for piece in pieces])


FRONT = Address("tcp://front", "front")
BACK = Address("tcp://back", "back")
HOME = Address("tcp://home", "sentinel-1")


def header(sequence=0, *, attempt=1, mode="train", opening=False, home=HOME, **changes):
    """The header of a batch, as a sentinel would make it."""
    known = {
        "network": "net", "generation": 1, "sentinel": "train0", "reply_to": home, "pass_number": 1,
        "sequence": sequence, "floor": 0, "attempt": attempt, "mode": mode, "opening": opening, "deadline": 10.0,
    }  # fmt: skip
    return Header(**known | changes)
