"""The average of parameters that validation and prediction use."""

import numpy as np
import pytest

from akkordeon_dask import optim
from akkordeon_dask.errors import ShapeError
from akkordeon_dask.tree import leaves

INNER = [optim.SGD(0.1), optim.SGD(0.05, momentum=0.9), optim.Adam(0.1), optim.Clip(optim.DCASGDa(0.1), value=0.5)]


def path(optimizer, draw, updates):
    """All parameters and states of a training in float64, from the first on."""
    params = draw(0, np.float64)
    found = [(params, optimizer.init(params))]
    for number in range(updates):
        grads, state = draw(number + 1, np.float64), found[-1][1]
        found.append(optimizer.update(grads, state, found[-1][0], stale_params=found[-1][0]))
    return found


@pytest.mark.parametrize("inner", INNER, ids=repr)
def test_training_does_not_see_the_average(inner, draw):
    plain, averaged = path(inner, draw, 5), path(optim.EMA(inner), draw, 5)
    for (params, state), (same, outer) in zip(plain, averaged, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(leaves(params), leaves(same), strict=True))
        assert [len(slots) - 1 for slots in outer.slots] == [len(slots) for slots in state.slots]


def rated(optimizer, found):
    return [leaves(optimizer.rated_params(params, state)) for params, state in found]


@pytest.mark.parametrize("inner", INNER, ids=repr)
def test_the_average_is_the_mean_at_first_and_exponential_later(inner, draw):
    optimizer = optim.EMA(inner, decay=0.75)
    found = path(optimizer, draw, 9)
    weights = [leaves(params) for params, _ in found]
    averages = rated(optimizer, found)
    assert averages[0] == weights[0]
    for updates in (1, 2, 3, 4):
        for leaf, average in enumerate(averages[updates]):
            mean = np.mean([one[leaf] for one in weights[1 : updates + 1]], axis=0)
            np.testing.assert_allclose(average, mean, rtol=1e-12)
    for updates in range(4, 9):
        for before, average, w in zip(*averages[updates : updates + 2], weights[updates + 1], strict=True):
            np.testing.assert_allclose(average, 0.75 * before + 0.25 * w, rtol=1e-12)


def test_without_a_memory_it_is_the_parameters_themselves(draw):
    optimizer = optim.EMA(optim.SGD(0.1), decay=0)
    found = path(optimizer, draw, 3)
    for average, (params, _) in zip(rated(optimizer, found), found, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(average, leaves(params), strict=True))


def test_a_clip_outside_hands_the_average_on(draw):
    inner = optim.EMA(optim.SGD(0.1), decay=0.5)
    outer = optim.Clip(inner, value=1e9)
    (params, state) = path(outer, draw, 3)[-1]
    assert leaves(outer.rated_params(params, state)) == leaves(inner.rated_params(params, state))


def test_a_state_of_another_optimizer_is_an_error(draw):
    params = draw(0)
    with pytest.raises(ShapeError):
        optim.EMA(optim.SGD(0.1)).update(draw(1), optim.Adam(0.1).init({"w": np.zeros(3)}), params, stale_params=params)
