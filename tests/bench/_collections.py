"""A table larger than a worker's memory limit: a classifier is fitted from Parquet, while workers are killed."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dask.dataframe as dd
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from dask.utils import format_bytes
from distributed import Client, LocalCluster

from akkordeon_dask import Gate, Network, data, nn, optim
from akkordeon_dask.messages import TOPIC, PassReport
from akkordeon_dask.sklearn import AkkordeonClassifier
from tests.bench._worker_figures import import_all, moved_bytes, peak_bytes
from tests.support.workers import workers_now

__all__ = ["Fit", "Table", "bare_worker", "fit", "many_workers", "measure", "write_table"]

LABEL = "label"
HIDDEN = 50, 20
_SMALL = {"ARROW_DEFAULT_MEMORY_POOL": "system"}
"""What small workers need: Arrow's own pool keeps what it has read with."""
_EVERY = 0.2
"""Seconds between two looks at the workers."""


@dataclass(frozen=True)
class Table:
    """A table in a folder of Parquet files, one partition each."""

    folder: str
    rows: int
    nbytes: int
    """Of all rows in memory: features and label, a byte each."""

    def read(self) -> Any:
        """The frame of Dask."""
        return dd.read_parquet(self.folder)


def write_table(folder: Path, megabytes: float, part_megabytes: float) -> Table:
    """The shipped digits, repeated: 784 columns of uint8 and a label, written file by file."""
    source = data.open_source(data.mnist_sample("train", shuffle=False))
    digits, labels = next(iter(source.batches(1, 10_000)))
    assert labels is not None
    width = digits.shape[1] + 1
    many, each = int(megabytes * 1e6 / width), int(part_megabytes * 1e6 / width)
    for number, start in enumerate(range(0, many, each)):
        rows = np.arange(start, min(many, start + each)) % len(digits)
        columns = dict(zip(map(str, range(width - 1)), digits[rows].T.copy(), strict=True))
        pq.write_table(pa.table({**columns, LABEL: labels[rows].astype(np.uint8)}), folder / f"{number:05}.parquet")
    return Table(str(folder), many, many * width)


@contextmanager
def many_workers(number: int, limit: str) -> Iterator[Client]:
    """A client of `dask worker --nworkers ... --memory-limit ...`, whose nannies restart what is killed."""
    options = ("--nworkers", str(number), "--nthreads", "1", "--memory-limit", limit, "--no-dashboard", "--nanny")
    with (
        tempfile.TemporaryDirectory() as folder,
        LocalCluster(n_workers=0, dashboard_address=":0") as scheduler,
        Client(scheduler) as client,
        (Path(folder) / "log").open("w", encoding="utf-8") as log,
    ):
        command = [sys.executable, "-m", "dask", "worker", client.scheduler.address, "--host", "127.0.0.1", *options]
        workers = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, env={**os.environ, **_SMALL})
        try:
            client.wait_for_workers(number, timeout=60)
            yield client
        finally:
            workers.terminate()
            workers.wait(timeout=60)


def bare_worker(limit: str) -> int:
    """Bytes at the peak of a worker that has imported the package, Dask's frames and Parquet, and done nothing else."""
    with many_workers(1, limit) as client:
        (pid,) = client.run(import_all).values()
        return peak_bytes(pid)


@dataclass
class Fit:
    """A fit of the estimator, and all that was seen of the workers meanwhile."""

    table: Table
    epochs: int
    estimator: AkkordeonClassifier | None = None
    error: str = ""
    seconds: float = 0.0
    peaks: dict[str, int] = field(default_factory=dict)
    """Bytes at the peak of each worker, by address."""
    moved: dict[str, int] = field(default_factory=dict)
    """Bytes that Dask sent from each worker to others."""
    received: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Of each incarnation of the first gate: bytes of arrays and samples."""
    done: dict[str, int] = field(default_factory=dict)
    """Rows of each member of the group."""
    killed: list[str] = field(default_factory=list)

    @property
    def passes(self) -> list[PassReport]:
        """The epochs that were completed."""
        return [] if self.estimator is None else [one for one in self.estimator.history_ if one.mode == "train"]

    def lines(self) -> Iterator[str]:
        """The figures in words."""
        table = self.table
        if self.error:
            yield f"the fit ended with an error: {self.error}"
        for one in self.passes:
            whole = "each row once" if one.samples + one.lost == table.rows else f"NOT the {table.rows:,} rows"
            rate = f"{one.samples / one.seconds:,.0f} rows/s"
            counts = f"{one.samples:,} rows done, {one.lost:,} lost, {whole}"
            yield f"epoch {one.epoch}: {counts}; {rate}, loss {one.loss:.3f}"
        yield f"fit in all: {self.seconds:.0f} s"
        yield f"peaks of the workers: {', '.join(format_bytes(peak) for peak in sorted(self.peaks.values()))}"
        moved, passed = sum(self.moved.values()), table.nbytes * self.epochs
        yield (
            f"moved by Dask between workers: {format_bytes(moved)}, {moved / passed:.3%} of the partitions' "
            f"{format_bytes(passed)} in {self.epochs} epochs"
        )
        rows = sum(rows for _, rows in self.received.values())
        back = sum(rows * HIDDEN[0] * 4 for _, rows in self.received.values())
        came = sum(many for many, _ in self.received.values()) - back
        if rows:
            yield (
                f"rows to the first gate: {came / rows:.1f} bytes a row of {table.nbytes // table.rows - 1} features, "
                f"{format_bytes(came)} for {rows:,} rows"
            )
        if self.killed:
            yield f"killed: {', '.join(self.killed)}"


def fit(client: Client, table: Table, epochs: int, *, kills: int = 0, snapshots: str | None = None) -> Fit:
    """Fit the classifier in one call; in the middle of each of the first `kills` epochs a worker is killed.

    The second of them holds a gate, where there are snapshots to restart it from.
    """
    found = Fit(table, epochs)
    watch = _Watch(client, found, kills, snapshots is not None)
    options = {} if snapshots is None else {"snapshots": snapshots}
    estimator = AkkordeonClassifier(
        network(), max_epochs=epochs, batch_size=512, concurrency=8, random_state=0, callbacks=[watch.ended], **options
    )
    estimator.client = client
    frame = table.read()
    watch.start()
    begun = time.perf_counter()
    try:
        found.estimator = estimator.fit(frame.drop(columns=LABEL), frame[LABEL])
    except Exception as error:
        found.error = f"{type(error).__name__}: {error}"
    finally:
        found.seconds = time.perf_counter() - begun
        watch.stop()
    return found


def network() -> Network:
    """Of the digits: 784-50-20-10, three gates."""
    first, second = HIDDEN
    return (
        Gate(nn.Scale(33.3, 78.6) >> nn.Linear(784, first) >> nn.ReLU(), optim.Adam(1e-3))
        | Gate(nn.Linear(first, second) >> nn.ReLU(), optim.Adam(1e-3))
        | Gate(nn.Linear(second, 10), optim.Adam(1e-3))
    )


class _Watch(threading.Thread):
    """Looks at the workers while the estimator is fitted, and kills some."""

    def __init__(self, client: Client, found: Fit, kills: int, gates: bool) -> None:
        super().__init__(name="watch", daemon=True)
        self._client, self._found, self._kills, self._gates = client, found, kills, gates
        self._over = threading.Event()
        self._pids: dict[str, int] = {}
        self._ended = 0
        self._begun = 0
        """Rows that were done when the open epoch began."""

    def ended(self, report: PassReport) -> None:
        """A callback of the fit."""
        self._begun, self._ended = sum(self._found.done.values()), report.epoch

    def stop(self) -> None:
        """Look a last time."""
        self._over.set()
        self.join()
        self._look()

    def run(self) -> None:
        while not self._over.wait(_EVERY):
            self._look()
            done = sum(self._found.done.values()) - self._begun
            if len(self._found.killed) == self._ended < self._kills and done > self._found.table.rows / 2:
                self._kill()

    def _look(self) -> None:
        there = workers_now(self._client)
        for address in set(there) - set(self._pids):
            self._pids |= self._client.run(os.getpid, workers=[address], on_error="ignore")
        for address, pid in self._pids.items():
            if (peak := peak_bytes(pid)) is not None:
                self._found.peaks[address] = peak
        self._found.moved |= self._client.run(moved_bytes, on_error="ignore")
        for facts in there.values():
            told = facts["metrics"].get(TOPIC, {})
            for gate in told.get("gates", ()):
                if gate["position"] == 0:
                    self._found.received[gate["key"]] = gate["nbytes_in"], gate["backwards"]
            for sentinel in told.get("sentinels", ()):
                self._found.done[sentinel["key"]] = sentinel["samples"]

    def _kill(self) -> None:
        there = workers_now(self._client)
        holders = [address for address, facts in there.items() if facts["metrics"].get(TOPIC, {}).get("gates")]
        a_gate = self._gates and len(self._found.killed) == 1
        able = holders if a_gate else [address for address in there if address not in holders]
        if not able:
            return
        victim = able[-1]
        os.kill(self._pids[victim], signal.SIGKILL)
        self._found.killed.append(f"{victim} in epoch {self._ended + 1}{', with a gate' if a_gate else ''}")


def measure(megabytes: float, part: float, workers: int, limit: str, epochs: int, say: Callable[[str], object]) -> None:
    """Write the table, fit, and fit again while workers are killed."""
    with tempfile.TemporaryDirectory() as folder:
        (table_folder := Path(folder) / "table").mkdir()
        table = write_table(table_folder, megabytes, part)
        files = sum(file.stat().st_size for file in table_folder.iterdir())
        say(
            f"{table.rows:,} rows of 784 features, {format_bytes(table.nbytes)} in memory, {format_bytes(files)} of "
            f"Parquet; {workers} workers of {limit}"
        )
        say(f"a bare worker: {format_bytes(bare_worker(limit))} at its peak")
        for kills in (0, epochs):
            snapshots = None if not kills else f"{folder}/snapshots"
            say(f"\n{'undisturbed' if not kills else f'{kills} workers killed'}:")
            with many_workers(workers, limit) as client:
                for line in fit(client, table, epochs, kills=kills, snapshots=snapshots).lines():
                    say(line)
