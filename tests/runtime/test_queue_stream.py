"""Batches that arrive in a queue of the cluster."""

from distributed import Queue

from akkordeon_dask import Sentinel, data
from tests.support.patience import PATIENCE
from tests.support.small_networks import NETWORK, equal, numbers

BATCHES = 12


def trained(user, batches):
    """The parameters after a stream's batches, one after the other."""
    with user.deploy(NETWORK, seed=3) as running:
        running.attach(
            Sentinel.train(data.stream(batches), concurrency=1, epochs=1, batches_per_pass=BATCHES, name="s")
        )
        (report,) = running.wait(timeout=PATIENCE)
        assert (report.samples, report.lost) == (BATCHES * 4, 0)
        return running.parameters()


def pairs():
    x, y = numbers()
    return [(x[start : start + 4], y[start : start + 4]) for start in range(0, BATCHES * 4, 4)]


def test_batches_of_a_queue_train_as_they_are_whether_they_lie_in_it_or_on_a_worker(user):
    wanted = trained(user, pairs())
    batches = Queue("readings", client=user.client)
    for pair in pairs():
        batches.put(user.client.submit(lambda x, y: (x, y), *pair, pure=False))
    assert equal(trained(user, batches), wanted)
    for x, y in pairs():
        batches.put([x.tolist(), y.tolist()])
    assert equal(trained(user, batches), wanted)
