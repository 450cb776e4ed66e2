"""One table drives the laws: what is added to `OPTIMIZERS` has to keep all of them."""

from collections.abc import Iterator

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from akkordeon_dask import optim

OPTIMIZERS = [
    optim.SGD(0.1),
    optim.SGD(0.1, weight_decay=1e-3),
    optim.SGD(0.05, momentum=0.9),
    optim.SGD(0.05, momentum=0.9, nesterov=True, weight_decay=1e-3),
    optim.Adam(0.1),
    optim.Adam(0.1, beta1=0.8, beta2=0.99, eps=1e-6, weight_decay=1e-3),
    optim.DCASGD(0.1),
    optim.DCASGD(0.1, lam=0.5),
    optim.DCASGDa(0.1),
    optim.DCASGDa(0.1, lam=0.5, decay=0.5, eps=1e-4),
    optim.SGD(0.1, weight_decay=1e-3, decay_all=True),
    optim.Clip(optim.Adam(0.1), norm=1),
    optim.Clip(optim.SGD(0.1, momentum=0.9), norm=1e9),
    optim.Clip(optim.DCASGDa(0.1), value=0.5),
    optim.DelayCompensation(optim.Adam(0.1)),
    optim.Clip(optim.DelayCompensation(optim.SGD(0.1, momentum=0.9), lam=0.5), norm=1),
    optim.EMA(optim.Adam(0.1), decay=0.9),
    optim.EMA(optim.Clip(optim.SGD(0.1), norm=1)),
    optim.NAdam(0.1),
    optim.NAdam(0.1, beta1=0.99, momentum_decay=0.1, weight_decay=1e-3),
    optim.Muon(0.1),
    optim.Muon(0.1, momentum=0.0, iterations=3, vector_rate=0.5),
    optim.GapAware(optim.SGD(0.1, momentum=0.9)),
    optim.GapAware(optim.Adam(0.1), decay=0.5, eps=1e-6),
    optim.DelayAdaptiveRate(optim.Adam(0.1)),
    optim.DelayAdaptiveRate(optim.DelayWarmUp(optim.SGD(0.1), 10), concurrency=2),
    optim.DelayWarmUp(optim.SGD(0.05, momentum=0.9), 10),
    optim.WeightPrediction(optim.SGD(0.05, momentum=0.9)),
    optim.WeightPrediction(optim.Adam(0.1), rule="linear"),
    optim.WeightPrediction(optim.EMA(optim.SGD(0.1)), rule="last-update"),
    optim.SpikeCompensation(optim.SGD(0.05, momentum=0.9)),
    optim.EMA(optim.GapAware(optim.WeightPrediction(optim.SGD(0.05, momentum=0.9)))),
]

SCHEDULES = [
    optim.Constant(0.1),
    optim.Step(0.5, 100),
    optim.Step(0.5, 7, factor=0.5),
    optim.Cosine(0.5, 100),
    optim.Cosine(0.5, 100, final=0.25),
    optim.WarmUp(10, 0.1),
    optim.WarmUp(10, optim.Cosine(0.5, 100)),
    optim.WarmUp(3, optim.WarmUp(4, optim.Step(0.5, 7))),
]


@pytest.fixture(scope="session", params=OPTIMIZERS, ids=repr)
def optimizer(request):
    return request.param


@pytest.fixture(scope="session", params=[one for one in OPTIMIZERS if isinstance(one, optim.ArrayOptimizer)], ids=repr)
def array_optimizer(request):
    return request.param


@pytest.fixture(scope="session", params=SCHEDULES, ids=repr)
def schedule(request):
    return request.param


@pytest.fixture(scope="module", autouse=True)
def one_blas_thread() -> Iterator[None]:
    """BLAS's threads spin while they wait for one another: beside other programs laws took eight times as long."""
    with threadpool_limits(1, user_api="blas"):
        yield


@pytest.fixture(scope="session")
def draw():
    """`draw(seed, dtype)`: read-only parameters of a chain of three; the first array is large enough for the pool."""

    def drawn(seed, dtype=np.float32):
        rng = np.random.default_rng(seed)
        chain = {"w": (128, 100), "b": (100,)}, {}, {"w": (100, 3), "scale": ()}
        return tuple({name: _frozen(rng.normal(size=shape), dtype) for name, shape in layer.items()} for layer in chain)

    return drawn


def _frozen(values, dtype):
    array = np.asarray(values, dtype)
    array.flags.writeable = False
    return array
