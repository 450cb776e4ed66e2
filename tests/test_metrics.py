"""The samples in the registry while sources come and go."""

import gc
import logging
import sys
import threading
import weakref

import pytest
from prometheus_client import CollectorRegistry, Gauge, generate_latest

from akkordeon_dask._metrics import Collector, Family, families, label
from tests.support.patience import PATIENCE

TABLE = (Family("akkordeon_cups_total", "cups", "Cups."), Family("akkordeon_steam_bytes", "steam", "Steam."))


class Source:
    def __init__(self, name="tea", cups=0, steam=0.0):
        self.name, self.cups, self.steam = name, cups, steam


def read(sources):
    yield from families(TABLE, ("drink",), {(source.name,): source for source in sources})


@pytest.fixture
def registry():
    return CollectorRegistry()


@pytest.fixture
def exposition(registry):
    return Collector(read, registry)


def told(registry):
    return {(one.name, *one.labels.values()): one.value for family in registry.collect() for one in family.samples}


def test_it_is_in_the_registry_while_there_is_a_source(exposition, registry):
    tea, coffee = Source("tea", 1, 2.5), Source("coffee", 3)
    assert list(registry.collect()) == []
    exposition.add(tea)
    exposition.add(coffee)
    assert told(registry) == {
        ("akkordeon_cups_total", "tea"): 1,
        ("akkordeon_steam_bytes", "tea"): 2.5,
        ("akkordeon_cups_total", "coffee"): 3,
        ("akkordeon_steam_bytes", "coffee"): 0,
    }
    exposition.remove(tea)
    assert {drink for _, drink in told(registry)} == {"coffee"}
    exposition.remove(coffee)
    assert list(registry.collect()) == []
    exposition.add(tea)
    assert {drink for _, drink in told(registry)} == {"tea"}


def test_a_source_twice_is_one_and_one_that_never_came_may_leave(exposition, registry):
    tea = Source("tea", 1)
    exposition.add(tea)
    exposition.add(tea)
    exposition.remove(Source("coffee"))
    assert len(told(registry)) == 2
    exposition.remove(tea)
    exposition.remove(tea)
    assert list(registry.collect()) == []


def test_a_collected_source_is_no_longer_exposed_and_not_kept_alive(exposition, registry):
    tea = Source("tea")
    exposition.add(tea)
    gone = weakref.ref(tea)
    del tea
    gc.collect()
    assert gone() is None
    assert told(registry) == {}


def test_a_name_that_is_taken_is_logged_and_stops_nobody(exposition, registry, caplog):
    Gauge("akkordeon_steam_bytes", "Somebody else's.", registry=registry)
    tea = Source()
    with caplog.at_level(logging.WARNING):
        exposition.add(tea)
    (said,) = caplog.messages
    assert "akkordeon_steam_bytes" in said
    exposition.remove(tea)
    assert told(registry) == {("akkordeon_steam_bytes",): 0}


def test_without_the_prometheus_client_nothing_is_exposed_as_by_dask(exposition, registry, monkeypatch):
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    tea = Source()
    exposition.add(tea)
    exposition.remove(tea)
    monkeypatch.undo()
    assert list(registry.collect()) == []
    exposition.add(tea)
    assert len(told(registry)) == 2


def test_sources_come_and_go_in_some_threads_while_others_collect(exposition, registry):
    errors, start = [], threading.Barrier(6)

    def run(work):
        try:
            start.wait(PATIENCE)
            for _ in range(200):
                work()
        except Exception as error:
            errors.append(error)

    def come_and_go():
        source = Source(threading.current_thread().name)
        exposition.add(source)
        assert ("akkordeon_cups_total", source.name) in told(registry)
        exposition.remove(source)

    works = [come_and_go] * 3 + [lambda: generate_latest(registry)] * 3
    threads = [threading.Thread(target=run, args=(work,), name=f"source {n}") for n, work in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert errors == []
    assert list(registry.collect()) == []


@pytest.mark.parametrize("text", ["plain", 'a"b\n<c>', "b\\n", "größe ☃", ""])
def test_a_label_is_the_text_itself(text):
    assert label(text) == text


def test_a_lone_surrogate_fails_no_page(exposition, registry):
    odd = Source(label("x\ud800"), 1)
    exposition.add(odd)
    assert b'akkordeon_cups_total{drink="x\\\\ud800"} 1.0' in generate_latest(registry)
