"""Training with gradients that are late by known numbers of updates, in one loop: a laboratory, without a cluster."""

from akkordeon_dask.simulation._delays import Delays
from akkordeon_dask.simulation._simulate import SimulatedEpoch, Simulation, simulate

__all__ = ["Delays", "SimulatedEpoch", "Simulation", "simulate"]
