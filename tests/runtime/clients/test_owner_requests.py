"""A client that does not own a network asks its owner, and always gets an answer."""

import asyncio
import os
import signal
import threading
from types import SimpleNamespace

import dask.config
import pytest

from akkordeon_dask import adopt, pause, resume
from akkordeon_dask.errors import DeadlineError, DeploymentError, ReportError
from akkordeon_dask.runtime import ask_owner, report
from akkordeon_dask.runtime.clients import _owner_requests as requests
from tests.runtime.test_ownership import first_owner
from tests.support.gate_versions import versions
from tests.support.html_page import Page
from tests.support.leftovers import wait_until
from tests.support.patience import PATIENCE
from tests.support.small_networks import NETWORK, train


def left_on_scheduler(dask_scheduler):
    """Requests that a client waits for, and topics of requests with events in them."""
    topics = [name for name in dask_scheduler.get_events() if name.startswith(requests._TOPIC)]
    return [*dask_scheduler.extensions.get(requests._EXTENSION, {}), *topics]


def test_a_guest_moves_gates_while_they_train(user, somebody, cluster, nothing_left):
    with user.deploy(NETWORK, name="asked") as running, somebody.connect("asked") as guest:
        trains = running.attach(train(epochs=30))
        names = {worker.address: str(worker.name) for worker in cluster.workers.values()}
        here = names[running.placement["g1"]]
        (there,) = set(names.values()) - {here}
        assert guest.move("g1", there) > 0
        assert names[running.placement["g1"]] == there
        pauses = guest.drain(there)
        assert "g1" in pauses and there not in {names[worker] for worker in running.placement.values()}
        running.wait(timeout=PATIENCE)
        assert [(one.samples, one.lost) for one in trains.reports] == [(64, 0)] * 30
    assert somebody.client.run_on_scheduler(left_on_scheduler) == []
    nothing_left()


def test_one_client_that_owns_and_connects_asks_itself(user, nothing_left):
    with user.deploy(NETWORK, name="own") as running, user.connect("own") as guest:
        assert guest.move("g0", running.placement["g0"]) == 0.0
    nothing_left()


def test_several_requests_at_once_are_answered_each_with_its_own(user, somebody, nothing_left):
    with user.deploy(NETWORK, name="many") as running:

        async def ask():
            verbs = [("move", "g0", running.placement["g0"]), ("move", "g7", "0"), ("drain", "nobody"), ("dance",)] * 5
            calls = [requests.ask_owner(somebody.client, "many", *verb) for verb in verbs]
            return await asyncio.gather(*calls, return_exceptions=True)

        answers = somebody.client.sync(ask)
    assert {str(answer)[:40] for answer in answers[0::4]} == {"0.0"}
    for index, text in ((1, "has no gate 'g7'"), (2, "drain asks for worker 'nobody'"), (3, "knows no 'dance'")):
        assert all(text in str(answer) for answer in answers[index::4])
    nothing_left()


def test_a_network_that_nobody_knows_is_listed(somebody):
    with pytest.raises(DeploymentError, match="no network named 'nobody' on this cluster"):
        ask_owner(somebody.client, "nobody", "move", "g0", "0")


def test_a_stopped_owner_is_an_error_in_time_and_a_dead_one_at_once(processes, tmp_path):
    client = processes.client
    with first_owner(processes, "gone", "wait", tmp_path) as (owner, placed):
        os.kill(owner.pid, signal.SIGSTOP)
        with (
            dask.config.set({"akkordeon.timeouts.owner": "500ms"}),
            pytest.raises(DeadlineError, match=r"did not answer to 'move' within 0\.5 s: look at its program"),
        ):
            ask_owner(client, "gone", "move", "g0", placed["g0"])
        dead = []
        waits = threading.Thread(target=lambda: dead.append(_error(client, "gone", placed["g0"])))
        waits.start()
        wait_until(lambda: client.run_on_scheduler(left_on_scheduler))
        owner.kill()  # while it works on a request
        waits.join(PATIENCE)
        assert isinstance(dead[0], DeploymentError) and "has no owner" in str(dead[0])
        wait_until(lambda: client.run_on_scheduler(_no_client_but, client.id))
        with pytest.raises(DeploymentError, match=r"network 'gone' has no owner.*network --adopt gone"):
            ask_owner(client, "gone", "move", "g0", placed["g0"])
        with adopt("gone", client) as second:
            assert ask_owner(client, "gone", "move", "g0", second.placement["g0"]) == 0.0
    processes.nothing_left()


def _error(client, name, worker):
    try:
        return ask_owner(client, name, "move", "g0", worker)
    except Exception as error:
        return error


def _no_client_but(mine, dask_scheduler):
    return [one for one in dask_scheduler.clients if str(one).startswith("Client-") and one != mine] == []


def test_a_former_owner_gets_no_requests_and_one_that_closes_answers(user, somebody, nothing_left):
    former = user.deploy(NETWORK, name="handed")
    with somebody.adopt("handed") as present, user.connect("handed") as guest:
        former.close()
        assert guest.move("g0", present.placement["g0"]) == 0.0
    with pytest.raises(DeploymentError, match="no network named 'handed'"):
        user.call(ask_owner, user.client, "handed", "move", "g0", "0")
    nothing_left()


@pytest.mark.parametrize(
    ("begun", "text"),
    [(False, "'net' is being closed by its owner"), (True, "'net' was closed by its owner while it worked on 'move'")],
)
def test_an_owner_that_closes_answers_the_requests_that_it_has_received(somebody, begun, text):
    client = somebody.client

    async def story():
        moving, closing = asyncio.Event(), []
        session = SimpleNamespace(
            client=client, name="net", entry=SimpleNamespace(run="run", generation=1), published=True
        )

        async def move():
            moving.set()
            await asyncio.Event().wait()

        owner = requests.OwnerRequests(session, {"move": move})

        async def receive(event):
            if not begun:  # the request's task begins after the close
                closing.append(asyncio.ensure_future(owner.close()))
            owner._receive(event)
            if begun:
                await moving.wait()
                await owner.close()

        owner.listen()
        client.subscribe_topic(next(iter(owner._topics)), receive)
        request = {"id": "one", "verb": "move", "arguments": []}
        answer = await client.run_on_scheduler(requests._ask, next(iter(owner._topics)), client.id, request, PATIENCE)
        await asyncio.gather(*closing)
        return moving.is_set(), answer.error

    moved, error = client.sync(story)
    assert moved == begun and isinstance(error, DeploymentError) and text in str(error)


def test_everybodys_sentinels_are_paused_and_go_on(user, somebody, nothing_left):
    with user.deploy(NETWORK, name="paused") as running, somebody.connect("paused") as guest:
        mine, others = running.attach(train(name="mine")), guest.attach(train(name="others"))
        resting = running.attach(train(name="resting", epochs=1))
        wait_until(lambda: resting.state == "resting")
        assert user.call(pause, "paused", user.client) == ("mine", "others")
        wait_until(lambda: (mine.state, others.state) == ("paused", "paused"))
        updates = versions(running)
        assert user.call(pause, "paused", user.client) == ()
        assert versions(running) == updates
        assert somebody.call(resume, "paused", somebody.client) == ("mine", "others")
        wait_until(lambda: versions(running)["g0"] > updates["g0"])
        wait_until(lambda: (mine.state, others.state) == ("running", "running"))
        assert resting.state == "resting"
    with pytest.raises(DeploymentError, match="no network named 'paused'"):
        user.call(resume, "paused", user.client)
    nothing_left()


def test_a_report_needs_no_owner_and_no_gate(user, somebody, tmp_path, monkeypatch, nothing_left):
    monkeypatch.setenv("HOME", str(tmp_path))
    with user.deploy(NETWORK, name="told", seed=11) as running:
        running.attach(train(name="mine", epochs=3))
        running.wait(timeout=PATIENCE)
    somebody.call(report, "told", somebody.client, "~/run.html")
    page = Page((tmp_path / "run.html").read_text())
    assert ["seed", "11"] in page.rows
    (first,) = [number for number, row in enumerate(page.rows) if row[:2] == ["time", "sentinel"]]
    assert [row[1:4] for row in page.rows[first + 1 :]] == [["mine", "train", str(epoch)] for epoch in (3, 2, 1)]
    with pytest.raises(DeploymentError, match="no network named 'nobody'"):
        report("nobody", somebody.client, "run.html")
    (tmp_path / "file").touch()
    with pytest.raises(ReportError, match="cannot write"):
        report("told", somebody.client, str(tmp_path / "file" / "run.html"))
    nothing_left()
