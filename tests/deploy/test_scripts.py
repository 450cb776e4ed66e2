"""The shell scripts: they are sound, teach, and say what is missing."""

import re
import shutil
import subprocess

import pytest

from tests.support.patience import PATIENCE
from tests.support.system_tools import need

SCRIPTS = ("make-certificates.sh", "scheduler.sh", "worker.sh")
SHARED = "common.sh"
ADDRESS = "127.0.0.1:8786"


@pytest.mark.parametrize("name", [*SCRIPTS, SHARED])
def test_a_posix_shell_reads_it(deploy_folder, name):
    shells = [shell for shell in ("dash", "sh", "bash") if shutil.which(shell)]
    assert shells
    for shell in shells:
        subprocess.run([shell, "-n", deploy_folder / name], check=True, timeout=PATIENCE)


def test_shellcheck_finds_nothing(deploy_folder):
    need("shellcheck", "shellcheck")
    command = ["shellcheck", "-x", *(deploy_folder / name for name in (*SCRIPTS, SHARED))]
    done = subprocess.run(
        command, cwd=deploy_folder.parent, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("name", SCRIPTS)
def test_help_lists_every_option_and_every_variable(deploy_folder, script, name):
    done = script(name, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    text = (deploy_folder / name).read_text(encoding="utf-8")
    options = set(re.findall(r"^ +(?:-h \| )?(--[a-z-]+)\)", text, re.MULTILINE))
    variables = set(re.findall(r"\$\{(AKKORDEON_[A-Z]+)", text))
    assert options >= {"--help"}
    assert {word for word in options | variables if word not in done.stdout} == set()
    assert "[default: " in done.stdout


@pytest.mark.parametrize("call", [("scheduler.sh",), ("worker.sh", ADDRESS)])
def test_every_option_that_it_hands_on_is_one_of_dask(deploy_folder, script, call):
    text = (deploy_folder / call[0]).read_text(encoding="utf-8")
    handed = [line for line in text.splitlines() if "set -- " in line or "exec " in line or line.startswith("    --")]
    options = set(re.findall(r"(?<= )--[a-z][a-z-]+", " ".join(handed)))
    assert len(options) > 5
    helped = script(*call, "--", "--help").stdout
    assert {option for option in options if not re.search(rf"{option}\b", helped)} == set()


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (("scheduler.sh", "--tls", "nowhere"), "nowhere/ca.pem is missing: "),
        (("scheduler.sh", "--port"), "--port needs a value"),
        (("scheduler.sh", "--port", "http"), "the port is a number, not 'http'"),
        (("scheduler.sh", "--prot", "1"), "unknown argument '--prot'"),
        (("worker.sh",), "which scheduler? worker.sh tcp://HOST:8786, or AKKORDEON_SCHEDULER=tcp://HOST:8786"),
        (("worker.sh", "--tls", "nowhere"), "which scheduler? worker.sh tls://HOST:8786"),
        (("worker.sh", ADDRESS, "--tls", "nowhere"), "nowhere/ca.pem is missing: "),
        (("worker.sh", ADDRESS, "--nam", "alice"), "unknown option '--nam'"),
        (("worker.sh", ADDRESS, "--name"), "--name needs a value"),
        (("worker.sh", f"tls://{ADDRESS}"), "--tls FOLDER with ca.pem, cert.pem and key.pem is missing"),
        (("worker.sh", f"tcp://{ADDRESS}", "--tls", "x"), f"with --tls write tls://{ADDRESS}"),
        (("worker.sh", f"http://{ADDRESS}"), "begins with tcp:// or tls://"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_an_error_says_what_to_do(script, call, said):
    done = script(*call)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("missing", ["ca.pem", "cert.pem", "key.pem"])
def test_a_missing_certificate_is_named_with_the_script_that_makes_it(script, tmp_path, missing):
    for name in {"ca.pem", "cert.pem", "key.pem"} - {missing}:
        (tmp_path / name).touch()
    done = script("scheduler.sh", AKKORDEON_TLS=str(tmp_path))
    assert f"{tmp_path / missing} is missing: " in done.stderr
    assert f"make-certificates.sh CA_FOLDER {tmp_path}" in done.stderr


@pytest.mark.parametrize("call", [("scheduler.sh",), ("worker.sh", ADDRESS)])
def test_without_dask_it_names_the_place_where_it_belongs(deploy_folder, script, tmp_path, plain_path, call):
    copy = tmp_path / "deploy"
    shutil.copytree(deploy_folder, copy)
    command = [copy / call[0], *call[1:]]
    done = subprocess.run(
        command, env={"PATH": plain_path}, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 2
    assert f"{tmp_path}/.venv/bin/pip install {tmp_path}" in done.stderr


@pytest.mark.parametrize("call", [("scheduler.sh",), ("worker.sh", ADDRESS)])
def test_a_configuration_that_is_not_there_is_an_error(script, call):
    done = script(*call, DASK_CONFIG="/nowhere/dask.yaml")
    assert done.returncode == 2
    assert "DASK_CONFIG=/nowhere/dask.yaml is not readable" in done.stderr


@pytest.fixture
def told(script, tmp_path):
    """`told(name, *args)`: the command that a script would run, and what it warned of."""
    echo = tmp_path / "dask"
    echo.write_text('#!/bin/sh\necho "$@"\n')
    echo.chmod(0o755)

    def run(*call, **more):
        done = script(*call, DASK=str(echo), **more)
        assert done.returncode == 0
        return done.stdout.split(), done.stderr

    return run


def test_without_tls_the_scheduler_listens_on_this_machine_only(told):
    command, warned = told("scheduler.sh")
    assert command[:1] == ["scheduler"]
    assert command[command.index("--host") + 1] == "127.0.0.1"
    assert command[command.index("--dashboard-address") + 1] == "127.0.0.1:8787"
    assert warned == ""
    command, warned = told("scheduler.sh", "--host", "0.0.0.0")
    assert "whoever reaches 0.0.0.0:8786 can run code as user" in warned


def test_without_tls_a_worker_of_another_machine_warns(told):
    command, warned = told("worker.sh", ADDRESS, "--name", "alice")
    assert command[:2] == ["worker", f"tcp://{ADDRESS}"]
    assert command[command.index("--host") + 1] == "127.0.0.1"
    assert warned == ""
    command, warned = told("worker.sh", "10.0.0.1:8786", "--name", "alice")
    assert "--host" not in command
    assert "can run code as user" in warned


def test_options_and_environment_say_the_same(told):
    options = ("--name", "alice", "--nthreads", "2", "--memory", "4GB", "--dashboard", "no", "--scratch", "/tmp/x")
    variables = {"NAME": "alice", "NTHREADS": "2", "MEMORY": "4GB", "DASHBOARD": "no", "SCRATCH": "/tmp/x"}
    by_environment = {f"AKKORDEON_{key}": value for key, value in variables.items()}
    assert told("worker.sh", ADDRESS, *options) == told("worker.sh", AKKORDEON_SCHEDULER=ADDRESS, **by_environment)
    command, _ = told("worker.sh", ADDRESS, *options)
    assert "--no-dashboard" in command
    pairs = {"--name": "alice", "--nthreads": "2", "--memory-limit": "4GB", "--local-directory": "/tmp/x"}
    assert {option: command[command.index(option) + 1] for option in pairs} == pairs


def test_arguments_after_two_dashes_go_to_dask(told):
    assert told("worker.sh", ADDRESS, "--", "--worker-port", "9000")[0][-2:] == ["--worker-port", "9000"]
    assert told("scheduler.sh", "--", "--idle-timeout", "1h")[0][-2:] == ["--idle-timeout", "1h"]
