"""`on_stale="wait"` on a cluster: sentinels wait, and no work is lost."""

from akkordeon_dask import Gate, Network, nn, optim
from tests.support.patience import PATIENCE
from tests.support.small_networks import numbers, train


def test_many_batches_in_flight_are_paced_by_the_bound_of_the_gates(user):
    policies = {"max_delay": 2, "on_stale": "wait"}
    layers = nn.Linear(6, 5) >> nn.Tanh(), nn.Linear(5, 3)
    network = Network(Gate(one, optim.SGD(0.05), workers=str(at), **policies) for at, one in enumerate(layers))
    with user.deploy(network) as running:
        for _ in range(3):
            running.attach(train(concurrency=8, epochs=10))
        history = running.wait(timeout=PATIENCE)
        gates = [running.statistics()[name].counts for name in network.names]
    assert {report.lost for report in history} == {0}
    batches = 3 * 10 * -(-len(numbers()[0]) // train().batch_size)
    for counts in gates:
        assert counts.updates == batches and "stale gradient" not in counts.dropped
        assert max(counts.delays) <= 2
