"""`dask worker` as a program of its own, for stories of workers that end."""

import os
from contextlib import contextmanager

from tests.support.leftovers import wait_until
from tests.support.patience import PATIENCE, scaled
from tests.support.programs import started
from tests.support.workers import workers_now

LIMITS = {"supervision.patience": scaled(5), "batch.deadline": scaled(2), "batch.min-deadline": scaled(0.3)}


class Program:
    """`dask worker`, and that of its processes which holds the gates."""

    def __init__(self, process, address, pid) -> None:
        self.process, self.address, self.pid = process, address, pid

    def ended(self) -> None:
        """Wait for it: it ends by itself."""
        self.process.wait(timeout=PATIENCE)


@contextmanager
def worker(client, name, *options, **limits):
    """One that the scheduler knows."""

    def there():
        found = workers_now(client)
        return [address for address, facts in found.items() if facts["name"] == name]

    wait_until(lambda: not there(), seen=there)
    environment = {
        "DASK_AKKORDEON__" + key.upper().replace(".", "__").replace("-", "_"): value
        for key, value in {**LIMITS, **limits}.items()
    }
    command = ("-m", "dask", "worker", client.scheduler.address, "--name", name, "--nthreads", "1", "--no-dashboard")
    with started(*command, "--host", "127.0.0.1", *options, **environment) as process:
        wait_until(there)
        (address,) = there()
        yield Program(process, address, client.run(os.getpid, workers=[address])[address])


def is_gone(client, address):
    """Wait until the scheduler does not know the worker."""
    wait_until(lambda: address not in workers_now(client))
