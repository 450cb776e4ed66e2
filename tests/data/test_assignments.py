"""The order of an assignment: each row once, whole batches, no more portions open than the buffer has room for."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from akkordeon_dask.data import AssignedSource, Assignment, LostPartitionError, Partition, Portion, takes, unread

assignments = st.builds(
    lambda rows, seed, buffer, epoch: Assignment(
        epoch, tuple(Portion(number, many, min(many, number)) for number, many in enumerate(rows)), seed, buffer, 2
    ),
    st.lists(st.integers(0, 40), min_size=1, max_size=8).filter(lambda rows: any(rows[1:]) or rows[0]),
    st.integers(0, 99),
    st.integers(0, 5),
    st.integers(1, 9),
)
sizes = st.integers(1, 50)
laws = settings(max_examples=200, deadline=None, derandomize=True)


class Counted(AssignedSource):
    """Partition i has the rows (i, 0), (i, 1), ...; those of `lost` are gone."""

    def __init__(self, lost=()):
        self.lost = lost
        self.asked = []

    def prefetch(self, assignment, portion):
        self.asked.append(portion.partition)

    def fetch(self, assignment, portion):
        if portion.partition in self.lost:
            raise LostPartitionError
        rows = np.stack([np.full(portion.rows, portion.partition), np.arange(portion.rows)], axis=1)
        return Partition(rows, rows[:, 1])


def read(assignment, size, lost=()):
    source = Counted(lost)
    source.assign(assignment)
    return list(source.batches(1, size))


def rows_of(batches):
    return [tuple(row) for x, _ in batches for row in x.tolist()]


@laws
@given(assignments, sizes)
def test_all_batches_are_whole_but_the_last(assignment, size):
    batches, total = [0], 0
    for take in takes(assignment, size):
        batches[-1] += take.stop - take.start
        total += take.stop - take.start
        if take.ends_batch:
            batches.append(0)
    assert total == assignment.rows
    assert batches.pop() == 0
    assert all(batch == size for batch in batches[:-1])


@laws
@given(assignments, sizes)
def test_no_more_portions_are_open_than_the_buffer_has_room_for(assignment, size):
    opened, most = set(), max(1, assignment.buffer - 1)
    for take in takes(assignment, size):
        opened.add(take.portion)
        assert len(opened) <= most
        if take.stop == assignment.portions[take.portion].rows:
            opened.remove(take.portion)
    assert not opened


@laws
@given(assignments, sizes, st.data())
def test_what_is_left_after_some_batches_is_exactly_what_they_did_not_have(assignment, size, data):
    batches = read(assignment, size)
    drawn = data.draw(st.integers(0, len(batches)))
    left = unread(assignment, size, drawn)
    assert sum(portion.left for portion in left) == assignment.rows - sum(len(x) for x, _ in batches[:drawn])
    rest = Assignment(assignment.epoch, left, assignment.seed, assignment.buffer, 2)
    both = rows_of(batches[:drawn]) + rows_of(read(rest, size) if left else [])
    assert sorted(both) == sorted(rows_of(batches))
    assert len(set(both)) == len(both)


@laws
@given(assignments, sizes)
def test_the_same_assignment_has_the_same_order(assignment, size):
    assert rows_of(read(assignment, size)) == rows_of(read(assignment, size))


@laws
@given(assignments, sizes)
def test_rows_of_a_lost_partition_are_left_out_and_all_others_come(assignment, size):
    lost = assignment.portions[0].partition
    assert set(rows_of(read(assignment, size, {lost}))) == {
        row for row in rows_of(read(assignment, size)) if row[0] != lost
    }


def test_another_epoch_has_another_order_of_the_same_rows():
    one, other = (Assignment(epoch, (Portion(0, 50), Portion(1, 50)), 0, 4, 2) for epoch in (1, 2))
    assert rows_of(read(one, 10)) != rows_of(read(other, 10))
    assert sorted(rows_of(read(one, 10))) == sorted(rows_of(read(other, 10)))


def test_without_a_buffer_rows_come_as_they_are():
    assignment = Assignment(1, (Portion(0, 5), Portion(1, 3)), 0, 0, 2)
    assert rows_of(read(assignment, 4)) == [(0, 0), (0, 1), (0, 2), (0, 3), (0, 4), (1, 0), (1, 1), (1, 2)]


def test_rows_of_several_partitions_are_mixed():
    (first, _), *_ = read(Assignment(1, tuple(Portion(number, 100) for number in range(5)), 0, 4, 2), 60)
    assert len({row[0] for row in first.tolist()}) == 3
