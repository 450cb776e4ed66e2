"""A sentinel's core together with its data."""

import threading

import numpy as np
import pytest

from akkordeon_dask import errors
from akkordeon_dask.actors.sentinel._batch_reader import BatchReader
from akkordeon_dask.actors.sentinel._driver import BatchReady, Driver
from akkordeon_dask.messages import Backward, Forward
from tests.support.batch_readers import batch, feeding
from tests.support.gate_harness import Played
from tests.support.numbered_samples import LIMIT, counted, numbered


def driven(feed, **options):
    """A sentinel with data; `changes` are the states it was in when it said that something changed."""
    played, changes = Played(concurrency=2, **options), []
    driver = Driver(played.core, changed=lambda: changes.append((played.core.state, played.core.in_flight)))
    driver.feed = feed
    return played, driver, changes


def test_a_driver_sends_what_the_credits_allow_until_the_epochs_are_done():
    played, driver, changes = driven(BatchReader(numbered(7).open(), 2, endless_passes=False), epochs=2)
    driver.receive(BatchReady())
    while played.core.in_flight:
        assert played.core.in_flight <= 2
        header = next(m.header for _, m in reversed(played.sent) if m.header.sequence == played.core.floor)
        samples = 1 if header.sequence % 4 == 3 else 2
        played.predictions(header, samples)
        driver.receive(Backward(header, None))
    assert played.core.state == "resting" and changes[0] == ("running", 2) and changes[-1] == ("resting", 0)
    assert [counted(report) for report in played.reports] == [set(range(7))] * 2


def test_a_driver_is_woken_when_a_slow_batch_is_there(threaded):
    it = threaded()
    played, driver, _ = driven(it.feed)
    driver.receive(BatchReady())
    assert played.sent == []
    it.slow.let_out.put(0)
    assert it.woken.acquire(timeout=LIMIT)
    driver.receive(BatchReady())
    assert [message.header.sequence for _, message in played.sent] == [0]


def test_who_drives_is_told_to_look_at_the_clock_when_a_pass_that_is_repeated_has_ended():
    played, driver, _ = driven(BatchReader(numbered(2).open(), 2, endless_passes=False), mode="validate", every=5.0)
    assert not driver.receive(BatchReady())
    (opening,) = (message.header for _, message in played.sent)
    assert driver.receive(Forward(opening, np.zeros((2, 3))))
    assert played.core.on_timer(played.core.clock()) <= 1.0 and len(played.reports) == 1


def test_a_driver_cuts_an_endless_stream_into_passes():
    feed = feeding(lambda: map(batch, range(10**9)), endless_passes=True)
    played, driver, _ = driven(feed, batches_per_pass=3, epochs=4)
    driver.on_timer(100.0)
    for _ in range(12):
        header = next(m.header for _, m in reversed(played.sent) if m.header.sequence == played.core.floor)
        played.predictions(header)
        driver.receive(Backward(header, None))
    assert [(report.epoch, counted(report)) for report in played.reports] == [
        (epoch, set(range(6 * epoch - 6, 6 * epoch))) for epoch in (1, 2, 3, 4)
    ]
    assert played.core.state == "resting"


@pytest.mark.parametrize(
    ("raised", "becomes", "text"),
    [
        (KeyError("why"), errors.SentinelError, "sentinel 'it': .* raised KeyError.'why'.*: mend the provider"),
        (errors.DataError("row 7 of the file"), errors.DataError, "row 7 of the file"),
    ],
    ids=repr,
)
def test_promise_9_a_provider_that_raises_fails_the_sentinel(raised, becomes, text):
    def provider():
        yield batch(0)
        raise raised

    played, driver, changes = driven(feeding(provider))
    driver.receive(BatchReady())
    with pytest.raises(becomes, match=text):
        raise played.core.error
    assert changes == [("failed", 0)] and played.core.in_flight == 0


def test_promise_9_a_provider_that_gives_nothing_fails_the_sentinel():
    played, driver, _ = driven(feeding(list))
    driver.receive(BatchReady())
    assert played.core.state == "failed" and isinstance(played.core.error, errors.DataError)
    assert "has no samples" in str(played.core.error)


def test_closing_a_driver_tells_the_gates_and_lets_go_of_the_data():
    closed = threading.Event()

    class Closing(BatchReader):
        def close(self, timeout):
            closed.set()

    _, driver, _ = driven(Closing(numbered(4).open(), 2, endless_passes=False))
    driver.receive(BatchReady())
    driver.stop()
    assert driver.core.state == "left" and closed.is_set()


def test_a_driver_says_when_to_look_again():
    played, driver, _ = driven(BatchReader(numbered(2).open(), 2, endless_passes=False), mode="validate", every=5.0)
    assert driver.on_timer(100.0) == 1.0
    played.predictions(played.sent[0][1].header)
    driver.receive(BatchReady())
    assert len(played.reports) == 1
    assert driver.on_timer(104.25) == 0.75
    assert len(played.sent) == 1
    played.now = 105.0
    driver.on_timer(played.now)
    assert len(played.sent) == 2


def test_whatever_goes_wrong_between_data_and_gates_fails_the_sentinel_and_it_is_driven_on(caplog):
    feed = feeding([batch(0)])
    played, driver, changes = driven(feed)
    feed.draw = lambda *asked: (1, 2, 3)  # three where the core takes two
    driver.receive(BatchReady())
    assert played.core.state == "failed" and changes[-1] == ("failed", 0)
    assert isinstance(played.core.error, errors.SentinelError) and "sentinel 'it' broke: ValueError" in str(
        played.core.error
    )
    assert driver.on_timer(100.0) > 0 and not driver.receive(BatchReady())
    assert "ValueError" in caplog.text


def test_a_first_batch_that_is_refused_is_not_sent_and_a_right_one_is_looked_at_once():
    looked = []

    def check(drawn):
        looked.append(drawn)
        if refuse:
            raise errors.ShapeError("it does not fit")

    for refuse in (True, False):
        looked.clear()
        played, _, _ = driven(None)
        driver = Driver(played.core, changed=lambda: None, check=check)
        driver.receive(BatchReady())
        assert not driver.tried
        driver.feed = feeding([batch(0), batch(1)])
        driver.receive(BatchReady())
        assert len(looked) == 1 and driver.tried is not refuse
        assert isinstance(played.core.error, errors.ShapeError) is refuse
        assert any(isinstance(message, Forward) for _, message in played.sent) is not refuse
