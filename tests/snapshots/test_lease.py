"""A lease: one program writes below a URL, the next one is told its name, and the one that was taken over stops."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from akkordeon_dask.errors import CheckpointError
from akkordeon_dask.snapshots import (
    Lease,
    Process,
    SnapshotPolicy,
    SnapshotRecorder,
    SupersededError,
    check_newest,
    newest_lease,
    release_lease,
    run_url,
    take_lease,
)
from akkordeon_dask.snapshots._files import Files
from tests.support.patience import PATIENCE

RUN = "0123456789abcdef"
TREE = {"w": np.ones(3, np.float32)}


def wanted(url, run=RUN, network="digits", **facts):
    return Lease(str(url), 1, run, network, facts.pop("scheduler", "here"), Process.present(), "", **facts)


@pytest.fixture(params=["file", "memory"])
def url(request, tmp_path):
    return str(tmp_path) if request.param == "file" else f"memory://{tmp_path}"


def taken(one, *, take_over=False):
    try:
        return take_lease(one, take_over=take_over)
    except CheckpointError as error:
        return error


def test_a_second_program_is_refused_with_the_name_of_the_first(url):
    far = replace(Process.present(), host="far", machine="another")
    first = take_lease(replace(wanted(url), process=far), take_over=False)
    assert newest_lease(url) == newest_lease(run_url(url, 1, RUN)) == first
    elsewhere = f"by network 'digits' of program .*process {os.getpid()} on host 'far'.*end that program.*--take-over"
    with pytest.raises(CheckpointError, match=elsewhere):
        take_lease(wanted(url, run="f" * 16, scheduler="another"), take_over=False)
    with pytest.raises(CheckpointError, match=r"which is on this cluster: .*adopt\('digits', client\)"):
        take_lease(wanted(url, run="f" * 16), take_over=False)
    release_lease(first)
    assert take_lease(wanted(url, run="f" * 16), take_over=False).generation == 2


def test_who_was_taken_over_writes_no_more_and_says_so_once(tmp_path):
    first = take_lease(wanted(tmp_path), take_over=False)
    policy = SnapshotPolicy(run_url(str(tmp_path), first.generation, RUN[:12]), leased=True)
    told = []
    recorder = SnapshotRecorder(policy.store(), "g", 1, on_failure=lambda *said: told.append(said), policy=policy)
    try:
        recorder.write(TREE, 1)
        recorder.flush(PATIENCE)
        second = take_lease(wanted(tmp_path, run="f" * 16), take_over=True)
        for number in (2, 3):
            recorder.write(TREE, number)
            recorder.flush(PATIENCE)
        with pytest.raises(SupersededError, match="taken over by network 'digits'"):
            recorder.write_part(policy.store("cuts/one"), TREE, 4, {}).result(PATIENCE)
        release_lease(first)
        assert newest_lease(str(tmp_path)) == second
    finally:
        recorder.end(10)
    assert policy.store().numbers("g") == [1] and recorder.last == 1
    assert [event for event, _ in told] == ["snapshot failed"]
    release_lease(second)
    with pytest.raises(SupersededError):
        check_newest(policy)


def test_a_later_owner_of_the_same_run_stops_no_gate(tmp_path):
    first = take_lease(wanted(tmp_path), take_over=False)
    take_lease(replace(first, generation=2), take_over=True)
    check_newest(SnapshotPolicy(run_url(str(tmp_path), first.generation, RUN[:12]), leased=True))
    take_lease(wanted(tmp_path, run="f" * 16), take_over=True)
    check_newest(SnapshotPolicy(run_url(str(tmp_path), first.generation, RUN[:12])))  # it looks at no lease


def test_of_many_who_begin_at_once_one_has_it(tmp_path):
    ones = [wanted(tmp_path, run=f"{number:016x}") for number in range(16)]
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(taken, ones))
    (lease,) = [one for one in found if isinstance(one, Lease)]
    assert newest_lease(str(tmp_path)) == lease and lease.generation == 1
    assert all("is written by network 'digits'" in str(one) for one in found if one is not lease)


def test_of_many_who_take_over_at_once_each_has_another_generation(tmp_path):
    take_lease(wanted(tmp_path), take_over=False)
    ones = [wanted(tmp_path, run=f"{number:016x}") for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda one: taken(one, take_over=True), ones))
    generations = [one.generation for one in found]
    assert len(set(generations)) == 8 and min(generations) > 1  # some were skipped: taken over before they were held
    assert newest_lease(str(tmp_path)) == max(found, key=lambda one: one.generation)


def test_a_generation_that_later_owners_have_had_and_removed_is_not_taken_again(tmp_path, monkeypatch):
    create, slow = Files.create, wanted(tmp_path, run="f" * 16)

    def create_late(files, folder, name, content):
        monkeypatch.setattr(Files, "create", create)
        for number in range(2):
            take_lease(wanted(tmp_path, run=f"{number:016x}"), take_over=True)
        return create(files, folder, name, content)

    monkeypatch.setattr(Files, "create", create_late)
    lease = take_lease(slow, take_over=True)
    assert lease.generation == 3 and newest_lease(str(tmp_path)) == lease
    assert [path.name for path in (tmp_path / "leases").iterdir()] == ["000003.json"]


def test_the_lease_of_a_program_that_was_killed_on_this_host_is_taken_over_with_a_line(tmp_path, caplog):
    source = (
        "import sys; from tests.snapshots.test_lease import take_lease, wanted; "
        "print(take_lease(wanted(sys.argv[1]), take_over=False).process, flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", source, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
        process = program.stdout.readline().strip()
        assert f"process {program.pid} " in process
        assert isinstance(taken(wanted(tmp_path)), CheckpointError)
        program.kill()
        program.wait()
    assert taken(wanted(tmp_path)).generation == 2
    assert f"is taken over from network 'digits' of {process}" in caplog.text and "which is gone" in caplog.text


@pytest.mark.parametrize("elsewhere", [{"machine": "another boot/1:2"}, {"machine": None}, {"started": None}], ids=str)
def test_a_process_that_cannot_be_seen_from_here_is_never_said_to_be_gone(elsewhere):
    gone = replace(Process.present(), pid=2**22 + 1)
    assert gone.is_gone and replace(Process.present(), started=1).is_gone
    assert not replace(gone, **elsewhere).is_gone and not Process.present().is_gone


def test_a_lease_that_cannot_be_read_is_an_error_that_says_where_it_is(tmp_path):
    (tmp_path / "leases").mkdir()
    (tmp_path / "leases" / "000001.json").write_bytes(b"{")
    with pytest.raises(CheckpointError, match=r"the newest lease in .*leases' is none: see who writes there"):
        take_lease(wanted(tmp_path), take_over=True)


def test_a_program_that_ends_while_it_takes_a_lease_leaves_none_behind(tmp_path, monkeypatch):
    def ends(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", ends)
        with pytest.raises(KeyboardInterrupt):
            take_lease(wanted(tmp_path), take_over=False)
    assert newest_lease(str(tmp_path)) is None and list(tmp_path.glob("leases/*.json")) == []
    assert take_lease(wanted(tmp_path), take_over=False).generation == 1


def test_a_lease_is_taken_where_the_file_system_has_no_hard_links(tmp_path, monkeypatch):
    def link(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", link)
    first = take_lease(wanted(tmp_path), take_over=False)
    assert newest_lease(str(tmp_path)) == first
    assert not Files(str(tmp_path), {}).create("leases", "000001.json", b"another")
    assert newest_lease(str(tmp_path)) == first
    assert [path.name for path in (tmp_path / "leases").iterdir()] == ["000001.json"]
