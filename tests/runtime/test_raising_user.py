"""Promise 9: whatever a user's code raises is told as that code's deed, and ends neither worker nor client."""

import os

import pytest

from akkordeon_dask import Gate, Sentinel, deploy, nn
from akkordeon_dask.errors import DeploymentError, GateError, SentinelError
from tests.support.patience import PATIENCE
from tests.support.raising_user import (
    OF_NETWORKS,
    RAISED,
    TEXT,
    RaisingCallback,
    RaisingLayer,
    RaisingLoss,
    RaisingProvider,
    RaisingSGD,
)
from tests.support.small_networks import SGD, train


@pytest.fixture(autouse=True)
def _workers_live_on(processes):
    before = processes.client.run(os.getpid)
    yield
    processes.nothing_left()
    assert processes.client.run(os.getpid) == before


def gate(way=None, kind=None, optimizer=SGD):
    """A gate of one linear layer, which a raising one may precede."""
    return Gate((RaisingLayer(way, kind) if way else nn.Identity()) >> nn.Linear(6, 3), optimizer, name="raising")


def said_to(client, network, sentinel):
    """What a user is told who deploys, attaches and waits."""
    with deploy(network, client) as running:
        try:
            running.attach(sentinel)
            return f"nothing: {running.wait(timeout=PATIENCE)}"
        except (GateError, SentinelError) as error:
            return str(error)


@pytest.mark.parametrize("kind", RAISED)
def test_what_a_gate_s_code_raises_is_told_with_the_gate(processes, kind):
    for way in ("init", "unpickle"):
        with pytest.raises(DeploymentError, match=f"gate 'raising' on tcp://.* could not be created: .*{kind}"):
            deploy(gate(way, kind), processes.client)
    for network in (gate("forward", kind), gate("backward", kind), gate(optimizer=RaisingSGD(0.1, kind=kind))):
        text = said_to(processes.client, network, train(epochs=1))
        assert text.startswith("gate 'raising' on tcp://") and f"{kind}: {TEXT} (raised in " in text


@pytest.mark.parametrize("kind", RAISED)
def test_what_a_sentinel_s_code_raises_is_told_with_that_code(processes, kind):
    text = said_to(processes.client, gate(), train(epochs=1, loss=RaisingLoss(kind=kind)))
    assert f"RaisingLoss(kind='{kind}') raised {kind}({TEXT!r}): fix it" in text
    for way in ("open", "batch"):
        for blocking in (True, False):
            provider = RaisingProvider(way, kind, blocking)
            text = said_to(processes.client, gate(), Sentinel.train(provider, batch_size=16, epochs=1))
            assert f"{provider!r} raised " in text and kind in text and text.count("fix the provider") == 1


@pytest.mark.parametrize("way", ["forward", "backward"])
def test_a_text_that_cannot_be_sent_as_it_is_ends_no_worker(processes, way):
    text = said_to(processes.client, gate(way, "UnsendableError"), train(epochs=1))
    assert f"UnsendableError: {TEXT}: caf\\udce9.jpg!!!" in text and len(text) < 5_000
    text = said_to(processes.client, gate(), train(epochs=1, loss=RaisingLoss(kind="UnsendableError")))
    assert "raised UnsendableError(" in text


@pytest.mark.parametrize("kind", OF_NETWORKS)
def test_an_error_of_a_network_that_a_sentinel_s_code_uses_is_that_code_s(processes, kind):
    text = said_to(processes.client, gate(), train(epochs=1, loss=RaisingLoss(kind=kind)))
    assert f"RaisingLoss(kind='{kind}') raised {kind}({TEXT!r}): fix it" in text
    for way in ("open", "batch"):
        provider = RaisingProvider(way, kind, blocking=False)
        text = said_to(processes.client, gate(), Sentinel.train(provider, batch_size=16, epochs=1))
        assert f"{provider!r} raised {kind}({TEXT!r}): fix the provider" in text


@pytest.mark.parametrize("blocking", [True, False])
@pytest.mark.parametrize("kind", RAISED)
def test_a_source_that_cannot_be_closed_leaves_the_passes_and_the_sentinel_s_end_alone(processes, kind, blocking):
    with deploy(gate(), processes.client) as running:
        running.attach(Sentinel.train(RaisingProvider("close", kind, blocking), batch_size=16, epochs=1))
        assert [(one.samples, one.lost) for one in running.wait(timeout=PATIENCE)] == [(64, 0)]


@pytest.mark.parametrize("kind", RAISED)
def test_a_listener_that_raises_hears_of_the_next_pass_and_ends_nothing(processes, caplog, kind):
    heard = []

    def listen(report):
        heard.append(report.epoch)
        raise RAISED[kind](TEXT)

    with deploy(gate(), processes.client) as running:
        running.subscribe(listen)
        running.attach(train(epochs=2))
        assert len(running.wait(timeout=PATIENCE)) == 2
    assert heard == [1, 2]
    assert "listen at " in caplog.text and f"{kind}: {TEXT}" in caplog.text


@pytest.mark.parametrize("kind", RAISED)
def test_what_a_callback_raises_is_raised_by_wait_and_the_network_trains_on(processes, kind):
    with deploy(gate(), processes.client) as running:
        running.attach(train())
        raising = [RaisingCallback(way, kind) for way in ("begin", "check", "on_pass", "on_end")]
        for one in (*raising, RaisingCallback("function", kind).as_function()):
            with pytest.raises((RuntimeError, TimeoutError), match=f"{TEXT}|coroutine raised {kind}"):
                running.wait(epochs=1, timeout=PATIENCE, progress=False, callbacks=[one])
        assert running.wait(epochs=1, timeout=PATIENCE)
