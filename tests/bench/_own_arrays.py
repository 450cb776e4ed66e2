"""The user's own arrays, sent to a worker process, against a data set that is loaded there."""

from typing import Any

import numpy as np
from distributed import Client

from akkordeon_dask import Sentinel, data, deploy
from akkordeon_dask.data import Provider
from akkordeon_dask.runtime import EmbeddedCluster
from tests.bench._rows import SMALL

NAME = "own arrays on a worker process"

_SAMPLES = 60_000


def own_arrays(rounds: int) -> dict[str, Any]:
    """Samples a second of both, in turn, and the median of the rounds' ratios, ours over theirs.

    The arrays are float32, four times the bytes of the data set's images.
    """
    x, y = next(data.mnist("train", shuffle=False).open().batches(1, _SAMPLES))
    own, loaded = data.arrays(x.astype(np.float32), y), data.mnist("train")
    cluster = EmbeddedCluster(1)
    try:
        rates = np.array([[_rate(provider, cluster.client) for provider in (own, loaded)] for _ in range(rounds)])
    finally:
        cluster.close()
    mine, theirs = np.median(rates, axis=0)
    ratios = rates[:, 0] / rates[:, 1]
    return {
        "row": NAME,
        "samples_per_s": round(mine),
        "loaded_samples_per_s": round(theirs),
        "ratio": round(float(np.median(ratios)), 3),
        "ratios": [round(float(ratio), 3) for ratio in ratios],
    }


def _rate(provider: Provider, client: Client) -> float:
    """Samples a second in the faster of two passes, after one that warms up."""
    with deploy(SMALL.network(), client) as running:
        running.attach(Sentinel.train(provider, batch_size=1024, concurrency=8, epochs=3))
        history = running.wait()
        return _SAMPLES / min(report.seconds for report in history[1:])
