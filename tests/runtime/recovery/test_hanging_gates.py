"""A gate whose computation hangs is restarted on another worker where the user wants that, and only told otherwise."""

import dask.config
import pytest

from akkordeon_dask import Gate, deploy, nn
from tests.support.leftovers import wait_until
from tests.support.patience import scaled
from tests.support.restarting_workers import events, pair, run_store
from tests.support.small_networks import SAMPLES, SGD, HangsOnce, train


@pytest.fixture
def processes():
    settings = {"akkordeon.supervision.stuck": scaled(1), "akkordeon.supervision.stuck-restart": True}
    with dask.config.set(settings), pair() as found:
        yield found


def network(file, worker):
    return Gate(nn.Linear(6, 5) >> HangsOnce(str(file)), SGD, worker) | Gate(nn.Linear(5, 3), SGD, worker)


def test_a_gate_that_hangs_goes_on_elsewhere_and_what_it_sends_later_is_dropped(processes, tmp_path):
    client, file, held = processes.client, tmp_path / "hang", tmp_path / "hang.held"
    front, back = processes.two()
    with deploy(network(file, front), client, name="hangs", snapshots=tmp_path / "s", snapshot_every=1) as running:
        trains = running.attach(train(name="one", epochs=10**6))
        wait_until(lambda: run_store(tmp_path / "s").numbers("g0"))
        file.touch()
        wait_until(lambda: events(client, "hangs", "restarted"))
        before = len(trains.reports)
        wait_until(lambda: len(trains.reports) > before + 2)
        held.unlink()  # the former incarnation goes on, with a batch that was sent again meanwhile
        before = len(trains.reports)
        wait_until(lambda: len(trains.reports) > before + 10)
        (event,) = events(client, "hangs", "restarted")
        assert event["gate"] == "g0" and f"on {back} after" in event["text"] and "uses no CPU" in event["text"]
        assert running.placement == {"g0": back, "g1": front}
        assert {(one.samples, one.lost) for one in trains.reports} == {(SAMPLES, 0)}
        assert [one.epoch for one in trains.reports] == list(range(1, len(trains.reports) + 1))
    processes.nothing_left()


def test_a_gate_that_hangs_stays_where_no_other_worker_has_room(processes, tmp_path, caplog):
    client, file, held = processes.client, tmp_path / "hang", tmp_path / "hang.held"
    front, back = processes.two()
    client.retire_workers([back], close_workers=False, remove=True)
    wait_until(lambda: len(client.scheduler_info()["workers"]) == 1)
    with deploy(network(file, front), client, name="stays", snapshots=tmp_path / "s", snapshot_every=1) as running:
        trains = running.attach(train(name="one", epochs=10**6))
        wait_until(lambda: run_store(tmp_path / "s").numbers("g0"))
        file.touch()
        wait_until(lambda: "hangs and is not restarted" in caplog.text)
        held.unlink()
        before = len(trains.reports)
        wait_until(lambda: len(trains.reports) > before + 2)
        assert not events(client, "stays", "restarted")
        assert {(one.samples, one.lost) for one in trains.reports} == {(SAMPLES, 0)}
