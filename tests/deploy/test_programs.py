"""The Python programs: they teach, say what is missing, and train on a stand-in of the cluster they ask for."""

import os
import subprocess
import sys

import pytest

from tests.support.programs import PATIENCE, environment, run

LOCAL = '''
import logging

from distributed import Client, LocalCluster


class Local(LocalCluster):
    """Its processes say nothing at their end: Dask's workers log the heartbeat that it cuts off as an error.

    Those of SLURM and SSH say it to a file, or to nobody.
    """

    def __exit__(self, *raised):
        with Client(self) as client:
            client.run(logging.disable, logging.ERROR)
        logging.disable(logging.ERROR)
        super().__exit__(*raised)
'''

SLURM = '''
from standin import Local


class SLURMCluster(Local):
    """Takes what dask-jobqueue 0.9 takes, and starts processes here."""

    def __init__(self, *, queue, account, cores, memory, processes, walltime, interface, security,
                 job_extra_directives, python, worker_extra_args, job_script_prologue, scheduler_options):
        assert (queue, cores, processes, walltime) == ("short", 2, 1, "00:10:00")
        assert job_extra_directives == ["--signal=B:TERM@60"]
        assert python.startswith("exec ")
        assert job_script_prologue[0].startswith("export DASK_CONFIG=")
        assert security.tls_worker_key == security.tls_client_key
        super().__init__(n_workers=0, threads_per_worker=1, security=security, **scheduler_options)

    def scale(self, n=0, *, jobs=None):
        return super().scale(n if jobs is None else jobs)
'''

SSH = '''
import runpy
import sys

import distributed
from standin import Local


def SSHCluster(hosts, *, connect_options, remote_python, worker_options, scheduler_options, security):
    """Takes what distributed's takes, and starts processes here."""
    assert hosts == ["a", "b", "c"]
    assert connect_options == {"port": 22, "username": "me"}
    assert worker_options == {"memory_limit": 0.8}
    assert security.require_encryption
    address = scheduler_options["dashboard_address"].rpartition(":")[0]
    return Local(len(hosts) - 1, security=security, dashboard_address=f"{address}:0", threads_per_worker=1)


if __name__ == "__main__":
    distributed.SSHCluster = SSHCluster
    del sys.argv[0]
    runpy.run_path(sys.argv[0], run_name="__main__")
'''


@pytest.fixture
def modules(tmp_path):
    """`modules(**source)`: a folder with these modules, for PYTHONPATH."""

    def write(**source):
        folder = tmp_path / "modules"
        folder.mkdir()
        for name, text in source.items():
            (folder / f"{name}.py").write_text(text, encoding="utf-8")
        return {"PYTHONPATH": os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])}

    return write


@pytest.mark.parametrize("name", ["ssh/cluster.py", "slurm/cluster.py"])
def test_help_teaches(deploy_folder, name):
    done = run(deploy_folder / name, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "--tls FOLDER" in done.stdout
    assert ".venv/bin/pip install" in done.stdout


@pytest.mark.parametrize(
    ("name", "args", "package", "module"),
    [
        ("slurm/cluster.py", (), "dask-jobqueue", "dask_jobqueue"),
        ("ssh/cluster.py", ("a", "b", "c"), "asyncssh", "asyncssh"),
    ],
)
def test_a_missing_package_is_named(deploy_folder, name, args, package, module):
    # An installed one is hidden: None in sys.modules stands for a module that is not there.
    hide = f"import runpy, sys; sys.modules[{module!r}] = None; del sys.argv[0]; "
    hide += "runpy.run_path(sys.argv[0], run_name='__main__')"
    done = run("-c", hide, deploy_folder / name, *args)
    assert done.returncode == 1
    assert done.stderr == f"{package} is missing: {sys.executable} -m pip install {package}\n"


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (("ssh/cluster.py", "a", "b"), "one host for the scheduler and two for workers, not 2"),
        (("slurm/cluster.py", "--workers", 1), "the two gates need two workers, not 1"),
    ],
)
def test_too_few_workers_are_an_error(deploy_folder, call, said):
    done = run(deploy_folder / call[0], *call[1:])
    assert done.returncode == 2
    assert said in done.stderr


def test_the_slurm_program_trains_saves_and_goes_on(deploy_folder, modules, certificates, tmp_path):
    path = modules(standin=LOCAL, dask_jobqueue=SLURM)
    save = tmp_path / "net.safetensors"
    options = ("--partition", "short", "--cores", 2, "--walltime", "00:10:00", "--epochs", 1)
    for resumes in (False, True):
        tls = ("--tls", certificates / "me", "--save", save)
        done = run(deploy_folder / "slurm/cluster.py", *options, *tls, **path)
        assert (done.returncode, done.stderr) == (0, "")
        assert (f"resumes from {save}" in done.stdout) == resumes
        assert f"parameters in {save}" in done.stdout
        assert save.stat().st_size > 100_000


def test_the_ssh_program_trains(deploy_folder, modules, certificates, tmp_path):
    path = modules(standin=LOCAL, asyncssh="")
    program = tmp_path / "program.py"
    program.write_text(SSH, encoding="utf-8")
    args = ("a", "b", "c", "--username", "me", "--tls", certificates / "me", "--epochs", 1)
    done = run(program, deploy_folder / "ssh/cluster.py", *args, **path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "test accuracy " in done.stdout


def test_dask_ssh_has_the_options_of_the_readme_and_reads_the_hosts(deploy_folder):
    readme = (deploy_folder / "README.md").read_text(encoding="utf-8")
    (command,) = [line for line in readme.splitlines() if "dask ssh" in line and "--hostfile" in line]
    done = subprocess.run(
        [sys.executable, "-m", "dask", "ssh", "--help"],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        env=environment(),
        check=True,
    )
    options = [word for word in command.split() if word.startswith("--")]
    assert len(options) > 2
    assert all(option in done.stdout for option in options)
    assert len((deploy_folder / "ssh/hosts.txt").read_text(encoding="utf-8").split()) == 3
