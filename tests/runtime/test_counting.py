"""`wait(epochs=n)` makes exactly n passes, whatever becomes of the sentinel meanwhile."""

import os
import signal
import threading

import pytest

from akkordeon_dask import deploy
from akkordeon_dask.actors import SentinelActor
from akkordeon_dask.errors import DeadlineError
from akkordeon_dask.runtime.handles._sentinel import AttachedSentinel
from tests.support.leftovers import wait_until
from tests.support.patience import PATIENCE
from tests.support.restarting_workers import pair
from tests.support.small_networks import NETWORK, train

LONG, MORE = 100, 5


def counted(running, attached, interrupt):
    """Passes that a sentinel at rest makes, with an interruption after the first of them."""
    running.wait(epochs=1, timeout=PATIENCE)
    before, passed = len(attached.reports), threading.Event()
    running.subscribe(lambda report: passed.set())
    waiting = threading.Thread(target=running.wait, args=(MORE,), kwargs={"timeout": PATIENCE})
    waiting.start()
    assert passed.wait(PATIENCE)
    interrupt()
    waiting.join(PATIENCE)
    assert not waiting.is_alive()
    # One that was moved after its last pass is "running" until its new actor has answered.
    wait_until(lambda: attached.state == "resting", seen=lambda: attached)
    assert [report.epoch for report in attached.reports] == list(range(1, len(attached.reports) + 1))
    return len(attached.reports) - before


def test_one_that_is_paused_meanwhile(running):
    attached = running.attach(train(16 * LONG))

    def interrupt():
        running.pause()
        running.resume()

    assert counted(running, attached, interrupt) == MORE


def test_one_that_is_moved_meanwhile(running):
    attached = running.attach(train(16 * LONG))
    source = attached.worker
    assert counted(running, attached, lambda: running.drain(source)) == MORE
    assert attached.worker != source


def test_one_whose_worker_dies_meanwhile(tmp_path):
    with pair() as processes, deploy(NETWORK, processes.client, snapshots=str(tmp_path)) as running:
        attached = running.attach(train(16 * LONG))
        lost = attached.worker

        def interrupt():
            os.kill(processes.pid(lost), signal.SIGKILL)
            wait_until(lambda: attached.address.worker != lost or attached.state == "resting")

        assert counted(running, attached, interrupt) == MORE
        assert {report.samples for report in attached.reports} == {16 * LONG}


def test_one_that_goes_on_in_an_earlier_run_s_pass(user, tmp_path):
    with user.deploy(NETWORK, snapshots=str(tmp_path)) as running:
        running.attach(train(name="a"), epochs=2)
        running.wait(timeout=PATIENCE)
    with user.deploy(NETWORK, resume=str(tmp_path)) as running:
        attached = running.attach(train(name="a"), epochs=6)
        running.wait(epochs=2, timeout=PATIENCE)
        assert {report.epoch for report in attached.reports} >= {3, 4}
        running.wait(timeout=PATIENCE)
        assert [report.epoch for report in attached.reports] == [3, 4, 5, 6]


def test_an_actor_that_did_not_answer_in_time_is_notified_later(user, monkeypatch):
    ask = AttachedSentinel.ask

    async def silent(attached, method, *args, **options):
        if method is SentinelActor.count:
            raise DeadlineError("it did not answer")
        return await ask(attached, method, *args, **options)

    with user.deploy(NETWORK) as running:
        attached = running.attach(train(16 * LONG))
        monkeypatch.setattr(AttachedSentinel, "ask", silent)
        running.wait(epochs=2, timeout=PATIENCE)
        assert attached.state == "resting" and len(attached.reports) >= 2
        assert {report.samples for report in attached.reports} == {16 * LONG}


def test_a_wait_for_fewer_passes_does_not_end_one_for_more(running):
    """Neither that of another thread, nor where the sentinel has a number of its own."""
    attached = running.attach(train(16 * LONG))
    assert counted(running, attached, lambda: running.wait(epochs=1, timeout=PATIENCE)) == MORE
    running.detach(attached)
    attached = running.attach(train(16 * LONG), epochs=MORE)
    whole = threading.Thread(target=running.wait, kwargs={"timeout": PATIENCE})
    whole.start()
    wait_until(lambda: attached.waits)
    running.wait(epochs=1, timeout=PATIENCE)
    whole.join(PATIENCE)
    assert not whole.is_alive() and len(attached.reports) == MORE


def test_a_wait_for_one_that_is_paused_says_to_resume_it(running):
    running.attach(train(16 * LONG), epochs=10**6)
    running.pause()
    with pytest.raises(DeadlineError, match=r"'train0'.*: paused, .*: resume those that are paused, wait longer"):
        running.wait(timeout="20ms")
    running.resume()
    with pytest.raises(DeadlineError, match=r"running, .*passes>: wait longer"):
        running.wait(timeout="20ms")


def test_the_last_call_counts(running):
    attached = running.attach(train(16 * LONG))
    with pytest.raises(DeadlineError):
        running.wait(epochs=10**6, timeout="20ms")
    running.wait(epochs=1, timeout=PATIENCE)
    before = len(attached.reports)
    running.wait(epochs=1, timeout=PATIENCE)
    assert len(attached.reports) == before + 1
