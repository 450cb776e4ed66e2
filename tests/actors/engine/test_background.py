"""A thread in the background: whom it gives way to, and what is known of its waiting."""

import hashlib
import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from akkordeon_dask.actors.engine._background import Background

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has priorities of threads")
told = pytest.mark.skipif(not os.path.exists("/proc/self/schedstat"), reason="the kernel does not tell who waits")
LIMIT = 30.0
"""Seconds to wait for what is sure to come."""


@pytest.fixture
def aside():
    """Runs a function in a thread of its own and gives what it returns."""
    with ThreadPoolExecutor(1) as pool:
        yield lambda function: pool.submit(function).result(LIMIT)


def priority():
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


def digest():
    """Some milliseconds of computation without the interpreter."""
    return hashlib.sha256(bytes(4_000_000)).digest()


@on_linux
def test_only_the_thread_that_enters_has_the_lowest_priority(aside):
    before = priority()

    def enter():
        with Background():
            return priority()

    assert aside(enter) == 19
    assert priority() == before < 19


def test_what_it_computes_is_counted(aside):
    def compute():
        with Background() as background:
            own, (begun, _) = time.thread_time(), background.times()
            digest()
            ended, _ = background.times()
            return ended - begun, time.thread_time() - own

    counted, all_of_it = aside(compute)
    assert 0 < counted <= all_of_it


@told
def test_it_waits_while_another_thread_has_its_only_core(aside):
    core, over, busy = {min(os.sched_getaffinity(0))}, threading.Event(), threading.Event()

    def hog():
        os.sched_setaffinity(threading.get_native_id(), core)
        while not over.is_set():
            digest()
            busy.set()

    def compute():
        os.sched_setaffinity(threading.get_native_id(), core)
        with Background() as background:
            _, begun = background.times()
            waited = begun
            while waited == begun and time.thread_time() < LIMIT:
                digest()
                _, waited = background.times()
            return waited - begun

    other = threading.Thread(target=hog)
    other.start()
    try:
        assert busy.wait(LIMIT)
        waited = aside(compute)
    finally:
        over.set()
        other.join(LIMIT)
    assert waited > 0


@told
def test_leaving_closes_what_it_reads(aside):
    def files():
        before = set(os.listdir("/proc/self/fd"))
        with Background():
            within = set(os.listdir("/proc/self/fd"))
        return before, within, set(os.listdir("/proc/self/fd"))

    before, within, after = aside(files)
    assert len(within) == len(before) + 1 and after == before


def test_elsewhere_a_thread_is_as_good_as_any_other(aside, monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    before = aside(priority)

    def enter():
        with Background() as background:
            return priority(), background.times()

    now, (computed, waited) = aside(enter)
    assert now == before and computed > 0 and waited == 0


def test_what_a_container_forbids_is_done_without(aside, monkeypatch):
    def forbidden(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "setpriority", forbidden)

    def enter():
        with Background() as background:
            digest()
            return background.times()

    computed, waited = aside(enter)
    assert computed > 0 and waited == 0
