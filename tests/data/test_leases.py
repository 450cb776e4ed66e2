"""The order of a lease: each row once, whole batches, no more pieces open than the buffer has room for."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from akkordeon_dask.data import Lease, LeasedSource, LostPartitionError, Partition, Piece, takes, unread

leases = st.builds(
    lambda rows, seed, buffer, epoch: Lease(
        epoch, tuple(Piece(number, many, min(many, number)) for number, many in enumerate(rows)), seed, buffer, 2
    ),
    st.lists(st.integers(0, 40), min_size=1, max_size=8).filter(lambda rows: any(rows[1:]) or rows[0]),
    st.integers(0, 99),
    st.integers(0, 5),
    st.integers(1, 9),
)
sizes = st.integers(1, 50)
laws = settings(max_examples=200, deadline=None, derandomize=True)


class Counted(LeasedSource):
    """Partition i has the rows (i, 0), (i, 1), ...; those of `lost` are gone."""

    def __init__(self, lost=()):
        self.lost = lost
        self.asked = []

    def prefetch(self, lease, piece):
        self.asked.append(piece.partition)

    def fetch(self, lease, piece):
        if piece.partition in self.lost:
            raise LostPartitionError
        rows = np.stack([np.full(piece.rows, piece.partition), np.arange(piece.rows)], axis=1)
        return Partition(rows, rows[:, 1])


def read(lease, size, lost=()):
    source = Counted(lost)
    source.assign(lease)
    return list(source.batches(1, size))


def rows_of(batches):
    return [tuple(row) for x, _ in batches for row in x.tolist()]


@laws
@given(leases, sizes)
def test_all_batches_are_whole_but_the_last(lease, size):
    batches, total = [0], 0
    for take in takes(lease, size):
        batches[-1] += take.stop - take.start
        total += take.stop - take.start
        if take.ends_batch:
            batches.append(0)
    assert total == lease.rows
    assert batches.pop() == 0
    assert all(batch == size for batch in batches[:-1])


@laws
@given(leases, sizes)
def test_no_more_pieces_are_open_than_the_buffer_has_room_for(lease, size):
    opened, most = set(), max(1, lease.buffer - 1)
    for take in takes(lease, size):
        opened.add(take.piece)
        assert len(opened) <= most
        if take.stop == lease.pieces[take.piece].rows:
            opened.remove(take.piece)
    assert not opened


@laws
@given(leases, sizes, st.data())
def test_what_is_left_after_some_batches_is_exactly_what_they_did_not_have(lease, size, data):
    batches = read(lease, size)
    drawn = data.draw(st.integers(0, len(batches)))
    left = unread(lease, size, drawn)
    assert sum(piece.left for piece in left) == lease.rows - sum(len(x) for x, _ in batches[:drawn])
    rest = Lease(lease.epoch, left, lease.seed, lease.buffer, 2)
    both = rows_of(batches[:drawn]) + rows_of(read(rest, size) if left else [])
    assert sorted(both) == sorted(rows_of(batches))
    assert len(set(both)) == len(both)


@laws
@given(leases, sizes)
def test_the_same_lease_has_the_same_order(lease, size):
    assert rows_of(read(lease, size)) == rows_of(read(lease, size))


@laws
@given(leases, sizes)
def test_rows_of_a_lost_partition_are_left_out_and_all_others_come(lease, size):
    lost = lease.pieces[0].partition
    assert set(rows_of(read(lease, size, {lost}))) == {row for row in rows_of(read(lease, size)) if row[0] != lost}


def test_another_epoch_has_another_order_of_the_same_rows():
    one, other = (Lease(epoch, (Piece(0, 50), Piece(1, 50)), 0, 4, 2) for epoch in (1, 2))
    assert rows_of(read(one, 10)) != rows_of(read(other, 10))
    assert sorted(rows_of(read(one, 10))) == sorted(rows_of(read(other, 10)))


def test_without_a_buffer_rows_come_as_they_are():
    lease = Lease(1, (Piece(0, 5), Piece(1, 3)), 0, 0, 2)
    assert rows_of(read(lease, 4)) == [(0, 0), (0, 1), (0, 2), (0, 3), (0, 4), (1, 0), (1, 1), (1, 2)]


def test_rows_of_several_partitions_are_mixed():
    (first, _), *_ = read(Lease(1, tuple(Piece(number, 100) for number in range(5)), 0, 4, 2), 60)
    assert len({row[0] for row in first.tolist()}) == 3
