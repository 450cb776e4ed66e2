"""Batch readers: in the sentinel's own thread, or in one of their own when the source may block."""

import pytest

from akkordeon_dask.actors.sentinel._batch_reader import BackgroundBatchReader, BatchReader, NoBatch, make_batch_reader
from tests.support.batch_readers import batch, numbers, reading
from tests.support.numbered_samples import numbered
from tests.support.patience import PATIENCE


def test_each_pass_draws_the_data_again():
    reader = reading([batch(0), batch(1)])
    assert numbers(reader.draw(1, 1) for _ in range(3)) == [0, 1, None]
    assert numbers(reader.draw(2, 2) for _ in range(3)) == [0, 1, None]


def test_a_restarted_pass_restarts_its_data():
    reader = reading([batch(0), batch(1)])
    assert numbers([reader.draw(1, 1), reader.draw(2, 1), reader.draw(2, 1)]) == [0, 0, 1]


def test_an_endless_stream_continues_from_pass_to_pass():
    reader = reading(lambda: map(batch, range(100)), endless_passes=True)
    assert numbers(reader.draw(number // 3, 1) for number in range(7)) == [0, 1, 2, 3, 4, 5, 6]


def test_a_stream_that_ends_at_the_end_of_a_pass_restarts_with_the_next():
    reader = reading([batch(0), batch(1)], endless_passes=True)
    assert numbers([reader.draw(1, 1), reader.draw(1, 1), reader.draw(2, 2), reader.draw(2, 2)]) == [0, 1, 0, 1]


def test_a_stream_that_ends_within_a_pass_ends_the_pass():
    reader = reading([batch(0), batch(1)], endless_passes=True)
    assert numbers(reader.draw(1, 1) for _ in range(3)) == [0, 1, None]


def test_arrays_are_drawn_in_the_sentinels_thread_and_streams_beside_it(threaded):
    assert type(make_batch_reader(numbered(4).open(), 2, endless_passes=False, wake=print, name="a")) is BatchReader
    assert type(threaded().reader) is BackgroundBatchReader


def test_a_slow_source_blocks_nobody_and_wakes_the_sentinel(threaded):
    it = threaded()
    assert [it.reader.draw(1, 1) for _ in range(3)] == [NoBatch.PENDING] * 3
    it.slow.let_out.put(7)
    assert it.woken.acquire(timeout=PATIENCE)
    assert numbers([it.reader.draw(1, 1)]) == [7]
    assert it.reader.draw(1, 1) is NoBatch.PENDING


def test_a_slow_source_is_asked_for_one_batch_at_a_time(threaded):
    it = threaded()
    for number in range(5):
        it.slow.let_out.put(number)
    assert numbers([it.draw(), it.draw()]) == [0, 1]
    it.reader.draw(1, 1)
    assert it.woken.acquire(timeout=PATIENCE)
    assert it.slow.let_out.qsize() == 2


@pytest.mark.parametrize("endless", [False, True])
def test_a_batch_requested_before_a_restart_is_not_drawn_for_the_restarted_pass(threaded, endless):
    it = threaded(endless=endless)
    it.slow.let_out.put(0)
    assert numbers([it.draw(1, 1)]) == [0]
    assert it.reader.draw(1, 1) is NoBatch.PENDING
    for number in (1, 2, None):
        it.slow.let_out.put(number)
    assert numbers(it.draw(2, 1) for _ in range(2)) == ([1, 2] if endless else [2, None])
    assert it.slow.runs == (1 if endless else 2)


@pytest.mark.parametrize("endless", [False, True])
def test_the_end_of_the_data_before_a_restart_does_not_end_the_restarted_pass(threaded, endless):
    it = threaded(endless=endless)
    it.slow.let_out.put(0)
    assert numbers([it.draw(1, 1)]) == [0]
    assert it.reader.draw(1, 1) is NoBatch.PENDING
    for number in (None, 1):
        it.slow.let_out.put(number)
    assert numbers([it.draw(2, 1)]) == [1]


def test_an_error_of_a_slow_source_is_raised_by_the_reader(threaded):
    it = threaded()
    it.slow.let_out.put(KeyError("of the source"))
    with pytest.raises(KeyError, match="of the source"):
        it.draw()


def test_closing_ends_the_thread_and_the_source(threaded):
    it = threaded()
    it.slow.let_out.put(0)
    it.draw()
    it.reader.close(timeout=PATIENCE)
    assert it.slow.closed.wait(PATIENCE)


def test_closing_does_not_wait_for_a_source_that_does_not_answer_and_the_source_is_closed_when_it_does(threaded):
    it = threaded()
    assert it.reader.draw(1, 1) is NoBatch.PENDING
    it.reader.close(timeout=0.0)
    assert not it.slow.closed.is_set()
    it.slow.let_out.put(0)
    assert it.slow.closed.wait(PATIENCE)
