"""Whatever happens to workers, links, disks and sentinels, training goes on and nothing is lost: see `make chaos`."""

import json
import os
import random
import statistics
from pathlib import Path

import click
import pytest

from tests.support.chaos_cluster import chaos
from tests.support.chaos_user import SAMPLES
from tests.support.leftovers import wait_until
from tests.support.machines import Machines
from tests.support.system_tools import give_up

MNIST = Path(os.environ.get("AKKORDEON_DATA", "nowhere")) / "mnist"
FAULTS = int(os.environ.get("AKKORDEON_FAULTS", "6"))
SEEDS = range(int(os.environ.get("AKKORDEON_CHAOS_SEEDS", "1")))
KINDS = ("kill", "stop", "cut", "write", "guest")


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """A scheduler, three workers with nannies and a client, each on a machine of its own where that can be."""
    if not MNIST.is_dir():
        give_up("needs all of MNIST: `make data`, and AKKORDEON_DATA")
    with chaos(tmp_path, monkeypatch) as made:
        yield made


def faults(dice, kinds):
    """Of each kind as many, the rest by chance, in any order."""
    chosen = [*kinds] * (FAULTS // len(kinds)) + dice.sample(kinds, FAULTS % len(kinds))
    dice.shuffle(chosen)
    return chosen


def complete(passes, samples):
    """Every pass accounts for each sample once, and none is missing or told twice."""
    assert [one["epoch"] for one in passes] == list(range(1, len(passes) + 1))
    assert [one["samples"] + one["lost"] for one in passes] == [samples] * len(passes)


def table(cluster, seed, disturbed, undisturbed, capsys):
    """Show how long each gate was without an update."""
    rows = [(fault.kind, gate, s) for fault in cluster.faults for gate, s in fault.recovered.items()]
    shown = [f"{kind:8} {gate:4} {s:6.2f} s" for kind, gate, s in rows]
    for chosen in (*KINDS, ""):
        times = [s for kind, _, s in rows if chosen in ("", kind)]
        if times:
            shown.append(f"{chosen or 'all':8} median {statistics.median(times):.2f} s, at most {max(times):.2f} s")
    shown.append(f"seed {seed}: {len(cluster.faults)} faults, accuracy {disturbed:.4f}, undisturbed {undisturbed:.4f}")
    with capsys.disabled():
        click.echo("\n" + "\n".join(shown))


@pytest.mark.timeout(120 + 20 * FAULTS)
@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_fails_no_sample_is_lost_and_it_learns_as_well(seed, cluster, capsys):
    dice = random.Random(seed)
    kinds = KINDS if isinstance(cluster.machines, Machines) else tuple(kind for kind in KINDS if kind != "cut")
    owner = cluster.user(seed)
    owner.await_passes(1)
    cluster.guest()
    owner.await_passes(3)
    for kind in faults(dice, kinds):
        cluster.pass_time(dice.uniform(0.5, 6), owner)
        cluster.strike(kind, owner, dice)
    cluster.until_healed(owner)
    owner.await_passes(len(owner.passes) + 2)
    wait_until(lambda: cluster.guests[-1].lines, within=60, seen=lambda: cluster.guests[-1].log)
    owner.end(cluster.guests[-1])

    complete(owner.passes, SAMPLES)
    assert owner.told("left") == []
    for guest in cluster.guests:
        complete([said for said in map(json.loads, guest.lines) if said["event"] == "pass"], SAMPLES // 4)
    assert json.loads(cluster.guests[-1].lines[-1])["event"] == "end", cluster.guests[-1].log
    owner.recoveries(cluster.faults)
    assert len(cluster.faults) == FAULTS
    assert all(fault.recovered.keys() == set(fault.gates) for fault in cluster.faults), cluster.faults

    calm = cluster.user(seed)
    calm.await_passes(1)
    guest = cluster.guest()
    calm.await_passes(len(owner.passes) - 2)
    calm.end(guest)
    table(cluster, seed, owner.told("accuracy"), calm.told("accuracy"), capsys)
    assert owner.told("accuracy") > calm.told("accuracy") - 0.005
