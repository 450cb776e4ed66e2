"""One sentinel's batches at a gate: those above its floor, and pins that traffic renews."""

import pytest

from akkordeon_dask.actors import Version
from akkordeon_dask.actors.gate._in_flight import InFlight, StashedBatch
from tests.support.numbered_samples import header

V5, V6, V7 = (Version(number, None, None, updates=number) for number in (5, 6, 7))


def held(version=V5, expires=10.0):
    return StashedBatch(1, version, "context", expires, applied=False)


def evaluating(pass_number=1, *, sequence=0, attempt=1, opening=False, deadline=10.0):
    return header(
        sequence, mode="validate", pass_number=pass_number, attempt=attempt, opening=opening, deadline=deadline
    )


def test_batches_below_the_floor_are_dropped():
    in_flight = InFlight(batches={number: held() for number in range(5)})
    in_flight.advance_floor(header(7, floor=3), now=1.0)
    assert sorted(in_flight.batches) == [3, 4]
    assert (in_flight.floor, in_flight.last_message, in_flight.contexts) == (3, 1.0, 2)


def test_a_restarted_gate_reaches_the_floor_of_a_stream_that_has_run_for_years_at_once():
    in_flight = InFlight(batches={5: held()})
    in_flight.advance_floor(header(10**15 + 2, floor=10**15), now=1.0)
    in_flight.advance_floor(header(10**15 + 2, floor=10**15 + 1), now=1.0)
    assert (in_flight.floor, in_flight.batches, in_flight.holes) == (10**15 + 1, {}, {10**15})
    assert not in_flight.was_applied(5)


def test_a_floor_never_falls():
    in_flight = InFlight()
    for floor, known in [(3, 3), (1, 3), (4, 4), (0, 4)]:
        in_flight.advance_floor(header(7, floor=floor), now=1.0)
        assert in_flight.floor == known


def test_the_next_pass_takes_the_place_of_the_one_before():
    in_flight = InFlight()
    in_flight.pin(evaluating(1, opening=True), V5, now=0.0)
    assert in_flight.pin(evaluating(2, opening=True), V6, now=1.0) is V6
    assert in_flight.pin(evaluating(1, sequence=1), V7, now=1.0) is None
    assert in_flight.pin(evaluating(1, opening=True), V7, now=1.0) is None
    assert in_flight.pin(evaluating(3, opening=True), V7, now=1.0) is V7
    assert in_flight.versions == {6, 7}


def test_the_versions_of_the_last_two_passes_can_be_asked_for_until_their_leases_lapse():
    in_flight = InFlight()
    for number, version in enumerate((V5, V6, V7), 1):
        in_flight.pin(evaluating(number, opening=True, deadline=10.0), version, now=10.0 * number)
    assert [in_flight.rated(number) for number in range(5)] == [None, None, V6, V7, None]
    in_flight.expire(60.1)
    assert [in_flight.rated(number) for number in (2, 3)] == [None, V7]
    in_flight.expire(70.1)
    assert in_flight.rated(3) is None and in_flight.versions == set()


def test_traffic_renews_a_pin_and_without_it_the_pin_expires():
    in_flight = InFlight()
    in_flight.pin(evaluating(opening=True, deadline=10.0), V5, now=0.0)
    for now in (39.0, 78.0, 117.0):
        in_flight.expire(now)
        assert in_flight.pin(evaluating(sequence=1, deadline=10.0), V6, now) is V5
    in_flight.expire(157.0)
    assert in_flight.versions == {5}
    in_flight.expire(157.1)
    assert in_flight.versions == set()
    assert in_flight.pin(evaluating(sequence=1), V6, now=158.0) is None


@pytest.mark.parametrize(("attempt", "pinned"), [(1, None), (2, None), (3, V6)])
def test_promise_8_a_late_copy_of_an_opening_batch_sets_no_other_pin(attempt, pinned):
    in_flight = InFlight()
    assert in_flight.pin(evaluating(opening=True, attempt=1), V5, now=0.0) is V5
    assert in_flight.pin(evaluating(opening=True, attempt=2), V5, now=0.0) is V5
    in_flight.expire(1000.0)
    assert in_flight.pin(evaluating(opening=True, attempt=attempt), V6, now=1000.0) is pinned


def test_contexts_go_when_their_time_is_over_and_the_batch_stays_known():
    in_flight = InFlight(batches={0: held(V5, expires=10.0), 1: held(V6, expires=20.0)})
    in_flight.expire(10.0)
    assert in_flight.contexts == 2 and in_flight.versions == {5, 6}
    in_flight.expire(10.1)
    assert in_flight.contexts == 1 and in_flight.versions == {6}
    assert sorted(in_flight.batches) == [0, 1]
    in_flight.expire(10.2)
    assert in_flight.contexts == 1


def test_a_released_batch_holds_neither_version_nor_context():
    batch = held(V5)
    in_flight = InFlight(batches={0: batch})
    assert batch.release() == (V5, "context")
    assert (batch.version, batch.context, in_flight.contexts, in_flight.versions) == (None, None, 0, set())


def test_in_flight_is_idle_when_it_holds_nothing_and_had_no_message_for_long():
    in_flight = InFlight(batches={0: held(expires=2000.0)})
    in_flight.advance_floor(header(), now=100.0)
    assert not in_flight.idle(1000.0)
    in_flight.batches[0].release()
    assert in_flight.idle(1000.0) and not in_flight.idle(700.0)
    in_flight.pin(evaluating(opening=True), V5, now=1000.0)
    assert not in_flight.idle(1000.0)
