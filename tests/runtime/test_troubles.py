"""The troubles of a network, as heartbeats tell them to those who wait."""

from types import SimpleNamespace

import pytest

from akkordeon_dask.errors import TrainingError
from akkordeon_dask.messages import TOPIC
from akkordeon_dask.runtime._troubles import Problems, _findings
from tests.support.fake_heartbeats import beat, gate, link

A, B = "tcp://alice", "tcp://bob"


def found(*heartbeats, addresses=(A, B)):
    """What is found in heartbeats."""
    workers = {one.address: SimpleNamespace(name=one.name, metrics={TOPIC: one.metrics}) for one in heartbeats}
    return _findings("net", addresses, SimpleNamespace(workers=workers))


def failing(seconds):
    """A link to bob that cannot connect for so long."""
    return link(B, 0) | {"failing": seconds, "error": "timed out", "lost": 7}


def checked(*findings):
    """Check the troubles of several looks."""
    troubles = Problems()
    for one in findings:
        troubles.set(one.troubles)
        troubles.check()


def test_promise_12_a_link_that_cannot_connect_is_a_warning_once_and_then_an_error():
    first, second, last = (found(beat("alice", links=[failing(s)]), beat("bob")) for s in (3.0, 5.0, 60.0))
    with pytest.warns(
        RuntimeWarning, match=rf"worker alice \({A}\) cannot connect to worker bob \({B}\) .* timed"
    ) as seen:
        checked(first, second)
    assert len(seen) == 1
    with pytest.raises(TrainingError, match=r"cannot connect to worker bob .* The network goes on"):
        checked(last)


@pytest.mark.parametrize("addresses", [(A,), (B,), (A, "tcp://carol")])
def test_a_link_that_the_network_does_not_need_is_no_trouble(addresses):
    assert not found(beat("alice", links=[failing(60.0)]), beat("bob"), addresses=addresses).troubles


def test_a_link_to_a_worker_that_is_gone_is_no_trouble():
    assert not found(beat("alice", links=[failing(60.0)])).troubles


def test_the_figures_name_links_and_gates_front_to_back():
    later, first = gate("g1", 1, forwards=2), gate("g0", 0, forwards=9, mailbox=3)
    figures = found(beat("alice", gates=[first], links=[failing(0.0)]), beat("bob", gates=[later])).figures
    assert [text.partition(" (")[0] for text in figures] == [
        "the link from alice",
        "gate 'g0' on alice",
        "gate 'g1' on bob",
    ]
    assert "9 samples forward" in figures[1] and "3 batches wait" in figures[1]
