"""The systemd units: they parse, and start what is there with options that exist."""

import re
import shutil
import subprocess

import pytest

from akkordeon_dask import config
from tests.support.patience import PATIENCE

UNITS = ("akkordeon-scheduler.service", "akkordeon-worker@.service")
HOME = "/opt/akkordeon"


def read(text):
    """The settings by (section, key), each a list: systemd lets a key come twice."""
    found, section = {}, ""
    for line in text.splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif line and not line.startswith("#"):
            key, equals, value = line.partition("=")
            assert equals, line
            found.setdefault((section, key), []).append(value)
    return found


@pytest.fixture(params=UNITS)
def unit(request, deploy_folder):
    return read((deploy_folder / "systemd" / request.param).read_text(encoding="utf-8"))


def test_it_starts_a_script_that_is_there_with_options_that_it_has(unit, deploy_folder, script):
    program, *args = unit["Service", "ExecStart"][0].split()
    path = deploy_folder.parent / program.removeprefix(f"{HOME}/")
    assert path.parent == deploy_folder
    assert path.stat().st_mode & 0o111
    helped = script(path.name, "--help").stdout
    assert all(f" {arg} " in helped for arg in args if arg.startswith("--"))


def test_it_has_its_settings_outside_and_ends_by_sigterm_in_time(unit):
    assert unit["Service", "EnvironmentFile"][0].startswith("/etc/akkordeon/")
    assert unit["Service", "KillSignal"] == ["SIGTERM"]
    assert 10 < int(unit["Service", "TimeoutStopSec"][0]) <= 60
    assert unit["Service", "User"] == ["akkordeon"]
    assert unit["Service", "NoNewPrivileges"] == ["yes"]
    assert unit["Service", "ProtectSystem"] == ["strict"]
    assert unit["Install", "WantedBy"] == ["multi-user.target"]


def test_a_worker_is_named_by_its_instance_and_comes_back_after_its_scheduler(deploy_folder):
    worker = read((deploy_folder / "systemd" / "akkordeon-worker@.service").read_text(encoding="utf-8"))
    assert worker["Service", "ExecStart"] == [f"{HOME}/deploy/worker.sh --name %i"]
    assert worker["Service", "EnvironmentFile"][1] == "-/etc/akkordeon/worker-%i.env"
    assert worker["Service", "Restart"] == ["always"]
    scheduler = read((deploy_folder / "systemd" / "akkordeon-scheduler.service").read_text(encoding="utf-8"))
    assert scheduler["Service", "Restart"] == ["on-failure"]


def test_a_worker_that_is_stopped_gets_the_time_to_leave(deploy_folder):
    worker = read((deploy_folder / "systemd" / "akkordeon-worker@.service").read_text(encoding="utf-8"))
    assert int(worker["Service", "TimeoutStopSec"][0]) >= config.seconds("supervision.leave") + 15
    assert worker["Service", "KillMode"] == ["mixed"]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
@pytest.mark.parametrize("name", UNITS)
def test_systemd_finds_nothing_wrong(deploy_folder, tmp_path, name):
    text = (deploy_folder / "systemd" / name).read_text(encoding="utf-8")
    copy = tmp_path / name.replace("@", "@alice")
    copy.write_text(text.replace(HOME, str(deploy_folder.parent)), encoding="utf-8")
    command = ["systemd-analyze", "verify", "--man=no", copy]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    said = [line for line in done.stderr.splitlines() if re.search(rf"{re.escape(copy.name)}|Unknown", line)]
    assert (done.returncode, said) == (0, [])
