"""Batches in flight together move the running statistics of a normalisation as if each came alone."""

import numpy as np
import pytest
import torch
from torch import nn as tnn

from akkordeon_dask import nn
from akkordeon_dask.torch import TorchModule
from akkordeon_dask.torch._running_statistics import moved, movers
from tests.torch.modules import X, started, trained_once


def test_batch_norm_writes_without_raising_a_version_and_its_statistics_move_as_ours_do():
    layer, params = started(TorchModule(tnn.BatchNorm1d, 4), np.float64)
    ours = nn.BatchNorm1d(4)
    kept = ours.init(np.random.default_rng(0), np.float64)
    batches = [np.random.default_rng(seed).normal(seed, 2, (6, 4)) for seed in range(4)]
    grads = [trained_once(layer, params, x) for x in batches]
    assert not params["statistics"]["running_mean"].any(), "the version is as it was"
    theirs = [trained_once(ours, kept, x) for x in batches]
    for number in (2, 0, 3, 1):  # all from one version, updated in another order
        params, kept = layer.advance(params, grads[number]), ours.advance(kept, theirs[number])
    np.testing.assert_allclose(params["statistics"]["running_mean"], kept["statistics"]["mean"], rtol=1e-12)
    np.testing.assert_allclose(params["statistics"]["running_var"], kept["statistics"]["var"], rtol=1e-12)
    assert params["statistics"]["num_batches_tracked"] == 4


class Halves(tnn.BatchNorm1d):
    """Normalises the halves of a batch one after the other."""

    def forward(self, x):
        return torch.cat([super(Halves, self).forward(half) for half in x.split(len(x) // 2)])


@pytest.mark.parametrize("kind", [tnn.BatchNorm1d, Halves])
def test_batch_norm_without_a_momentum_has_the_mean_of_all_batches_in_flight_together(kind):
    layer, params = started(TorchModule(kind, 4, momentum=None), np.float64)
    batches = [np.random.default_rng(seed).normal(seed, 2, (6, 4)) for seed in range(4)]
    grads = [trained_once(layer, params, x) for x in batches]
    for number in (2, 0, 3, 1):
        params = layer.advance(params, grads[number])
    np.testing.assert_allclose(params["statistics"]["running_mean"], np.mean(batches, axis=(0, 1)), rtol=1e-12)


def test_a_batch_that_goes_past_a_normalisation_leaves_its_statistics_alone():
    before, now = {"running_mean": np.zeros(2)}, {"running_mean": np.ones(2)}
    assert moved(movers(tnn.BatchNorm1d(2)), "running_mean", now, before, dict(before)) is now["running_mean"]


def test_many_late_batches_without_variance_leave_no_variance_below_0():
    layer, params = started(TorchModule(tnn.BatchNorm1d, 4, momentum=0.3))
    grads = trained_once(layer, params, np.ones((6, 4), np.float32))
    for _ in range(60):
        params = layer.advance(params, grads)
        assert (params["statistics"]["running_var"] >= 0).all()
    assert np.isfinite(layer.forward(params, X)[0]).all()
