"""deploy/slurm on a real Slurm cluster: munged, slurmctld and two slurmd on the loopback interface."""

import importlib.util
import os
import subprocess
import sys
from argparse import Namespace

import dask.config
import pytest
from distributed import Client

from akkordeon_dask import Sentinel, data, deploy
from tests.support.leftovers import wait_until
from tests.support.programs import PATIENCE
from tests.support.restarting_workers import events
from tests.support.slurm import jobs, slurm, slurm_cluster
from tests.support.small_networks import three_gates
from tests.support.system_tools import give_up
from tests.support.workers import workers_now

pytestmark = [pytest.mark.slow, pytest.mark.cluster]


@pytest.fixture(scope="module")
def queue(tmp_path_factory):
    """The environment of a cluster with two nodes. A job that is cancelled is missed after as long as users have it."""
    if importlib.util.find_spec("dask_jobqueue") is None:
        give_up("needs dask-jobqueue: pip install dask-jobqueue")
    missed = dask.config.set({"distributed.deploy.lost-worker-timeout": "15s"})
    with slurm_cluster(tmp_path_factory.mktemp("slurm")) as environment, pytest.MonkeyPatch.context() as patch, missed:
        patch.setenv("SLURM_CONF", environment["SLURM_CONF"])
        yield environment


@pytest.fixture
def program(deploy_folder):
    """deploy/slurm/cluster.py as a module."""
    spec = importlib.util.spec_from_file_location("slurm_program", deploy_folder / "slurm" / "cluster.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def args(**more):
    """Its arguments."""
    usual = {"partition": "short", "account": None, "cores": 1, "memory": "1GB", "interface": "lo", "tls": None}
    return Namespace(**{**usual, "walltime": "00:10:00", "python": sys.executable, **more})


def minutes(queue, job):
    """The whole minutes for which it has run."""
    return int(slurm(queue, "squeue", "-h", "-j", job, "-o", "%M").split(":")[-2])


def test_the_program_trains_on_jobs_over_tls_and_cancels_them(queue, deploy_folder, certificates, tmp_path):
    options = ["--partition", "short", "--cores", "1", "--memory", "1GB", "--walltime", "00:05:00", "--epochs", "1"]
    command = [sys.executable, deploy_folder / "slurm" / "cluster.py", *options, "--interface", "lo"]
    done = subprocess.run(
        [*command, "--tls", certificates / "me", "--save", "net.safetensors"],
        env=queue, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "test accuracy " in done.stdout and (tmp_path / "net.safetensors").stat().st_size > 100_000
    wait_until(lambda: not jobs(queue), seen=lambda: jobs(queue))


def test_gates_leave_a_job_before_its_time_limit_and_a_job_in_the_queue_takes_its_place(
    queue, program, tmp_path, monkeypatch
):
    from dask_jobqueue import SLURMCluster

    monkeypatch.chdir(tmp_path)
    options = program.options(args())
    assert options["job_extra_directives"] == ["--signal=B:TERM@60"]
    options["job_extra_directives"] = ["--signal=B:TERM@110"]
    with SLURMCluster(**options) as cluster, Client(cluster) as client:
        cluster.scale(jobs=3)
        client.wait_for_workers(2, timeout=PATIENCE)
        wait_until(lambda: sorted(jobs(queue).values()) == ["PENDING", "RUNNING", "RUNNING"])
        brief, other = sorted(workers_now(client))
        numbers = client.run(os.getenv, "SLURM_JOB_ID")
        with deploy(three_gates(g0=brief, g1=other), client, name="limited") as running:
            running.attach(Sentinel.train(data.mnist_sample("train", take=640), batch_size=64))
            # From one to two minutes are left of the limit then, which counts in whole ones.
            limit = minutes(queue, numbers[brief]) + 2
            slurm(queue, "scontrol", "update", f"JobId={numbers[brief]}", f"TimeLimit={limit}")
            wait_until(lambda: set(running.placement.values()) == {other})
            wait_until(lambda: list(jobs(queue).values()) == ["RUNNING"] * 2, seen=lambda: jobs(queue))
            client.wait_for_workers(2, timeout=PATIENCE)
            running.wait(epochs=1, timeout=PATIENCE)
            assert {one.lost for one in running.history} == {0}
        assert numbers[brief] not in jobs(queue) and brief not in workers_now(client)
    wait_until(lambda: not jobs(queue), seen=lambda: jobs(queue))


def test_a_cancelled_job_is_replaced_by_an_adaptive_cluster(queue, program, tmp_path, monkeypatch):
    from dask_jobqueue import SLURMCluster

    monkeypatch.chdir(tmp_path)
    with SLURMCluster(**program.options(args())) as cluster, Client(cluster) as client:
        cluster.adapt(minimum_jobs=2, maximum_jobs=2, interval="500ms")
        client.wait_for_workers(2, timeout=PATIENCE)
        first, second = sorted(workers_now(client))
        numbers = client.run(os.getenv, "SLURM_JOB_ID")
        options = {"snapshots": str(tmp_path / "snapshots"), "snapshot_every": 5}
        with deploy(three_gates(g0=first, g1=second), client, name="adaptive", **options) as running:
            running.attach(Sentinel.train(data.mnist_sample("train", take=640), batch_size=64))
            running.wait(epochs=1, timeout=PATIENCE)
            slurm(queue, "scancel", numbers[first])
            wait_until(lambda: first not in running.placement.values())
            wait_until(lambda: len(workers_now(client)) == 2 and first not in workers_now(client))
            running.wait(epochs=1, timeout=PATIENCE)
            assert events(client, "adaptive", "moved", "restarted")
        cluster.adapt(minimum_jobs=0, maximum_jobs=0)
    wait_until(lambda: not jobs(queue), seen=lambda: jobs(queue))
