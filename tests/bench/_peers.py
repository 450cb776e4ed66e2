"""One table, trained by this package and its peers as their users would write it, with a worker killed and without.

Run as a program, it is one side: `python -m tests.bench._peers SIDE FOLDER ROWS EPOCHS WORKERS LIMIT KILL_AFTER`.
"""

import ast
import inspect
import json
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

import numpy as np

from akkordeon_dask import data
from tests.bench._collections import many_workers, write_table
from tests.support.workers import workers_now

__all__ = ["SIDES", "Outcome", "Side", "compare", "lines_of", "table"]

Predict = Callable[[np.ndarray], np.ndarray]


def akkordeon(client: Any, folder: str, epochs: int, snapshots: str) -> Predict:
    import dask.dataframe as dd

    from akkordeon_dask.sklearn import AkkordeonClassifier

    frame = dd.read_parquet(folder).persist()
    model = AkkordeonClassifier(
        hidden_layer_sizes=(50, 20), max_epochs=epochs, batch_size=512, concurrency=8, snapshots=snapshots
    )
    model.client = client
    model.fit(frame.drop(columns="label") / 255, frame["label"])
    return lambda x: model.predict(x / 255)


def xgboost_dask(client: Any, folder: str, epochs: int, snapshots: str) -> Predict:
    import dask.dataframe as dd
    import xgboost
    from xgboost import dask as xgb

    table = dd.read_parquet(folder).to_dask_array(lengths=True)
    matrix = xgb.DaskDMatrix(client, table[:, :-1], table[:, -1])
    options = {"objective": "multi:softmax", "num_class": 10, "tree_method": "hist", "max_depth": 6}
    booster = xgb.train(client, options, matrix, num_boost_round=epochs)["booster"]
    return lambda x: booster.predict(xgboost.DMatrix(x))


def dask_ml_incremental(client: Any, folder: str, epochs: int, snapshots: str) -> Predict:
    import dask.dataframe as dd
    from dask_ml.wrappers import Incremental
    from sklearn.linear_model import SGDClassifier

    table = dd.read_parquet(folder).to_dask_array(lengths=True).persist()
    model = Incremental(SGDClassifier(loss="log_loss"))
    for _ in range(epochs):
        model.partial_fit(table[:, :-1] / 255, table[:, -1], classes=list(range(10)))
    return lambda x: model.estimator_.predict(x / 255)


def skorch_alone(client: Any, folder: str, epochs: int, snapshots: str) -> Predict:
    import pandas as pd
    import torch
    from skorch import NeuralNetClassifier
    from torch import nn

    frame = pd.read_parquet(folder)
    module = nn.Sequential(nn.Linear(784, 50), nn.ReLU(), nn.Linear(50, 20), nn.ReLU(), nn.Linear(20, 10))
    model = NeuralNetClassifier(
        module,
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        lr=1e-3,
        max_epochs=epochs,
        batch_size=512,
        iterator_train__shuffle=True,
        train_split=None,
        verbose=0,
    )
    model.fit(frame.drop(columns="label").to_numpy("float32") / 255, frame["label"].to_numpy("int64"))
    return lambda x: model.predict(x.astype("float32") / 255)


@dataclass(frozen=True)
class Side:
    """Somebody who trains."""

    name: str
    train: Callable[[Any, str, int, str], Predict]
    needs: tuple[str, ...]
    """Modules, without which it is left out."""
    trains: str
    clustered: bool = True
    """On a cluster, of which a worker can be killed."""

    @property
    def missing(self) -> list[str]:
        """The modules that are not installed."""
        return [name for name in self.needs if find_spec(name) is None]


SIDES = {
    "akkordeon": Side("akkordeon_dask", akkordeon, (), "784-50-20-10"),
    "xgboost": Side("xgboost.dask", xgboost_dask, ("xgboost",), "10 trees of depth 6 a round"),
    "incremental": Side("dask-ml Incremental(SGDClassifier)", dask_ml_incremental, ("dask_ml",), "784-10, linear"),
    "skorch": Side("skorch, one machine", skorch_alone, ("torch", "skorch"), "784-50-20-10", clustered=False),
}


@dataclass(frozen=True)
class Outcome:
    """The figures of a run."""

    side: str
    killed: bool
    """A worker was to be killed in the middle."""
    seconds: float = 0.0
    """Of the fit, with reading the files."""
    rows: int = 0
    """Times epochs."""
    accuracy: float = float("nan")
    """On the 2 000 test digits of the package."""
    happened: str = ""

    def line(self) -> str:
        """A row of the table."""
        side = SIDES[self.side]
        rate = f"{self.rows / self.seconds:,.0f}" if self.seconds else ""
        score = "" if np.isnan(self.accuracy) else f"{self.accuracy:.1%}"
        cells = side.name, side.trains, "killed" if self.killed else "stays", rate, score, str(lines_of(side.train))
        return f"| {' | '.join((*cells, self.happened))} |"


def table(outcomes: list[Outcome]) -> Iterator[str]:
    """The outcomes in Markdown."""
    head = "who", "trains", "a worker", "rows/s", "test accuracy", "lines of code", "what happened"
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for one in outcomes:
        yield one.line()


def lines_of(function: Callable[..., Any]) -> int:
    """The lines that a user writes: those of the function's body, without empty ones and the docstring."""
    source = textwrap.dedent(inspect.getsource(function))
    (definition,) = ast.parse(source).body
    assert isinstance(definition, ast.FunctionDef)
    body = definition.body[ast.get_docstring(definition) is not None :]
    first = body[0].lineno
    return sum(bool(line.strip()) for line in source.splitlines()[first - 1 :])


def compare(
    megabytes: float, epochs: int, workers: int, memory: str, limit: float, only: str, say: Callable[[str], object]
) -> list[Outcome]:
    """Have each side train, first undisturbed, then with a worker killed after half of that time.

    Parameters
    ----------
    limit
        seconds after which a side is ended.
    """
    found = []
    with tempfile.TemporaryDirectory() as folder:
        written = write_table(Path(folder), megabytes, megabytes / workers / 4)
        say(f"{written.rows:,} rows of 784 features, {epochs} epochs, {workers} workers")
        for key, side in SIDES.items():
            if only not in key:
                continue
            if side.missing:
                say(f"{side.name} is left out: {', '.join(side.missing)} not installed (pip install '.[bench]')")
                continue
            command = [sys.executable, "-m", "tests.bench._peers", key, folder, str(written.rows), str(epochs)]
            plain = _run([*command, str(workers), memory, "0"], limit, Outcome(key, killed=False))
            found.append(plain)
            say(plain.line())
            if side.clustered and plain.seconds:
                after = max(0.5, plain.seconds / 2)
                found.append(_run([*command, str(workers), memory, str(after)], limit, Outcome(key, killed=True)))
                say(found[-1].line())
    return found


def _run(command: list[str], limit: float, outcome: Outcome) -> Outcome:
    """A side in processes of its own, which are all ended when its time is over."""
    with tempfile.TemporaryFile("w+") as answer, tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(command, stdout=answer, stderr=log, start_new_session=True)
        try:
            status = process.wait(timeout=limit)
        except subprocess.TimeoutExpired:
            return replace(outcome, happened=f"no end within {limit:g} s")
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if lines := [line for line in _lines(answer) if line.startswith("{")]:
            return Outcome(**json.loads(lines[-1]))
        last = (_lines(log) or ["no word"])[-1]
        return replace(outcome, happened=f"its process ended with {status}: {last}"[:200])


def _lines(file: IO[str]) -> list[str]:
    file.seek(0)
    return file.read().strip().splitlines()


def measure(key: str, folder: str, rows: int, epochs: int, workers: int, memory: str, kill_after: float) -> Outcome:
    """Train as one side does, in this process."""
    side, killed = SIDES[key], kill_after > 0
    cluster = many_workers(workers, memory) if side.clustered else nullcontext()
    with tempfile.TemporaryDirectory() as snapshots, cluster as client:
        killer = _Killer(client, kill_after) if killed else None
        begun = time.perf_counter()
        try:
            predict = side.train(client, folder, epochs, snapshots)
        except Exception as error:
            seconds = time.perf_counter() - begun
            text = f"an error after {seconds:.0f} s: {type(error).__name__}: {error}".replace("\n", " ")
            return Outcome(key, killed, happened=text[:200])
        finally:
            note = "" if killer is None else killer.stop()
        seconds = time.perf_counter() - begun
        x, y = next(iter(data.open_source(data.mnist_sample("test", shuffle=False)).batches(1, 2000)))
        accuracy = float(np.mean(predict(x) == y))
        return Outcome(key, killed, seconds, rows * epochs, accuracy, note or "trained")


class _Killer:
    """Kills a worker in the middle of a fit."""

    def __init__(self, client: Any, seconds: float) -> None:
        self._pids = client.run(os.getpid)
        self._victim = sorted(workers_now(client))[-1]
        self._over = threading.Event()
        self._note = "it had ended before a worker was killed"
        self._thread = threading.Thread(target=self._kill, args=(seconds,), name="killer", daemon=True)
        self._thread.start()

    def _kill(self, seconds: float) -> None:
        if not self._over.wait(seconds):
            os.kill(self._pids[self._victim], signal.SIGKILL)
            self._note = f"trained, though a worker was killed after {seconds:.1f} s"

    def stop(self) -> str:
        """What was done."""
        self._over.set()
        self._thread.join()
        return self._note


if __name__ == "__main__":
    key, folder, rows, epochs, workers, memory, kill_after = sys.argv[1:]
    one = measure(key, folder, int(rows), int(epochs), int(workers), memory, float(kill_after))
    print(json.dumps(asdict(one)), flush=True)
    os._exit(0)  # peers may leave threads that wait for ever
