"""Promises 1 and 2 where all is in one process."""

from itertools import product

import pytest

from akkordeon_dask import Gate, Sentinel, data, nn, optim
from tests.support.patience import PATIENCE
from tests.support.sequential_trainer import train_sequentially
from tests.support.small_networks import (
    SGD,
    Witness,
    WitnessLoss,
    WitnessSGD,
    equal,
    numbers,
    rating,
    three_gates,
    train,
)

OPTIMIZERS = [SGD, optim.SGD(0.05, momentum=0.9), optim.Adam(0.01), optim.DCASGD(0.05), optim.DCASGDa(0.05)]
IMAGES = data.mnist_sample("train", take=500)
RUN = {"batch_size": 64, "epochs": 2}


def sequential(network, **changes):
    how = {"loss": nn.SoftmaxCrossEntropy(), "seed": 4, "sentinel": "tdp", **RUN, **changes}
    return train_sequentially(network, IMAGES, **how)


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
def test_promise_1_concurrency_1_is_the_sequential_loop_bit_for_bit(user, optimizer):
    network = three_gates(optimizer, g0="0", g1="1", g2="0")
    with user.deploy(network, seed=4) as running:
        running.attach(Sentinel.train(IMAGES, concurrency=1, name="tdp", **RUN))
        running.wait(timeout=PATIENCE)
        trained = running.parameters()
    wanted = sequential(network)
    assert equal(trained, wanted)
    assert not equal(trained, sequential(network, seed=5))
    assert not equal(trained, sequential(network, sentinel="another"))


@pytest.mark.parametrize("backward", ["stashed", "latest"])
def test_promise_1_holds_for_either_policy_and_with_company_that_only_looks(user, backward):
    plain = three_gates(optim.DCASGDa(0.05))
    network = plain[:1] | Gate(plain[1].layers, plain[1].optimizer, backward=backward, max_delay=0) | plain[2]
    with user.deploy(network, seed=4) as running:
        running.attach(Sentinel.validate(data.mnist_sample("test", take=64), batch_size=16, every="1ms"))
        running.attach(Sentinel.train(IMAGES, concurrency=1, name="tdp", **RUN))
        running.wait(timeout=PATIENCE)
        running.predict(next(IMAGES.open().batches(1, 8))[0])
        assert equal(running.parameters(), sequential(network))


def test_promise_2_numbers_are_computed_by_the_threads_of_the_dispatcher_and_never_on_an_event_loop(user):
    mark = f"{type(user).__name__}"
    network = Gate(Witness(f"{mark} g0") >> nn.Linear(6, 5), WitnessSGD(0.05, mark=f"{mark} g0"), workers="0") | Gate(
        Witness(f"{mark} g1") >> nn.Linear(5, 3), WitnessSGD(0.05, mark=f"{mark} g1"), workers="1"
    )
    loss = WitnessLoss(mark=f"{mark} s")
    with user.deploy(network) as running:
        running.attach(train(concurrency=4, epochs=20, name="tdp", loss=loss))
        running.wait(timeout=PATIENCE)
        running.evaluate(rating())
        running.predict(numbers()[0])

    seen = [
        thread.name
        for who, what in [*product(("g0", "g1"), ("forward", "update")), ("g1", "backward"), ("s", "loss")]
        for thread in Witness.seen[f"{mark} {who}", what]
    ]
    assert len(seen) >= 6 and all(name.startswith("akkordeon compute ") for name in seen)
