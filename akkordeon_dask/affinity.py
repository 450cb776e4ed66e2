"""Which cores the threads of a process run on: a gate that has most of the work may get one to itself.

The system wakes a thread beside the one that woke it and looks for an idle core later, when the message has long been
handled; and a thread that waits for a core while it holds the interpreter keeps all others waiting. Where there are
more actors than cores, both cost more than a fixed arrangement does: on two cores a seventh of the time of a batch.

But a thread with a core to itself cannot leave it to another program: beside one that used both cores, a network took
two and a half times as long. So nobody is moved unless the user has asked for it.
"""

import contextlib
import logging
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

__all__ = ["Affinity", "affinity"]

logger = logging.getLogger(__name__)

_MARGIN = 1.5
"""A gate has a core to itself with so many times its fair share of the work, or more.

Multiply-adds are a rough measure of time: with less, LeNet's second gate got a core and the network nothing by it.
"""

Cores = frozenset[int]


@dataclass(eq=False, slots=True)
class _Member:
    thread: int
    """As the system calls it."""
    cost: float | None
    cores: Cores | None = None
    """Where it was told to run; None: nothing was changed."""


def _allowed() -> Cores:
    """Of the first thread, which nobody here moves."""
    return frozenset(os.sched_getaffinity(os.getpid())) if hasattr(os, "sched_getaffinity") else frozenset()


def _move(thread: int, cores: Cores) -> None:
    os.sched_setaffinity(thread, cores)


class Affinity:
    """The threads that compute in a process, and the cores that they may use.

    While somebody holds it and there are more actors than cores, each gate with more than its share of the work, the
    heaviest first, has a core that no other member uses; one core at least is everybody's. Other threads, and systems
    that cannot do this, are left alone.

    Threads: any thread may call; a lock guards the list, and is held while threads are moved, so that none of them ends
    meanwhile.

    Parameters
    ----------
    allowed
        gives the cores that the process may use.
    move
        has a thread run on some cores only. OSError: it stays as it is.
    """

    def __init__(self, allowed: Callable[[], Cores] = _allowed, move: Callable[[int, Cores], None] = _move) -> None:
        self._allowed, self._move = allowed, move
        self._lock = threading.Lock()
        self._members: list[_Member] = []
        self._holders = 0

    @contextlib.contextmanager
    def member(self, cost: float | None) -> Iterator[None]:
        """The calling thread computes in this block.

        Parameters
        ----------
        cost
            of a sample, in multiply-adds; None: it is no actor's thread and does the others' work.
        """
        member = _Member(threading.get_native_id(), cost)
        with self._lock:
            self._members.append(member)
            self._arrange()
        try:
            yield
        finally:
            with self._lock:
                self._members.remove(member)
                self._put(member, self._allowed())
                self._arrange()

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Arrange the members in this block."""
        self._count(1)
        try:
            yield
        finally:
            self._count(-1)

    def _count(self, holders: int) -> None:
        with self._lock:
            self._holders += holders
            self._arrange()

    def _arrange(self) -> None:
        cores = sorted(self._allowed())
        first = os.getpid() % len(cores) if cores else 0  # two programs may choose different ones
        order = cores[first:] + cores[:first]
        heavy = self._heavy(len(cores))
        for core, member in zip(order, heavy, strict=False):
            self._put(member, Cores({core}))
        for member in self._members:
            if member not in heavy:
                self._put(member, Cores(order[len(heavy) :]))

    def _heavy(self, cores: int) -> list[_Member]:
        """Those that get a core each, the heaviest first."""
        costs = {member: member.cost for member in self._members if member.cost is not None}
        if not self._holders or not 1 < cores < len(costs):
            return []
        fair = sum(costs.values()) / cores
        above = (member for member, cost in costs.items() if cost >= _MARGIN * fair > 0)
        return sorted(above, key=lambda member: -costs[member])[: cores - 1]

    def _put(self, member: _Member, cores: Cores) -> None:
        if cores == (member.cores or self._allowed()):
            return
        member.cores = cores
        try:
            self._move(member.thread, cores)
        except OSError as error:  # a container that forbids it, or a core that has gone
            logger.debug("thread %s stays where it is, not on cores %s: %s", member.thread, sorted(cores), error)


affinity = Affinity()
"""The process's. Held by its embedded cluster where that is configured."""
