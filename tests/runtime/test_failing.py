"""A sentinel that has failed: who waits is told once, and the others go on."""

import threading
from dataclasses import dataclass

import dask.config
import numpy as np
import pytest

from akkordeon_dask import Sentinel, data, deploy, nn
from akkordeon_dask.actors.transport._post_office import PostOffice
from akkordeon_dask.errors import (
    AkkordeonError,
    ClosedError,
    DeadlineError,
    LostBatchesError,
    NonFiniteError,
    SentinelError,
    ShapeError,
    SpecError,
)
from akkordeon_dask.messages import Backward
from akkordeon_dask.runtime._session import Session
from tests.support.leftovers import wait_until
from tests.support.patience import PATIENCE
from tests.support.small_networks import NETWORK, numbers, rating, train


def failing(name="bad", **options):
    """Its second batch has a loss that is no number."""
    x, y = numbers()
    x[20] = np.nan
    return Sentinel.train(data.arrays(x, y, shuffle=False), batch_size=16, concurrency=1, name=name, **options)


def failed(running, name="bad"):
    """Attach one, and have it fail before anybody waits."""
    attached = running.attach(failing(name))
    wait_until(lambda: attached.state == "failed")
    return attached


def test_its_error_is_raised_once_and_names_the_way_to_detach_it(running):
    attached = failed(running)
    good = running.attach(train(epochs=3))
    with pytest.raises(NonFiniteError, match=r"pass 1 of sentinel 'bad'.*running\.detach\('bad'\)") as told:
        running.wait(timeout=PATIENCE)
    assert "\n" not in str(told.value) and told.value.__cause__ is attached.error
    for _ in range(2):
        assert len(running.wait(timeout=PATIENCE)) == 3 == len(good.reports)
    assert running.evaluate(rating()).samples == 64
    assert len(running.predict(numbers()[0])) == 64
    running.pause()
    running.resume()
    assert running.statistics()["bad"].state == "failed"
    running.detach("bad")
    assert list(running.sentinels) == [good.name]


@pytest.mark.parametrize("first", ["evaluate", "predict"])
def test_the_first_verb_after_its_failure_raises(running, first):
    failed(running)
    with pytest.raises(NonFiniteError, match="sentinel 'bad'"):
        running.evaluate(rating()) if first == "evaluate" else running.predict(numbers()[0])
    assert list(running.sentinels) == ["bad"]
    assert running.wait(timeout=PATIENCE) == ()


def test_another_failure_is_raised_too(running):
    for name in ("bad", "worse"):
        failed(running, name)
        with pytest.raises(NonFiniteError, match=f"sentinel '{name}'"):
            running.wait(epochs=1, timeout=PATIENCE)
    running.attach(train(epochs=1))
    assert len(running.wait(timeout=PATIENCE)) == 1


def test_every_wait_raises_when_it_fails(user, monkeypatch):
    wait_in_session, waits, told = Session.wait_until, [], []

    def noted(session, *args, **options):
        waits.append(session)
        return wait_in_session(session, *args, **options)

    def wait():
        with pytest.raises(AkkordeonError, match="sentinel 'bad'"):
            running.wait(epochs=10**9, timeout=PATIENCE)
        told.append(True)

    monkeypatch.setattr(Session, "wait_until", noted)
    with user.deploy(NETWORK) as running:
        running.attach(train())
        waiting = [threading.Thread(target=wait) for _ in range(2)]
        for thread in waiting:
            thread.start()
        wait_until(lambda: len(waits) == 2)
        running.attach(failing())
        for thread in waiting:
            thread.join(PATIENCE)
        assert told == [True, True]


def test_one_that_fails_on_its_own_evaluation_is_gone_with_it(user):
    x, y = numbers()
    y[50] = 7
    with user.deploy(NETWORK) as running:
        with pytest.raises(AkkordeonError, match="label 7 is out of range") as told:
            running.evaluate(Sentinel.test(data.arrays(x, y), batch_size=16))
        assert "detach" not in str(told.value) and running.sentinels == {}
        running.attach(train(epochs=1))
        assert len(running.wait(timeout=PATIENCE)) == 1


def test_detach_takes_a_name_or_what_attach_gave(user, somebody):
    with user.deploy(NETWORK) as running, somebody.deploy(NETWORK) as other:
        first, second = running.attach(train()), running.attach(train(name="b"))
        with pytest.raises(SpecError, match=r"this client has no sentinel 'c' on network .*, only 'train0', 'b'"):
            running.detach("c")
        with pytest.raises(SpecError, match="this client has no sentinel 'train0' on network"):
            other.detach(first)
        running.detach("b")
        running.detach(second)
        running.detach(first)
        with pytest.raises(SpecError, match=r"this client has no sentinel 'train0' on network .*, only none"):
            running.detach("train0")
    running.detach(first)
    with pytest.raises(ClosedError):
        running.detach("train0")


class Breaks(data.Provider):
    """Has a source that gives what no source should."""

    def open(self):
        return BreaksSource()


class BreaksSource(data.Source):
    samples, shape, dtype, labelled = None, (6,), np.dtype("f4"), True
    stable = True

    def batches(self, epoch, batch_size):
        yield numbers(16)
        yield (numbers(16)[0],)  # a defect of the source


def test_an_error_in_its_thread_is_its_own_and_nobody_else_has_closed_it(running):
    attached = running.attach(Sentinel.train(Breaks(), name="breaks"))
    with pytest.raises(SentinelError, match=r"sentinel 'breaks'.*ValueError.*running\.detach\('breaks'\)"):
        running.wait(epochs=3, timeout=PATIENCE)
    assert attached.state == "failed" and running.statistics()["breaks"].state == "failed"
    running.attach(train(epochs=1))
    assert len(running.wait(timeout=PATIENCE)) == 1


@pytest.mark.parametrize("error", [SystemExit(2), KeyboardInterrupt(), GeneratorExit(), OSError("unplugged")], ids=repr)
def test_a_provider_that_raises_or_would_end_its_program_is_named_by_attach_or_by_wait(user, error):
    def at_once():
        raise error
        yield

    def later():
        yield numbers(16)
        raise error

    raised = f".* raised {type(error).__name__}.*"
    with user.deploy(NETWORK) as running:
        with pytest.raises(SentinelError, match=rf"'bad': .*<function .*at_once>{raised}fix the provider"):
            running.attach(Sentinel.train(data.stream(at_once), name="bad"))
        running.attach(Sentinel.train(data.stream(later), name="bad"))
        with pytest.raises(SentinelError, match=rf"'bad': .*<function .*later>{raised}running\.detach\('bad'\)"):
            running.wait(epochs=3, timeout=PATIENCE)


@dataclass(frozen=True, repr=False)
class Odd(nn.Score):
    """Gives no number, or ends the program."""

    error: str | None = None

    @property
    def name(self):
        return "odd"

    def __call__(self, y, target):
        if self.error is not None:
            raise SystemExit(self.error)


@pytest.mark.parametrize("score", [Odd(), Odd("enough")], ids=repr)
def test_a_score_that_fails_is_named_with_its_batch(user, score):
    with user.deploy(NETWORK) as running, pytest.raises(SentinelError, match=r"batch 0 .*Odd\(.*raised .*: fix it"):
        running.evaluate(Sentinel.test(data.arrays(*numbers()), batch_size=16, scores=[score]))


@dataclass(frozen=True, repr=False)
class Divides(nn.Score):
    """Its result raises an error of its own."""

    @property
    def name(self):
        return "divides"

    def update(self, y, target):
        return (len(y),)

    def result(self, state):
        return 1 / 0


def test_a_score_whose_result_fails_is_named_and_its_thread_goes_on_to_tell_it(user):
    with (
        user.deploy(NETWORK) as running,
        pytest.raises(SentinelError, match=r"Divides\(.*ZeroDivision.*fix it"),
    ):
        running.evaluate(Sentinel.test(data.arrays(*numbers()), batch_size=2, scores=[Divides()]))


def test_a_later_batch_of_another_form_raises_the_same_error_as_a_first_batch(running):
    x, y = numbers(16)
    running.attach(Sentinel.train(data.stream([(x, y), (x[:, :5], y)]), name="bad"))
    with pytest.raises(ShapeError, match="takes 6 features, not 5"):
        running.wait(epochs=1, timeout=PATIENCE)


def test_a_time_that_is_over_names_who_is_not_done(running):
    running.attach(train(name="done"), epochs=1)
    running.wait(timeout=PATIENCE)
    running.attach(train(name="works"))
    with pytest.raises(DeadlineError, match="'works'") as caught:
        running.wait(epochs=10**6, timeout=0.1)
    assert "'done'" not in str(caught.value)


def test_a_worker_process_reports_the_same_error(processes):
    with deploy(NETWORK, processes.client) as running:
        failed(running)
        with pytest.raises(NonFiniteError, match=r"running\.detach\('bad'\)"):
            running.wait(timeout=PATIENCE)
        running.attach(train(), epochs=2)
        assert len(running.wait(timeout=PATIENCE)) == 2
    processes.nothing_left()


def test_promise_12_a_pass_that_loses_its_batches_raises_and_the_network_goes_on(monkeypatch):
    times = {"batch.deadline": "50ms", "batch.min-deadline": "50ms", "batch.max-attempts": 2}
    send = PostOffice.send
    lossy = threading.Event()
    lossy.set()

    def lose(office, to, message):
        if not (lossy.is_set() and isinstance(message, Backward)):
            send(office, to, message)

    monkeypatch.setattr(PostOffice, "send", lose)
    with deploy(NETWORK) as running:
        with dask.config.set({f"akkordeon.{key}": value for key, value in times.items()}):
            running.attach(train(epochs=2, concurrency=1, name="bad"))
        text = r"sentinel 'bad' lost 3 batches .* completed 0 samples.*; gate 'g1' on .* 0 backward"
        with pytest.raises(LostBatchesError, match=text):
            running.wait(timeout=PATIENCE)
        lossy.clear()
        running.attach(train(epochs=2, name="good"))
        assert [(one.sentinel, one.lost) for one in running.wait(timeout=PATIENCE)] == [("good", 0)] * 2
