"""The sentinels of a scheduler's store on `/metrics`."""

import gc
import math
import weakref
from dataclasses import fields

import pytest

from akkordeon_dask.messages import SentinelMetrics
from akkordeon_dask.telemetry import TelemetryStore
from akkordeon_dask.telemetry._metrics import _SENTINELS, SentinelSamples, collect_sentinels
from tests.support.fake_heartbeats import beat, gate, passed, sentinel
from tests.support.for_each import for_each
from tests.support.metrics_pages import OURS, exposed_names, shown

HOSTILE = 'a"b\n<c>\\'
LOSS, SCORE = "akkordeon_sentinel_loss", "akkordeon_sentinel_score"


def page(*stores):
    all_samples = [SentinelSamples() for _ in stores]
    for samples, store in zip(all_samples, stores, strict=True):
        samples.update(store)
    return shown(collect_sentinels, *all_samples)


@pytest.fixture
def store():
    """A store on which sentinel train0 is at work."""
    store = TelemetryStore()
    store.update([beat(gates=[gate()], sentinels=[sentinel()])], now=1.0)
    return store


def test_a_sentinel_shows_each_of_its_figures_under_its_own_name():
    distinct = {family.field: 100 + number for number, family in enumerate(_SENTINELS)}
    store = TelemetryStore()
    store.update([beat("bob", gates=[gate()], sentinels=[sentinel(**distinct)])], now=1.0)
    seen = page(store)
    labels = {"network": "net", "sentinel": "train0", "mode": "train", "worker": "tcp://bob"}
    for name, field, _ in _SENTINELS:
        (sample,) = seen.find(name)
        assert (sample.labels, sample.value) == (labels, distinct[field])


def test_all_that_a_sentinel_counts_is_shown():
    about = {"network", "name", "key", "at", "mode", "state", "epochs", "progress", "confusion"}
    assert {family.field for family in _SENTINELS} == {field.name for field in fields(SentinelMetrics)} - about


def test_loss_and_scores_are_those_of_the_last_pass(store):
    assert page(store).find(LOSS) == []
    for epoch, loss in ((1, 0.5), (2, 0.25)):
        store.event(passed(epoch=epoch, loss=loss, scores={"accuracy": 1 - loss, "top5": 1.0}), now=float(epoch))
    store.event(passed("another", loss=9.0), now=3.0)
    seen = page(store)
    assert seen.value(LOSS, sentinel="train0") == 0.25
    assert seen.value(SCORE, score="accuracy") == 0.75
    assert seen.value(SCORE, score="top5") == 1.0
    assert len(seen.find(LOSS)) == 1


def test_a_loss_that_is_no_number_is_shown_as_such(store):
    store.event(passed(loss=math.nan), now=2.0)
    assert math.isnan(page(store).value(LOSS))


def test_a_sentinel_that_predicts_has_no_loss():
    store = TelemetryStore()
    store.update([beat(gates=[gate()], sentinels=[sentinel("predict0", mode="predict", samples=7)])], now=1.0)
    store.event(passed("predict0", mode="predict", loss=0.0), now=2.0)
    seen = page(store)
    assert seen.value("akkordeon_sentinel_samples_total") == 7
    assert seen.find(LOSS) == seen.find(SCORE) == []


def test_a_sentinel_that_left_disappears_and_one_that_stays_does_not(store):
    store.update([beat(gates=[gate()], sentinels=[sentinel("test0", mode="test")])], now=2.0)
    assert {one.labels["sentinel"] for one in page(store).samples} == {"test0"}


def test_a_network_that_ended_disappears_and_a_late_heartbeat_does_not_bring_it_back(store):
    store.event({"network": "net", "event": "closed"}, now=2.0)
    store.update([beat(gates=[gate()], sentinels=[sentinel()])], now=3.0)
    assert page(store).samples == []


def test_names_that_would_break_a_line_are_escaped_and_read_back():
    store = TelemetryStore()
    reported = sentinel(HOSTILE, network=HOSTILE)
    store.update([beat(gates=[gate(network=HOSTILE)], sentinels=[reported])], now=1.0)
    store.event(passed(HOSTILE, network=HOSTILE, scores={HOSTILE: 0.5}), now=2.0)
    seen = page(store)
    assert seen.value(SCORE, sentinel=HOSTILE, network=HOSTILE, score=HOSTILE) == 0.5
    assert seen.value("akkordeon_sentinel_samples_total", sentinel=HOSTILE, network=HOSTILE) == 0
    assert seen.says_all_once()


def test_schedulers_in_one_process_share_a_page_and_nothing_is_on_it_twice(store):
    another = TelemetryStore()
    another.update([beat("bob", gates=[gate()], sentinels=[sentinel(samples=5)])], now=1.0)
    for one in (store, another):
        one.event(passed(), now=2.0)
    seen = page(store, another)
    assert seen.says_all_once()
    samples = seen.find("akkordeon_sentinel_samples_total")
    assert {one.labels["worker"]: one.value for one in samples} == {"tcp://alice": 0, "tcp://bob": 5}


def test_without_a_network_each_family_has_its_help_and_type():
    seen = page(TelemetryStore())
    assert [one.name for one in seen.families] == [one.name for one in collect_sentinels(())]
    assert seen.says_all_once() and seen.samples == []


@for_each("name", sorted(exposed_names(collect_sentinels(()))))
def test_names_keep_to_the_naming_guide(name):
    assert name.startswith(OURS)
    assert not any(unit in name for unit in ("milli", "kilo", "mega", "minutes", "percent"))


def test_samples_stay_as_they_were_while_the_store_goes_on(store):
    samples = SentinelSamples()
    samples.update(store)
    before = samples.sentinels
    store.update([beat()], now=2.0)
    assert samples.sentinels is before and len(before) == 1
    samples.update(store)
    assert samples.sentinels == ()


def test_samples_do_not_keep_their_store(store):
    samples = SentinelSamples()
    local = TelemetryStore()
    local.update([beat(gates=[gate()], sentinels=[sentinel()])], now=1.0)
    samples.update(local)
    gone = weakref.ref(local)
    del local
    gc.collect()
    assert gone() is None and len(samples.sentinels) == 1
