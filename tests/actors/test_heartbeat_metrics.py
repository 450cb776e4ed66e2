"""The metrics and counts of actors."""

from akkordeon_dask import Sentinel, data, deploy
from akkordeon_dask.actors import PostOffice
from akkordeon_dask.messages import TOPIC
from tests.support.gate_harness import Bench, Played, array
from tests.support.small_networks import NETWORK, numbers


def test_a_gate_counts_samples_of_both_directions_and_received_and_sent_bytes():
    bench = Bench()
    bench.round(0)
    bench.forward(1)
    bench.evaluate(2, opening=True)
    counts = bench.behavior.counts
    assert (counts.samples, counts.backwards, counts.evaluated, counts.updates) == (4, 2, 2, 1)
    x, y = array(0, 2, 4).nbytes, array(0, 2, 3).nbytes
    assert counts.nbytes_in == 3 * x + y
    assert counts.nbytes_out == 3 * y + x


def test_a_dropped_message_counts_no_samples():
    bench = Bench()
    bench.forward(0)
    before = bench.behavior.counts.nbytes_out
    bench.forward(0)
    assert (bench.behavior.counts.samples, bench.behavior.counts.nbytes_out) == (2, before)


def test_a_sentinel_counts_over_all_its_passes():
    played = Played(max_attempts=2, batches_per_pass=2)
    first, second, third = played.draw(3)
    played.back(first)
    played.wait(10.0)
    played.wait(1000.0)
    passes = played.behavior.passes
    assert (passes.samples, passes.resent, passes.lost) == (2, 2, 4)
    assert (second.pass_number, third.pass_number) == (1, 2)


def test_a_failure_is_notified_once_with_event_and_text():
    played = Played(max_attempts=1)
    played.draw(1)
    played.wait(10.0)
    assert played.notified == [("lost", "batch 0, 2 samples, after 1 attempts")]
    (header,) = played.draw(1)
    played.behavior.fail(ValueError("no more"))
    played.back(header)
    assert played.notified[1:] == [("failed", "no more")]


async def _beat(dask_worker):
    await dask_worker.heartbeat()


def _answering(dask_scheduler):
    return {worker.address: worker.metrics.get(TOPIC) for worker in dask_scheduler.workers.values()}


def test_metrics_ride_on_the_heartbeat_and_agree_with_the_statistics():
    with deploy(NETWORK) as running:
        running.attach(Sentinel.train(data.arrays(*numbers()), batch_size=10, concurrency=2, epochs=3))
        running.wait()
        running.statistics()
        said = running.statistics()  # a thread takes its figures after each call, so those of the first are there
        running.client.run(_beat)
        (told,) = running.client.run_on_scheduler(_answering).values()
    assert [gate["name"] for gate in told["gates"]] == list(running.network.names)
    for gate in told["gates"]:
        counts = said[gate["name"]].counts
        assert gate["forwards"] == gate["backwards"] == counts.samples
        assert gate["updates"] == gate["version"] == counts.updates
        assert dict(gate["delays"]) == counts.delays
    (sentinel,) = told["sentinels"]
    assert sentinel["samples"] == sum(report.samples for report in running.history)
    assert (sentinel["state"], sentinel["epoch"], sentinel["epochs"]) == ("resting", 3, 3)


def test_a_worker_without_a_post_office_has_no_metric_and_loses_it_with_the_office():
    with deploy(NETWORK) as running:
        assert all(TOPIC in names for names in running.client.run(_metrics).values())
        running.client.run(_leave)
        assert not any(TOPIC in names for names in running.client.run(_metrics).values())


def _metrics(dask_worker):
    return list(dask_worker.metrics)


async def _leave(dask_worker):
    await dask_worker.plugin_remove(name=PostOffice.name)
