"""A training sentinel goes on where it was in an earlier run."""

import pytest

from akkordeon_dask.errors import SpecError
from tests.support.gate_versions import versions
from tests.support.leftovers import wait_until
from tests.support.patience import PATIENCE
from tests.support.restarting_workers import events, run_folder
from tests.support.small_networks import NETWORK, SAMPLES, train

LONG = 400
"""Batches of a pass that does not end at once."""


def interrupted(user, folder, **options):
    """A run that is closed in the middle of a pass, not its first; gives what was reported of it."""
    with user.deploy(NETWORK, snapshots=folder, snapshot_every="1h") as running:
        attached = running.attach(train(16 * LONG, name="a", **options))
        wait_until(lambda: min(updates(running)) > LONG + 50)
    return attached.reports


def updates(running):
    return {*versions(running).values()}


def test_it_goes_on_in_the_pass_and_at_the_batch_where_it_was(user, tmp_path, nothing_left):
    done = interrupted(user, str(tmp_path))
    with user.deploy(NETWORK, resume=str(tmp_path)) as running:
        assert min(updates(running)) > LONG + 50
        end = len(done) + 3
        attached = running.attach(train(16 * LONG, name="a"), epochs=end)
        running.wait(timeout=PATIENCE)
        passes = [(report.epoch, report.samples, report.lost) for report in [*done, *attached.reports]]
        assert passes == [(epoch, 16 * LONG, 0) for epoch in range(1, end + 1)]
        assert updates(running) <= {end * LONG, end * LONG + 1, end * LONG + 2}  # two were under way when it was closed
    nothing_left()


def test_a_connected_client_chooses_whether_a_sentinel_resumes(user, somebody, tmp_path):
    done = interrupted(user, str(tmp_path))
    with user.deploy(NETWORK, name="resumed", resume=str(tmp_path)), somebody.connect("resumed") as joined:
        again = joined.attach(train(16 * LONG, name="a", epochs=len(done) + 2), resume=True)
        afresh = joined.attach(train(16 * LONG, name="b", epochs=1))
        joined.wait(timeout=PATIENCE)
        assert [report.epoch for report in again.reports] == [len(done) + 1, len(done) + 2]
        assert [report.epoch for report in afresh.reports] == [1]


def test_a_program_finds_the_position_in_the_run_that_was_resumed_to_another_place(user, somebody, tmp_path):
    first, second = str(tmp_path / "first"), str(tmp_path / "second")
    with user.deploy(NETWORK, snapshots=first) as running:
        running.attach(train(name="a", epochs=2))
        running.wait(timeout=PATIENCE)
    resumed = user.deploy(NETWORK, name="elsewhere", resume=first, snapshots=second)
    with resumed, somebody.connect("elsewhere") as joined:
        for last, epochs in ((3, [3]), (5, [4, 5])):  # then its own position, which is newer, counts
            attached = joined.attach(train(name="a", epochs=last), resume=True)
            joined.wait(timeout=PATIENCE)
            joined.detach(attached)
            assert [report.epoch for report in attached.reports] == epochs


def test_a_sentinel_attached_again_begins_with_the_first_pass(user, tmp_path):
    with user.deploy(NETWORK, snapshots=str(tmp_path)) as running:
        running.attach(train(epochs=2))
        running.wait(timeout=PATIENCE)
    with user.deploy(NETWORK, resume=str(tmp_path)) as running:
        for epochs in ([3], [1, 2, 3]):
            attached = running.attach(train(epochs=3))
            running.wait(timeout=PATIENCE)
            running.detach(attached)
            assert [report.epoch for report in attached.reports] == epochs


@pytest.mark.parametrize("other", [{"samples": 2 * SAMPLES}, {"batch_size": 8}, {"name": "b"}])
def test_another_name_other_data_or_other_batches_begin_with_the_first_pass(other, user, tmp_path):
    with user.deploy(NETWORK, snapshots=str(tmp_path)) as running:
        running.attach(train(name="a", epochs=2))
        running.wait(timeout=PATIENCE)
    with user.deploy(NETWORK, resume=str(tmp_path)) as running:
        fresh = running.attach(train(**{"name": "a", **other}, epochs=3))
        running.wait(timeout=PATIENCE)
        assert [report.epoch for report in fresh.reports] == [1, 2, 3]


def test_a_run_that_had_all_its_passes_rests_at_once(user, tmp_path):
    with user.deploy(NETWORK, snapshots=str(tmp_path)) as running:
        running.attach(train(epochs=2))
        running.wait(timeout=PATIENCE)
    with user.deploy(NETWORK, resume=str(tmp_path)) as running:
        attached = running.attach(train(epochs=2))
        running.wait(timeout=PATIENCE)
        assert attached.reports == [] and updates(running) == {2 * SAMPLES // 16}


def test_a_position_that_cannot_be_written_is_reported_and_training_continues(user, tmp_path):
    with user.deploy(NETWORK, snapshots=str(tmp_path), snapshot_every=1) as running:
        (run_folder(tmp_path) / "sentinels").write_bytes(b"no folder")
        attached = running.attach(train(name="a", epochs=3))
        running.wait(timeout=PATIENCE)
        assert [report.samples for report in attached.reports] == [SAMPLES] * 3
        wait_until(lambda: events(user.client, running.name, "snapshot failed"))


def test_a_network_without_snapshots_has_no_position_to_resume(user):
    with user.deploy(NETWORK) as running, pytest.raises(SpecError, match="keeps no snapshots, there is no position"):
        running.attach(train(), resume=True)
