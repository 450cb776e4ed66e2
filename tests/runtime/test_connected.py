"""A second client finds a network by its name and asks it while batches are in flight."""

import numpy as np
import pytest

from akkordeon_dask import Gate, nn, optim
from akkordeon_dask.errors import ClosedError
from akkordeon_dask.tree import leaves
from tests.support.patience import PATIENCE
from tests.support.small_networks import numbers, train

# So small a step changes no float32 parameter: batches fly, and the parameters are known.
STILL = optim.SGD(1e-30)
NETWORK = Gate(nn.Linear(6, 5) >> nn.BatchNorm1d(5, momentum=0.5) >> nn.ReLU(), STILL) | Gate(nn.Linear(5, 3), STILL)


def outputs(network, parameters, x):
    """The result of a sequential loop."""
    for name, gate in zip(network.names, network, strict=True):
        x, _ = gate.chain.forward(parameters[name], x)
    return x


def test_its_predictions_while_batches_fly_are_those_of_a_sequential_loop(user, somebody, nothing_left):
    network = Gate(nn.Linear(6, 5) >> nn.Tanh(), STILL) | Gate(nn.Linear(5, 3), STILL)
    x, _ = numbers(300)
    with user.deploy(network, name="known", seed=3) as running:
        first = running.parameters()
        running.attach(train(concurrency=4))
        with somebody.connect("known") as other:
            updates = [other.statistics()["g0"].version]
            for _ in range(5):
                np.testing.assert_allclose(other.predict(x), outputs(network, first, x), rtol=1e-5, atol=1e-6)
                updates.append(other.statistics()["g0"].version)
            now = other.parameters()
        for name in first:
            for before, after in zip(leaves(first[name]), leaves(now[name]), strict=True):
                np.testing.assert_allclose(after, before, rtol=0, atol=1e-25, err_msg="the parameters were known")
        assert updates == sorted(set(updates)), "it trained between any two predictions"
    nothing_left()


def test_after_its_end_it_is_told_to_connect_again_and_the_owner_to_deploy_again(user, somebody):
    x, _ = numbers(4)
    with user.deploy(NETWORK, name="known") as running:
        with somebody.connect("known") as other:
            pass
        with pytest.raises(ClosedError, match=r"'known' is closed for this client: connect\('known', client\) again"):
            other.predict(x)
        assert len(running.predict(x)) == len(x)
    with pytest.raises(ClosedError, match="'known' is closed: deploy it again"):
        running.predict(x)


def test_its_predictions_are_those_of_the_parameters_and_statistics_that_it_was_given(user, somebody, nothing_left):
    x, _ = numbers(100)
    with user.deploy(NETWORK, name="observed") as running:
        attached = running.attach(train(epochs=2))
        running.wait(timeout=PATIENCE)
        with somebody.connect("observed") as other:
            parameters = other.parameters()
            assert np.abs(parameters["g0"][1]["statistics"]["mean"]).max() > 0
            np.testing.assert_allclose(other.predict(x), outputs(NETWORK, parameters, x), rtol=1e-5, atol=1e-6)
        running.detach(attached)
    nothing_left()
