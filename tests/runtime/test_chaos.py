"""Whatever happens to workers, links, disks and sentinels, training goes on and nothing is lost: see `make chaos`."""

import json
import os
import random
import time
from collections import Counter
from pathlib import Path

import click
import pytest

from tests.support.chaos_cluster import chaos
from tests.support.chaos_faults import kinds, strike
from tests.support.chaos_report import Report
from tests.support.chaos_user import SAMPLES
from tests.support.leftovers import wait_until
from tests.support.patience import scaled_seconds
from tests.support.system_tools import give_up

MNIST = Path(os.environ.get("AKKORDEON_DATA", "nowhere")) / "mnist"
FAULTS = int(os.environ.get("AKKORDEON_FAULTS", "4"))
SEEDS = range(int(os.environ.get("AKKORDEON_CHAOS_SEEDS", "1")))
TABLE = os.environ.get("AKKORDEON_CHAOS_TABLE")
LATE, CALM, ALONE = 600, 30, 0.8
"""Seconds in which every gate is updated again; passes of the run without faults; how often a fault waits until the
network has recovered from those before."""


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """A scheduler, three workers with nannies and a client, each on a machine of its own where that can be."""
    if not MNIST.is_dir():
        give_up("needs all of MNIST: `make data`, and AKKORDEON_DATA")
    with chaos(tmp_path, monkeypatch) as made:
        yield made


def complete(passes, samples):
    """Every pass accounts for each sample once, and none is missing or told twice."""
    assert [one["epoch"] for one in passes] == list(range(1, len(passes) + 1))
    assert [one["samples"] + one["lost"] for one in passes] == [samples] * len(passes)


def missing(cluster, owner):
    """Faults since which some gate has not been updated."""
    owner.recoveries(cluster.faults)
    return [fault for fault in cluster.faults if fault.recovered.keys() != {*fault.gates}]


def let_recover(cluster, owner):
    """Every gate is updated again soon after a fault."""
    while late := missing(cluster, owner):
        assert late[0].at > time.monotonic() - LATE, late
        cluster.pass_time(0.2, owner)


def told_as_they_were(owner, report):
    """The owner told of each gate that went back: to which update, and how many are lost."""
    told, seen = owner.rollbacks, owner.seen_rollbacks
    untold = Counter((one.gate, one.number) for one in seen) - Counter((one.gate, one.number) for one in told)
    happened = {(one.gate, one.number): one.lost for one in seen}
    for alone, words in ((False, "while others lived: about"), (True, "with all others: at least")):
        these = [one for one in told if one.all is alone]
        report.facts.append(
            f"{len(these)} times a gate was restarted from a snapshot {words} {sum(one.lost for one in these):,} "
            f"updates were told as lost, {sum(happened.get(one[:2], 0) for one in these):,} were seen to be."
        )
    assert not untold


def disturb(cluster, owner, dice, report):
    """All faults, one after the other."""
    for kind in kinds(cluster, dice, FAULTS):
        cluster.pass_time(dice.uniform(0.5, 4), owner)
        if dice.random() < ALONE:
            let_recover(cluster, owner)
        strike(kind, cluster, owner, dice)
        report.progress(cluster)
    let_recover(cluster, owner)
    cluster.until_healed(owner)
    owner.await_passes(len(owner.passes) + 2)
    wait_until(lambda: cluster.guests[-1].lines, within=300, seen=lambda: cluster.guests[-1].log)
    owner.end(cluster.guests[-1])


def check(cluster, owner, report):
    """The accounts, and that nothing is left."""
    complete(owner.passes, SAMPLES)
    assert owner.told("left") == []
    for guest in cluster.guests:
        complete([said for said in map(json.loads, guest.lines) if said["event"] == "pass"], SAMPLES // 4)
    assert json.loads(cluster.guests[-1].lines[-1])["event"] == "end", cluster.guests[-1].log
    assert len(cluster.faults) == FAULTS
    assert not missing(cluster, owner)
    told_as_they_were(owner, report)
    wait_until(lambda: not cluster.strangers(), seen=cluster.strangers)
    lost = sum(one["lost"] for one in owner.passes)
    report.facts.append(
        f"{len(owner.passes):,} passes of {SAMPLES:,} samples, {lost:,} samples of them reported as lost and none "
        "twice; no process, thread, key, name or link was left."
    )


@pytest.mark.timeout(scaled_seconds(300 + 20 * FAULTS))
@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_fails_no_sample_is_lost_and_it_learns_as_well(seed, cluster, tmp_path, capsys):
    def say(text):
        with capsys.disabled():
            click.echo(text)

    dice, report, owner, failure = random.Random(seed), Report(FAULTS, seed, say), None, None
    try:
        owner = cluster.user(seed)
        owner.await_passes(1)
        cluster.guest()
        owner.await_passes(3)
        disturb(cluster, owner, dice, report)
        check(cluster, owner, report)

        calm = cluster.user(seed)
        calm.await_passes(1)
        guest = cluster.guest()
        calm.await_passes(min(len(owner.passes) - 2, CALM))
        calm.end(guest)
        reached = owner.told("accuracy"), calm.told("accuracy")
        report.facts.append(f"Accuracy {reached[0]:.4f}, undisturbed {reached[1]:.4f}.")
        assert reached[0] > reached[1] - 0.005
    except BaseException as error:
        failure = error
        raise
    finally:
        report.write(Path(TABLE) if TABLE else tmp_path / "chaos.md", cluster, owner, failure)
