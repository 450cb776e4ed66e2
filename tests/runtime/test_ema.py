"""A network whose validation, tests and predictions use averaged parameters."""

import dask.array as da
import numpy as np

from akkordeon_dask import Gate, Network, Sentinel, callbacks, data, optim
from akkordeon_dask.tree import map_leaves
from tests.support.patience import PATIENCE
from tests.support.small_networks import NETWORK, equal, numbers, rating, train

EPOCHS, UPDATES = 3, 4
X, _ = numbers()
AVERAGED = Network(Gate(gate.chain, optim.EMA(gate.optimizer, decay=0.999)) for gate in NETWORK)


def trained(running):
    """Train for a few epochs, one batch at a time."""
    running.attach(train(concurrency=1), epochs=EPOCHS)
    running.wait(timeout=PATIENCE)
    return running.parameters()


def predicted(parameters):
    """The outputs for `X` by hand."""
    x = X
    for name, gate in zip(NETWORK.named().names, NETWORK, strict=True):
        x, _ = gate.chain.forward(parameters[name], x)
    return x


def test_validation_and_prediction_use_the_average_and_training_does_not(user):
    with user.deploy(NETWORK) as plain, user.deploy(AVERAGED) as averaged:
        last = trained(plain)
        assert equal(trained(averaged), last)
        assert plain.evaluate(rating()).loss != averaged.evaluate(rating()).loss
        np.testing.assert_array_equal(plain.predict(X), predicted(last))
        assert not np.allclose(averaged.predict(X), predicted(last))


def test_the_average_is_that_of_the_parameters_after_each_update(user):
    batch = train(UPDATES, batch_size=UPDATES, concurrency=1)  # an update an epoch
    each = []
    for epochs in range(1, 5):
        with user.deploy(NETWORK) as running:
            running.attach(batch, epochs=epochs)
            running.wait(timeout=PATIENCE)
            each.append(running.parameters())
    sums = {name: map_leaves(lambda leaf: leaf.astype(np.float64), tree) for name, tree in each[0].items()}
    for params in each[1:]:
        sums = {name: _added(sums[name], params[name]) for name in sums}
    mean = {name: map_leaves(lambda leaf: (leaf / 4).astype(np.float32), tree) for name, tree in sums.items()}
    with user.deploy(AVERAGED) as running:
        running.attach(batch, epochs=4)
        running.wait(timeout=PATIENCE)
        np.testing.assert_allclose(running.predict(X), predicted(mean), rtol=1e-4, atol=1e-5)


def _added(one, other):
    return tuple({key: layer[key] + more[key] for key in layer} for layer, more in zip(one, other, strict=True))


def test_the_average_moves_with_its_gate(user):
    with user.deploy(AVERAGED) as running:
        trained(running)
        before = running.predict(X)
        here = running.placement["g0"]
        (there,) = set(running.client.scheduler_info()["workers"]) - {here}
        running.move("g0", there)
        np.testing.assert_array_equal(running.predict(X), before)


def test_snapshots_have_the_average(user, tmp_path):
    with user.deploy(AVERAGED, snapshots=str(tmp_path)) as running:
        trained(running)
        before = running.predict(X)
        running.snapshot()
    with user.deploy(AVERAGED, resume=str(tmp_path)) as running:
        np.testing.assert_array_equal(running.predict(X), before)


def test_the_best_weights_are_the_averaged_ones_that_were_rated(user, tmp_path):
    target = tmp_path / "rated.safetensors"
    provider = data.arrays(*numbers(), shuffle=False)
    with user.deploy(AVERAGED) as running:
        running.add_callback(callbacks.ModelCheckpoint(target, "validate0.loss"))
        running.attach(Sentinel.validate(provider, batch_size=16, every="epoch"))
        trained(running)
        rated = running.predict(X)
        running.load(target)
        np.testing.assert_array_equal(running.predict(X), rated)
    with user.deploy(NETWORK) as plain:
        plain.load(target)
        np.testing.assert_array_equal(plain.predict(X), rated)


def test_lazy_predictions_use_the_average_as_all_others_do(user):
    rows = da.from_array(X, chunks=(50, -1))
    with user.deploy(AVERAGED) as running:
        last = trained(running)
        averages = running.parameters(rated=True)
        assert not equal(averages, last)
        np.testing.assert_array_equal(running.predict(X), predicted(averages))
        lazy = running.predict(rows)
        found = user.call(lambda: user.client.compute(lazy).result())
        np.testing.assert_allclose(found, predicted(averages), rtol=1e-6, atol=1e-6)
