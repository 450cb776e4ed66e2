"""The original's session: a network over three workers, and its sentinels in programs of their own, on all of MNIST."""

import os
import re
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.dialogues import akkordeon
from tests.support.leftovers import wait_until
from tests.support.programs import LINE, running_cluster

PATIENCE = 100.0
"""Seconds for a pass over all of MNIST: programs train, rate and start on the same cores."""
MNIST = Path(os.environ.get("AKKORDEON_DATA", "nowhere")) / "mnist"

DIGITS = """
from akkordeon_dask import Gate, nn, optim

network = (
    Gate(nn.Scale(33.3, 78.6) >> nn.Linear(784, 50) >> nn.ReLU(), optim.DCASGDa(0.03), workers="alice")
    | Gate(nn.Linear(50, 20) >> nn.ReLU(), optim.DCASGDa(0.03), workers="bob")
    | Gate(nn.Linear(20, 10), optim.DCASGDa(0.03), workers="carol")
)
"""


def seen(program):
    """The program's passes: sentinel, epoch and accuracy."""
    found = LINE.finditer("\n".join(program.out))
    return [(m["sentinel"], int(m["epoch"]), float(m["scores"].removeprefix("accuracy: "))) for m in found]


def passes(program, number):
    """Wait until it has shown so many passes."""
    program.line(lambda _: len(seen(program)) >= number, within=PATIENCE)


def best(program):
    return max((accuracy for _, _, accuracy in seen(program)), default=0.0)


@pytest.mark.timeout(4 * PATIENCE)
@pytest.mark.skipif(not MNIST.is_dir(), reason="needs all of MNIST: `make data`, and AKKORDEON_DATA")
def test_programs_train_one_network_together_join_late_leave_early_and_die(tmp_path):
    (tmp_path / "digits.py").write_text(DIGITS)
    with ExitStack() as stack:
        cluster = stack.enter_context(running_cluster(tmp_path, names=("alice", "bob", "carol")))
        at = "--scheduler", cluster.address

        def program(*args):
            return stack.enter_context(akkordeon(*args, *at))

        def sentinel(mode, *args):
            return program("sentinel", "digits", "--mode", mode, "--data", "mnist", *args)

        owner = program("network", f"{tmp_path / 'digits.py'}:network", "--name", "digits")
        owner.line("join it", within=60)
        for gate, name in (("g0", "alice"), ("g1", "bob"), ("g2", "carol")):
            owner.line(lambda line, gate=gate, name=name: gate in line and cluster.workers[name] in line)
        validates = sentinel("validate", "--batch-size", 1000, "--every", "2s")
        trains = sentinel("train", "--batch-size", 64, "--concurrency", 3)
        passes(trains, 1)

        late = sentinel("train", "--take", 3000, "--batch-size", 64, "--concurrency", 1)
        passes(late, 2)
        doomed = sentinel("train", "--take", 3000, "--seed", 1, "--batch-size", 64, "--concurrency", 4)
        passes(doomed, 1)
        doomed.kill()
        before = len(seen(trains)), len(seen(validates))
        assert late.interrupt() == 0
        assert re.match(r"end +sentinel train1 has left after \d+ passes", late.out[-1])

        def goes_on():
            return len(seen(trains)) > before[0] and len(seen(validates)) > before[1]

        wait_until(lambda: goes_on() and best(validates) >= 0.96, PATIENCE, lambda: (best(validates), before))
        for guest in (trains, validates):
            assert guest.interrupt() == 0 and guest.err == []
        assert {name for name, _, _ in seen(trains)} == {"train0"}
        assert owner.interrupt() == 0 and owner.err == []
