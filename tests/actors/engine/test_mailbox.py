"""Mailboxes: control overtakes backward, backward overtakes forward, and a batch waits once."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from akkordeon_dask.actors import Mailbox, MailboxStatistics
from akkordeon_dask.messages import Address, Backward, Forward, Leave
from tests.support.for_each import for_each
from tests.support.numbered_samples import HOME, header

X = np.zeros(1, np.float32)


def forward(sequence, attempt=1, home=HOME):
    return Forward(header(sequence, attempt=attempt, home=home), X)


def backward(sequence, attempt=1, home=HOME):
    return Backward(header(sequence, attempt=attempt, home=home), X)


def taken(mailbox):
    """Everything that waits, in the order it is taken."""
    return list(mailbox.drain())


def get(mailbox):
    """The next item; None where there is none."""
    lane = mailbox.lane()
    return None if lane is None else mailbox.take(lane)


def filled(*items):
    mailbox = Mailbox()
    for item in items:
        mailbox.put(item)
    return mailbox


@for_each("seed", range(20))
def test_promise_6_control_overtakes_backward_and_backward_overtakes_forward(seed):
    leave, call = Leave("net", HOME), object()
    items = [leave, call, backward(1), backward(2), forward(3), forward(4)]
    scrambled = random.Random(seed).sample(items, len(items))
    lanes = [[item for item in scrambled if item in lane] for lane in (items[:2], items[2:4], items[4:])]
    assert taken(filled(*scrambled)) == [*lanes[0], *lanes[1], *lanes[2]]


def test_a_control_message_overtakes_waiting_batches():
    mailbox = filled(forward(0), forward(1))
    first = get(mailbox)
    mailbox.put(backward(2))
    mailbox.put("control")
    assert [first, *taken(mailbox)] == [forward(0), "control", backward(2), forward(1)]


@pytest.mark.parametrize("kind", [forward, backward])
def test_a_newer_attempt_replaces_a_waiting_older_one(kind):
    newer = kind(0, attempt=3)
    mailbox = filled(kind(0, attempt=1), kind(1), newer)
    assert len(mailbox) == 2
    assert taken(mailbox) == [kind(1), newer]
    assert mailbox.statistics() == MailboxStatistics(waiting=0, peak=2, replaced=1)


@pytest.mark.parametrize("kind", [forward, backward])
@pytest.mark.parametrize("attempt", [1, 2])
def test_an_older_or_repeated_attempt_is_dropped_and_counted(kind, attempt):
    first = kind(0, attempt=2)
    mailbox = filled(first, kind(0, attempt=attempt))
    assert [id(item) for item in taken(mailbox)] == [id(first)]
    assert mailbox.statistics().replaced == 1


def test_a_backward_replaces_its_own_forward_and_no_newer_one():
    assert taken(filled(forward(0, attempt=2), backward(0, attempt=1))) == [forward(0, attempt=2)]
    assert taken(filled(forward(0, attempt=1), backward(0, attempt=2))) == [backward(0, attempt=2)]
    assert taken(filled(forward(0), backward(0))) == [backward(0)]
    assert taken(filled(backward(0), forward(0))) == [backward(0)]
    assert taken(filled(backward(0, attempt=1), forward(0, attempt=2))) == [forward(0, attempt=2)]


def test_batches_of_one_number_of_two_sentinels_are_two():
    other = Address("tcp://home", "sentinel-2")
    mailbox = filled(forward(0), forward(0, home=other))
    assert taken(mailbox) == [forward(0), forward(0, home=other)]
    assert mailbox.statistics().replaced == 0


def test_a_batch_may_wait_again_once_it_was_taken():
    mailbox = filled(forward(0))
    assert taken(mailbox) == [forward(0)]
    mailbox.put(forward(0))
    assert taken(mailbox) == [forward(0)]
    assert mailbox.statistics() == MailboxStatistics(waiting=0, peak=1, replaced=0)


def test_the_peak_is_the_most_that_waited_at_once():
    mailbox = filled(forward(0), forward(1), "control", backward(2))
    taken(mailbox)
    mailbox.put(forward(3))
    assert mailbox.statistics() == MailboxStatistics(waiting=1, peak=3, replaced=0)


class Reference:
    """A mailbox as three lists, in the plainest words."""

    def __init__(self):
        self.control, self.batches, self.peak, self.replaced = [], [], 0, 0

    def put(self, item):
        if isinstance(item, str):
            self.control.append(item)
            return
        rank = self._rank(item)
        older = [known for known in self.batches if known.header.batch == item.header.batch]
        self.replaced += len(older)
        if older and self._rank(older[0]) >= rank:
            return
        self.batches = [known for known in self.batches if known not in older] + [item]
        self.peak = max(self.peak, len(self.batches))

    def _rank(self, item):
        return item.header.attempt, isinstance(item, Backward)

    def get(self):
        if self.control:
            return self.control.pop(0)
        first = min(self.batches, key=lambda item: not isinstance(item, Backward), default=None)
        self.batches = [item for item in self.batches if item is not first]
        return first


messages = st.builds(
    lambda kind, sequence, attempt: kind(sequence, attempt),
    st.sampled_from([forward, backward]), st.integers(0, 3), st.integers(1, 3),
)  # fmt: skip


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.lists(messages | st.sampled_from(["call", "stop"]) | st.none(), max_size=60))
def test_a_mailbox_is_three_lists(steps):
    mailbox, reference = Mailbox(), Reference()
    for step in [*steps, *[None] * len(steps)]:
        if step is None:
            assert get(mailbox) == reference.get()
        else:
            mailbox.put(step)
            reference.put(step)
        waiting = len(reference.batches)
        assert mailbox.statistics() == MailboxStatistics(waiting, reference.peak, reference.replaced)
