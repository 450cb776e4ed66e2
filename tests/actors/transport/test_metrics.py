"""The metrics of post offices on `/metrics`."""

import math
from dataclasses import fields
from types import SimpleNamespace

from prometheus_client import CollectorRegistry

from akkordeon_dask import deploy
from akkordeon_dask._metrics import Collector
from akkordeon_dask.actors.transport import _post_office
from akkordeon_dask.actors.transport._metrics import _GATES, _LINKS, collect_workers
from akkordeon_dask.messages import GateMetrics, LinkMetrics, SentinelMetrics
from tests.support.for_each import for_each
from tests.support.metrics_pages import OURS, exposed_names, shown
from tests.support.small_networks import NETWORK

HOSTILE = 'a"b\n<c>\\'

NUMBERED = dict.fromkeys([field.name for field in fields(GateMetrics)], 0) | {"stuck": "", "hangs": False}


def gate(name="g0", network="net", delays=(), **figures):
    return GateMetrics(**(NUMBERED | {"name": name, "network": network, "key": "key", "delays": delays} | figures))


class Office:
    """A post office with given metrics of its actors."""

    def __init__(self, address, *metrics, links=()):
        self.address, self._metrics = address, metrics
        self.links = {link.peer: SimpleNamespace(peer=link.peer, metrics=lambda link=link: link) for link in links}

    def metrics(self):
        return list(self._metrics)


def page(*offices):
    return shown(collect_workers, *offices)


def test_a_gate_shows_each_of_its_figures_under_its_own_name():
    distinct = {family.field: 100 + number for number, family in enumerate(_GATES)}
    seen = page(Office("tcp://a:1", gate(**distinct)))
    labels = {"network": "net", "gate": "g0", "worker": "tcp://a:1"}
    for name, field, _ in _GATES:
        (sample,) = seen.find(name)
        assert (sample.labels, sample.value) == (labels, distinct[field])


def test_a_link_shows_each_of_its_figures_by_both_ends():
    seen = page(Office("tcp://a:1", links=[LinkMetrics("tcp://b:2", 10, 20, 30), LinkMetrics("tcp://c:3", 1, 2, 3)]))
    for name, field, _ in _LINKS:
        wanted = getattr(LinkMetrics("tcp://b:2", 10, 20, 30), field)
        assert seen.value(name, worker="tcp://a:1", peer="tcp://b:2") == wanted
        assert len(seen.find(name)) == 2


def test_delays_are_a_histogram_with_cumulative_buckets():
    delays = ((0, 5), (3, 2), (4, 1), (40, 7), (64, 1))
    seen = page(Office("tcp://a:1", gate(delays=delays)))
    bounds = {float(one.labels["le"]): one.value for one in seen.find("akkordeon_gate_delay_updates_bucket")}
    assert bounds == {bound: sum(n for delay, n in delays if delay <= bound) for bound in bounds}
    assert list(bounds) == [0, 1, 2, 4, 8, 16, 32, math.inf]
    assert seen.value("akkordeon_gate_delay_updates_count") == bounds[math.inf] == 16
    assert seen.value("akkordeon_gate_delay_updates_sum") == 3 * 2 + 4 + 40 * 7 + 64


def test_names_that_would_break_a_line_are_escaped_and_read_back():
    seen = page(Office("tcp://a:1", gate(HOSTILE, network=HOSTILE)))
    (sample,) = seen.find("akkordeon_gate_updates_total")
    assert (sample.labels["gate"], sample.labels["network"]) == (HOSTILE, HOSTILE)
    assert seen.says_all_once()


def test_workers_in_one_process_share_a_page_and_nothing_is_on_it_twice():
    a = Office("inproc://a", gate("g0", updates=1), gate("g1", updates=2), links=[LinkMetrics("tcp://c:3", 1, 0, 0)])
    b = Office("inproc://b", gate("g0", updates=3), links=[LinkMetrics("tcp://c:3", 2, 0, 0)])
    seen = page(a, b)
    assert seen.says_all_once()
    for worker, name, updates in (("inproc://a", "g0", 1), ("inproc://a", "g1", 2), ("inproc://b", "g0", 3)):
        assert seen.value("akkordeon_gate_updates_total", worker=worker, gate=name) == updates
    assert len(seen.find("akkordeon_link_sent_bytes_total")) == 2


def test_sentinels_are_not_shown_here_but_on_the_scheduler():
    metrics = dict.fromkeys(SentinelMetrics.__dataclass_fields__, 0) | {"network": "net", "name": "train0"}
    assert page(Office("tcp://a:1", SentinelMetrics(**metrics))).samples == []


def test_without_an_office_each_family_has_its_help_and_type():
    seen = page()
    families = list(collect_workers(()))
    assert [one.name for one in seen.families] == [one.name for one in families]
    assert seen.says_all_once() and seen.samples == []


@for_each("name", sorted(exposed_names(collect_workers(()))))
def test_names_keep_to_the_naming_guide(name):
    assert name.startswith(OURS)
    assert not any(unit in name for unit in ("milli", "kilo", "mega", "minutes", "percent"))


def test_all_that_a_gate_counts_is_shown():
    about = {"network", "name", "key", "at", "position"}
    counted = {field.name for field in fields(GateMetrics)} - about
    assert {family.field for family in _GATES} == counted - {"delays", "version", "stuck", "hangs"}, (
        "a histogram; `updates` of its life"
    )
    assert {family.field for family in _LINKS} == {field.name for field in fields(LinkMetrics)} - {"peer", "error"}


def test_a_post_office_is_collected_from_its_setup_to_its_teardown(monkeypatch):
    registry = CollectorRegistry()
    monkeypatch.setattr(_post_office, "WORKER_COLLECTOR", Collector(collect_workers, registry))
    with deploy(NETWORK) as running:
        running.statistics()
        (parameters,) = (one for one in registry.collect() if one.name == "akkordeon_gate_parameters")
        assert {sample.labels["gate"]: sample.value for sample in parameters.samples} == {"g0": 35, "g1": 18}
    assert list(registry.collect()) == []
