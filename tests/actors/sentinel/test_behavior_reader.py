"""A sentinel draws the batches of its reader."""

import threading

import numpy as np
import pytest

from akkordeon_dask import errors
from akkordeon_dask.actors.sentinel._batch_reader import BatchReader
from akkordeon_dask.messages import Backward, Forward
from tests.support.batch_readers import batch, reading
from tests.support.gate_harness import Played
from tests.support.numbered_samples import counted, numbered
from tests.support.patience import PATIENCE


def samples(number):
    return BatchReader(numbered(number).open(), 2, endless_passes=False)


def with_reader(reader, **options):
    return Played(concurrency=2, reader=reader, **options)


def answer(played, samples=2):
    """The gates answer the oldest batch."""
    header = next(m.header for _, m in reversed(played.sent) if m.header.sequence == played.behavior.floor)
    played.predictions(header, samples)
    played.behavior.receive(Backward(header, None))


def test_a_sentinel_sends_what_the_credits_allow_until_the_epochs_are_done():
    played = with_reader(samples(7), epochs=2)
    played.wake()
    while played.behavior.in_flight:
        assert played.behavior.in_flight <= 2
        answer(played, samples=1 if played.behavior.floor % 4 == 3 else 2)
    assert played.behavior.state == "resting"
    assert played.changes[0] == ("running", 2) and played.changes[-1] == ("resting", 0)
    assert [counted(report) for report in played.reports] == [set(range(7))] * 2


def test_a_sentinel_is_woken_when_a_slow_batch_is_there(threaded):
    it = threaded()
    played = with_reader(it.reader)
    played.wake()
    assert played.sent == []
    it.slow.let_out.put(0)
    assert it.woken.acquire(timeout=PATIENCE)
    played.wake()
    assert [message.header.sequence for _, message in played.sent] == [0]


def test_a_sentinel_knows_since_when_it_waits_for_data(threaded):
    it = threaded()
    played = with_reader(it.reader)
    assert played.behavior.waits_since is None
    played.wake()
    begun = played.now
    played.wait(7.0)
    assert played.behavior.waits_since == begun
    it.slow.let_out.put(0)
    assert it.woken.acquire(timeout=PATIENCE)
    played.wake()
    assert played.behavior.waits_since == played.now == begun + 7.0


def test_the_end_of_a_repeated_pass_asks_for_the_timer_at_once():
    played = with_reader(samples(2), mode="validate", every=5.0)
    played.wake()
    assert not played.behavior.wants_timer
    (opening,) = (message.header for _, message in played.sent)
    played.behavior.receive(Forward(opening, np.zeros((2, 3))))
    assert played.behavior.wants_timer
    assert played.behavior.on_timer(played.now) <= 1.0 and len(played.reports) == 1


def test_an_endless_stream_is_cut_into_passes():
    played = with_reader(reading(lambda: map(batch, range(10**9)), endless_passes=True), batches_per_pass=3, epochs=4)
    played.behavior.on_timer(100.0)
    for _ in range(12):
        answer(played)
    assert [(report.epoch, counted(report)) for report in played.reports] == [
        (epoch, set(range(6 * epoch - 6, 6 * epoch))) for epoch in (1, 2, 3, 4)
    ]
    assert played.behavior.state == "resting"


@pytest.mark.parametrize(
    ("raised", "becomes", "text"),
    [
        (KeyError("why"), errors.SentinelError, "sentinel 'it': .* raised KeyError.'why'.*: fix the provider"),
        (errors.DataError("row 7 of the file"), errors.DataError, "row 7 of the file"),
    ],
    ids=repr,
)
def test_promise_9_a_provider_that_raises_fails_the_sentinel(raised, becomes, text):
    def provider():
        yield batch(0)
        raise raised

    played = with_reader(reading(provider))
    played.wake()
    with pytest.raises(becomes, match=text):
        raise played.behavior.error
    assert played.changes == [("failed", 0)] and played.behavior.in_flight == 0


def test_promise_9_a_provider_without_batches_fails_the_sentinel():
    played = with_reader(reading(list))
    played.wake()
    assert played.behavior.state == "failed" and isinstance(played.behavior.error, errors.DataError)
    assert "has no samples" in str(played.behavior.error)


def test_stopping_a_sentinel_releases_its_data():
    closed = threading.Event()

    class Closing(BatchReader):
        def close(self, timeout):
            closed.set()

    played = with_reader(Closing(numbered(4).open(), 2, endless_passes=False))
    played.wake()
    played.behavior.leave()
    assert played.behavior.state == "left" and not closed.is_set()
    played.behavior.stop()
    assert played.behavior.state == "left" and closed.is_set()


def test_the_timer_is_due_when_the_next_pass_is():
    played = with_reader(samples(2), mode="validate", every=5.0)
    assert played.behavior.on_timer(100.0) == 1.0
    played.predictions(played.sent[0][1].header)
    assert len(played.reports) == 1
    assert played.behavior.on_timer(104.25) == 0.75
    assert len(played.sent) == 1
    played.now = 105.0
    played.behavior.on_timer(played.now)
    assert len(played.sent) == 2


def test_a_defect_between_data_and_gates_fails_the_sentinel_and_its_thread_continues(caplog):
    reader = reading([batch(0)])
    played = with_reader(reader)
    reader.draw = lambda *asked: (1,)  # one where two are due
    played.wake()
    assert played.behavior.state == "failed" and played.changes[-1] == ("failed", 0)
    assert isinstance(played.behavior.error, errors.SentinelError)
    assert "sentinel 'it' on tcp://home broke: ValueError" in str(played.behavior.error)
    assert played.behavior.on_timer(100.0) > 0
    played.wake()
    assert not played.behavior.wants_timer
    assert "ValueError" in caplog.text


@pytest.mark.parametrize("refuse", [True, False])
def test_a_refused_first_batch_is_not_sent_and_an_accepted_one_is_checked_once(refuse):
    checked = []

    def check(drawn):
        checked.append(drawn)
        if refuse:
            raise errors.ShapeError("it does not fit")

    played = with_reader(None, check=check)
    played.wake()
    assert not played.behavior.tried
    played.behavior.reader = reading([batch(0), batch(1)])
    played.wake()
    played.wake()  # another turn, before whoever opens the sentinel looks
    assert len(checked) == 1 and played.behavior.tried is not refuse
    assert isinstance(played.behavior.error, errors.ShapeError) is refuse
    assert any(isinstance(message, Forward) for _, message in played.sent) is not refuse


def test_a_reader_that_comes_during_a_turn_is_tried_in_the_next_one(monkeypatch):
    played = with_reader(None)
    looks = iter([None])
    late = reading([batch(0)])
    monkeypatch.setattr(type(played.behavior), "reader", property(lambda self: next(looks, late)), raising=False)
    played.wake()
    assert not played.behavior.tried and not played.sent
    played.wake()
    assert played.behavior.tried and played.sent
