"""Optimizers: frozen values with pure functions; delay compensation uses the parameters of the forward pass."""

from akkordeon_dask.optim._adam import Adam
from akkordeon_dask.optim._array_optimizer import ArrayOptimizer
from akkordeon_dask.optim._clip import Clip
from akkordeon_dask.optim._constant import Constant
from akkordeon_dask.optim._cosine import Cosine
from akkordeon_dask.optim._dc_asgd import DCASGD
from akkordeon_dask.optim._dc_asgd_a import DCASGDa
from akkordeon_dask.optim._delay_adaptive_rate import DelayAdaptiveRate
from akkordeon_dask.optim._delay_compensation import DelayCompensation
from akkordeon_dask.optim._delay_warm_up import DelayWarmUp
from akkordeon_dask.optim._ema import EMA
from akkordeon_dask.optim._gap_aware import GapAware
from akkordeon_dask.optim._muon import Muon
from akkordeon_dask.optim._nadam import NAdam
from akkordeon_dask.optim._optimizer import Optimizer, State
from akkordeon_dask.optim._schedule import Schedule
from akkordeon_dask.optim._sgd import SGD
from akkordeon_dask.optim._spike_compensation import SpikeCompensation
from akkordeon_dask.optim._stage_momentum import stage_momentum
from akkordeon_dask.optim._step_decay import Step
from akkordeon_dask.optim._warm_up import WarmUp
from akkordeon_dask.optim._weight_prediction import WeightPrediction

__all__ = [
    "DCASGD",
    "EMA",
    "SGD",
    "Adam",
    "ArrayOptimizer",
    "Clip",
    "Constant",
    "Cosine",
    "DCASGDa",
    "DelayAdaptiveRate",
    "DelayCompensation",
    "DelayWarmUp",
    "GapAware",
    "Muon",
    "NAdam",
    "Optimizer",
    "Schedule",
    "SpikeCompensation",
    "State",
    "Step",
    "WarmUp",
    "WeightPrediction",
    "stage_momentum",
]
