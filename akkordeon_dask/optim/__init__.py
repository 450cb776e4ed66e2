"""Optimizers: frozen values with pure functions; delay compensation uses the parameters of the forward pass."""

from akkordeon_dask.optim._adam import Adam
from akkordeon_dask.optim._array_optimizer import ArrayOptimizer
from akkordeon_dask.optim._clip import Clip
from akkordeon_dask.optim._constant import Constant
from akkordeon_dask.optim._cosine import Cosine
from akkordeon_dask.optim._dc_asgd import DCASGD
from akkordeon_dask.optim._dc_asgd_a import DCASGDa
from akkordeon_dask.optim._optimizer import Optimizer, State
from akkordeon_dask.optim._schedule import Schedule
from akkordeon_dask.optim._sgd import SGD
from akkordeon_dask.optim._step_decay import Step
from akkordeon_dask.optim._warm_up import WarmUp

__all__ = [
    "DCASGD",
    "SGD",
    "Adam",
    "ArrayOptimizer",
    "Clip",
    "Constant",
    "Cosine",
    "DCASGDa",
    "Optimizer",
    "Schedule",
    "State",
    "Step",
    "WarmUp",
]
