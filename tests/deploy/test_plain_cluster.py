"""A cluster of scheduler.sh and worker.sh on one machine: how it ends."""

from dask.system import CPU_COUNT
from distributed import Client

from tests.support.leftovers import wait_until
from tests.support.programs import PATIENCE
from tests.support.services import address_in, service
from tests.support.workers import workers_now


def test_sigterm_ends_all_of_it_and_a_worker_whose_scheduler_goes_ends_without_a_failure(tmp_path):
    told = tmp_path / "scheduler.json"
    quiet = ("--dashboard", "no")
    worker = (*quiet, "--scratch", tmp_path)
    with (
        service(tmp_path, "s", "scheduler.sh", "--port", 0, *quiet, "--", "--scheduler-file", told) as scheduler,
        service(tmp_path, "a", "worker.sh", address_in(told), "--name", "alice", *worker) as alice,
        service(tmp_path, "b", "worker.sh", address_in(told), "--name", "bob", *worker) as bob,
    ):
        with Client(address_in(told), timeout=PATIENCE) as client:
            client.wait_for_workers(2, timeout=PATIENCE)
            info = workers_now(client)
            assert all(address.startswith("tcp://127.0.0.1:") for address in info)
            assert {worker["name"]: worker["nthreads"] for worker in info.values()} == dict.fromkeys(
                ("alice", "bob"), CPU_COUNT
            )
            alice.terminate()
            assert alice.wait(timeout=PATIENCE) == 0
            wait_until(lambda: len(workers_now(client)) == 1)
        scheduler.terminate()
        assert scheduler.wait(timeout=PATIENCE) == 0
        # So the unit of a worker restarts it always, not on a failure alone.
        assert bob.wait(timeout=PATIENCE) == 0
