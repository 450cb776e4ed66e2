"""Sentinels join and leave while the network trains: the short form of `make chaos`."""

import os
import random
import threading
import time

import pytest

from akkordeon_dask import Sentinel, data
from tests.support.patience import PATIENCE
from tests.support.small_networks import NETWORK, numbers

DURATION = float(os.environ.get("AKKORDEON_CHAOS_SECONDS", "10" if os.environ.get("CI") else "5"))
SENTINELS = 20


def sentinels():
    """Twenty that differ in data, batches, credits, worker and purpose; with the samples that each pass has."""
    made = {}
    for number in range(SENTINELS):
        samples = 16 + 13 * number
        provider = data.arrays(*numbers(samples), seed=number)
        options = {"batch_size": 5 + number % 7, "concurrency": 1 + number % 4, "workers": str(number % 2)}
        purpose = Sentinel.validate if number % 5 == 4 else Sentinel.train
        if purpose is Sentinel.validate:
            options["every"] = "50ms"
        name = f"{'validates' if number % 5 == 4 else 'trains'}{number}"
        made[name] = (purpose(provider, name=name, **options), samples)
    return made


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0])
def test_twenty_sentinels_join_and_leave_and_nothing_of_them_stays(seed, user, nothing_left, eventually):
    dice, known, there = random.Random(seed), sentinels(), {}
    with user.deploy(NETWORK) as running:
        heard = threading.Event()
        running.plain.subscribe(lambda report: heard.set())
        end, joined = time.monotonic() + DURATION, 0
        while time.monotonic() < end or joined < SENTINELS / 2:
            name = dice.choice(list(known))
            if name in there:
                running.detach(there.pop(name))
            else:
                there[name] = running.attach(known[name][0])
                joined += 1
            heard.clear()
            if any(name.startswith("trains") for name in there):
                assert heard.wait(PATIENCE), f"nobody finished a pass: {there}"
        for attached in there.values():
            running.detach(attached)
        # What they had sent last is dropped when its turn comes: a question overtakes it.
        eventually(lambda: not any(gate.mailbox.waiting for gate in running.statistics().values()))
        statistics = running.statistics()
        passes = list(running.history)
        updates = {gate.version for gate in statistics.values()}
    assert {gate.contexts for gate in statistics.values()} == {0}
    assert {gate.counts.failed for gate in statistics.values()} == {0}
    assert min(updates) > 0
    assert passes
    for report in passes:
        assert report.samples + report.lost == known[report.sentinel][1], report
        assert report.lost == 0
    nothing_left()
