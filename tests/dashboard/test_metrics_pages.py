"""`/metrics` of schedulers and workers that run."""

from contextlib import ExitStack

import pytest
from distributed import Client, LocalCluster
from prometheus_client import REGISTRY

from akkordeon_dask import Gate, Network, deploy, nn
from akkordeon_dask.actors.transport._metrics import collect_workers
from akkordeon_dask.telemetry._metrics import collect_sentinels
from tests.support.metrics_pages import OURS, exposed_names, fetched
from tests.support.patience import PATIENCE
from tests.support.small_networks import NETWORK, SGD, rating, train
from tests.support.workers import workers_now

HOSTILE = 'a"b\\n<c>'

_ANY_PORT = {"dashboard_address": "127.0.0.1:0", "worker_dashboard_address": "127.0.0.1:0"}


@pytest.fixture(scope="module")
def processes():
    """A client of two worker processes; the scheduler is in this one."""
    options = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "host": "127.0.0.1"}
    with LocalCluster(**options, **_ANY_PORT) as cluster, Client(cluster) as client:
        yield client


def embedded(stack):
    """A client of two workers that are in this process, as their scheduler is."""
    cluster = stack.enter_context(LocalCluster(n_workers=2, processes=False, threads_per_worker=1, **_ANY_PORT))
    return stack.enter_context(Client(cluster))


def scheduler_page(client):
    port = client.scheduler_info(n_workers=-1)["services"]["dashboard"]
    return fetched(f"http://127.0.0.1:{port}/metrics")


def worker_pages(client):
    """By the workers' addresses."""
    workers = workers_now(client)
    return {
        address: fetched(f"http://127.0.0.1:{worker['services']['dashboard']}/metrics")
        for address, worker in workers.items()
    }


def apart(client, *names):
    """The two gates of a network, each on a worker of its own, with these names."""
    front, back = sorted(workers_now(client))
    first, second = names or ("front", "back")
    return Network(
        [Gate(nn.Linear(6, 5) >> nn.ReLU(), SGD, front, name=first), Gate(nn.Linear(5, 3), SGD, back, name=second)]
    )


def test_counters_of_gates_agree_with_what_the_gates_say(processes):
    with deploy(apart(processes), processes, name="net") as running:
        running.attach(train(epochs=3, concurrency=3))
        running.wait(timeout=PATIENCE)
        running.attach(rating(epochs=1))
        running.wait(timeout=PATIENCE)
        before = running.statistics()
        said = running.statistics()  # a thread takes its figures after each call, so those of the first are there
        pages = worker_pages(processes)
        after = running.statistics()
    for name in running.network.names:
        gate = said[name]
        page, labels = pages[gate.worker], {"network": "net", "gate": name}
        values = {
            "forward_samples_total": gate.counts.samples,
            "backward_samples_total": gate.counts.backwards,
            "evaluated_samples_total": gate.counts.evaluated,
            "updates_total": gate.counts.updates,
            "received_bytes_total": gate.counts.nbytes_in,
            "sent_bytes_total": gate.counts.nbytes_out,
            "contexts": gate.contexts,
            "delay_updates_count": gate.counts.updates,
            "delay_updates_sum": sum(delay * number for delay, number in gate.counts.delays.items()),
        }
        assert {part: page.value(f"akkordeon_gate_{part}", **labels) for part in values} == values
        assert (gate.counts.samples, gate.counts.evaluated) == (3 * 64, 64)
        assert before[name].busy <= page.value("akkordeon_gate_busy_seconds_total", **labels) <= after[name].busy
        (link,) = gate.links
        assert page.value("akkordeon_link_sent_bytes_total", worker=gate.worker, peer=link.peer) == link.nbytes > 0


def test_counters_of_sentinels_agree_with_their_passes_and_a_sentinel_that_left_is_gone(processes, eventually):
    with deploy(apart(processes), processes, name="net") as running:
        learning, testing = running.attach(train(epochs=3)), running.attach(rating(epochs=1))
        running.wait(timeout=PATIENCE)

        def samples():
            found = scheduler_page(processes).find("akkordeon_sentinel_samples_total", network="net")
            return {one.labels["sentinel"]: one.value for one in found}

        eventually(lambda: samples() == {"train0": 3 * 64, "test0": 64}, seen=samples)
        last = {report.sentinel: report for report in running.history}

        def losses():
            found = scheduler_page(processes).find("akkordeon_sentinel_loss", network="net")
            return {one.labels["sentinel"]: one.value for one in found}

        eventually(lambda: losses() == {name: report.loss for name, report in last.items()}, seen=losses)
        page = scheduler_page(processes)
        for name, mode in (("train0", "train"), ("test0", "test")):
            labels = {"network": "net", "sentinel": name, "mode": mode}
            assert page.value("akkordeon_sentinel_loss", **labels) == last[name].loss
            assert page.value("akkordeon_sentinel_score", score="accuracy", **labels) == last[name].scores["accuracy"]
            assert page.value("akkordeon_sentinel_lost_samples_total", **labels) == 0
            assert page.value("akkordeon_sentinel_in_flight_batches", **labels) == 0
        running.detach(learning)
        eventually(lambda: samples() == {"test0": 64}, seen=samples)
        running.detach(testing)
        eventually(lambda: samples() == {}, seen=samples)


def test_a_run_shows_every_name_that_there_is_and_each_has_help_and_type(processes, eventually):
    with deploy(apart(processes), processes, name="net") as running:
        running.attach(train(epochs=1))
        running.wait(timeout=PATIENCE)
        eventually(lambda: scheduler_page(processes).find("akkordeon_sentinel_score", network="net"))
        assert scheduler_page(processes).names >= exposed_names(collect_sentinels(()))
        assert scheduler_page(processes).says_all_once()
        eventually(lambda: all(page.samples for page in worker_pages(processes).values()))
        for page in worker_pages(processes).values():
            assert page.names == exposed_names(collect_workers(()))
            assert page.says_all_once()


def test_names_that_would_break_a_line_come_through(processes, eventually):
    with deploy(apart(processes, HOSTILE, "<b>"), processes, name=HOSTILE) as running:
        running.attach(train(epochs=1, name="\\" + HOSTILE))
        running.wait(timeout=PATIENCE)
        said = running.statistics()
        running.statistics()
        for gate in (HOSTILE, "<b>"):
            page = worker_pages(processes)[said[gate].worker]
            assert page.value("akkordeon_gate_forward_samples_total", network=HOSTILE, gate=gate) == 64
        labels = {"network": HOSTILE, "sentinel": "\\" + HOSTILE}
        eventually(lambda: scheduler_page(processes).find("akkordeon_sentinel_samples_total", **labels))


def test_scheduler_and_workers_in_one_process_have_one_page_with_nothing_on_it_twice(eventually):
    with ExitStack() as stack:
        first, second = embedded(stack), embedded(stack)
        for client in (first, second):
            running = stack.enter_context(deploy(apart(client), client, name="namesake"))
            running.attach(train(epochs=1))
            running.wait(timeout=PATIENCE)

        def loss():
            return scheduler_page(first).find("akkordeon_sentinel_loss", network="namesake")

        eventually(lambda: len(loss()) == 2, seen=loss)
        for page in (scheduler_page(second), *worker_pages(first).values()):
            assert page.says_all_once()
            assert len(page.find("akkordeon_gate_updates_total", network="namesake")) == 4
            assert len(page.find("akkordeon_sentinel_loss", network="namesake")) == 2
    assert labelled("namesake") == []


def test_clusters_one_after_the_other_leave_nothing_in_the_registry(eventually):
    def life(name):
        with ExitStack() as stack:
            client = embedded(stack)
            running = stack.enter_context(deploy(NETWORK, client, name=name))
            running.attach(train(epochs=1))
            running.wait(timeout=PATIENCE)
            eventually(lambda: scheduler_page(client).find("akkordeon_sentinel_loss", network=name))
            assert labelled(name) != []
            assert scheduler_page(client).says_all_once()

    for name in ("earlier", "later"):
        life(name)
        assert labelled(name) == []


def labelled(network):
    """Samples of a network in this process's registry."""
    samples = [one for family in REGISTRY.collect() if family.name.startswith(OURS) for one in family.samples]
    return [one for one in samples if one.labels.get("network") == network]
