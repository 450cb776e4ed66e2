"""The outputs of a network for rows in memory, computed in this process."""

from collections.abc import Mapping

import numpy as np

from akkordeon_dask.errors import DataError
from akkordeon_dask.network import Network
from akkordeon_dask.tree import Array, Tree

__all__ = ["ROWS", "outputs_of"]

ROWS = 4096
"""Samples that are predicted at a time."""


def outputs_of(network: Network, parameters: Mapping[str, Tree], x: Array) -> Array:
    """(rows, outputs) of rows, which are not checked.

    Raises
    ------
    DataError
        when an output is not finite: no class and no number can be given then.
    """
    starts = range(0, max(1, len(x)), ROWS)
    with np.errstate(over="ignore", invalid="ignore"):
        outputs = np.concatenate([_forward(network, parameters, x[start : start + ROWS]) for start in starts])
    if (bad := np.flatnonzero(~np.isfinite(outputs).all(axis=1))).size:
        raise DataError(
            f"X: the network's outputs for {bad.size:,} of {len(x):,} samples are not finite, the first is sample "
            f"{bad[0]}: look for numbers that are far larger than those of the fit"
        )
    return outputs


def _forward(network: Network, parameters: Mapping[str, Tree], x: Array) -> Array:
    for gate, name in zip(network.gates, network.names, strict=True):
        x, _ = gate.chain.forward(parameters[name], x)
    return x
