"""The verbs that train: attach, wait, history, subscribe, pause, resume, detach, close."""

import dataclasses
import threading

import pytest

from akkordeon_dask import Network, Sentinel, data
from akkordeon_dask.errors import ClosedError, DeadlineError, NameConflictError, SpecError
from akkordeon_dask.runtime.handles import _sentinel
from tests.support.gate_versions import versions
from tests.support.patience import PATIENCE
from tests.support.small_networks import NETWORK, SAMPLES, batches, numbers, rating, three_gates, train


def test_each_epoch_is_reported_with_all_its_samples(user):
    with user.deploy(NETWORK) as running:
        running.attach(train(epochs=3, name="tdp"))
        history = running.wait(timeout=PATIENCE)
    assert sorted((p.sentinel, p.mode, p.epoch) for p in history) == [("tdp", "train", epoch) for epoch in (1, 2, 3)]
    assert [(p.samples, p.lost) for p in history] == [(SAMPLES, 0)] * 3
    assert min(p.seconds for p in history) > 0
    assert max(history, key=lambda p: p.epoch).loss < min(history, key=lambda p: p.epoch).loss
    assert running.history == history


def test_wait_counts_passes_from_the_call_and_then_no_batch_is_drawn(running):
    attached = running.attach(train(concurrency=1))
    done = len(running.wait(epochs=2, timeout=PATIENCE))
    for epochs in (1, 4, 2):
        assert attached.state == "resting"
        assert {*versions(running).values()} == {done * SAMPLES // 16}
        done += epochs
        assert len(running.wait(epochs=epochs, timeout=PATIENCE)) == done


def test_passes_of_several_sentinels_are_counted_each_for_itself(running):
    there = [running.attach(train(samples, concurrency=2)) for samples in (64, 128, 256)]
    running.wait(epochs=2, timeout=PATIENCE)
    before = [len(attached.reports) for attached in there]
    running.wait(epochs=3, timeout=PATIENCE)
    assert [len(attached.reports) for attached in there] == [done + 3 for done in before]
    assert {report.samples for attached in there for report in attached.reports} == {64, 128, 256}


def test_no_sentinel_makes_more_passes_than_it_was_attached_for(running):
    named, written = running.attach(train(), epochs=3), running.attach(train(epochs=2))
    overruled = running.attach(train(epochs=9), epochs=1)
    running.wait(epochs=2, timeout=PATIENCE)
    assert len(named.reports) in (2, 3) and len(written.reports) == 2 and len(overruled.reports) == 1
    running.wait(timeout=PATIENCE)
    for _ in range(2):
        assert [len(attached.reports) for attached in (named, written, overruled)] == [3, 2, 1]
        running.wait(epochs=5, timeout=PATIENCE)


def test_wait_without_a_number_goes_on_to_the_end_that_an_earlier_one_cut_short(running):
    attached = running.attach(train(16 * 50), epochs=40)
    running.wait(epochs=1, timeout=PATIENCE)
    assert attached.state == "resting" and len(attached.reports) < 40
    assert len(running.wait(timeout=PATIENCE)) == 40


def test_a_wait_does_not_include_sentinels_attached_later(running):
    heard = threading.Event()
    running.attach(train(16 * 50, epochs=4))
    running.subscribe(lambda report: heard.set())
    waiting = threading.Thread(target=running.wait, kwargs={"timeout": PATIENCE})
    waiting.start()
    assert heard.wait(PATIENCE)
    running.attach(train(name="forever"))
    waiting.join(PATIENCE)
    assert not waiting.is_alive()


def test_a_wait_after_one_that_timed_out_counts_from_zero(running):
    running.attach(train(concurrency=1))
    with pytest.raises(DeadlineError):
        running.wait(epochs=10**9, timeout="50ms")
    assert running.wait(epochs=1, timeout=f"{PATIENCE}s")
    done = len(running.history)
    running.pause()
    assert len(running.wait(epochs=2, timeout=PATIENCE)) == done + 2


def test_epochs_one_by_one_never_stall(running, monkeypatch):
    monkeypatch.setattr(_sentinel, "_IDLE_POLL", 10.0 * PATIENCE)  # whoever waits for the end of a poll is too late
    running.attach(train(16, concurrency=1))
    done = len(running.wait(epochs=1, timeout=PATIENCE))
    for epochs in range(done + 1, done + 30):
        assert len(running.wait(epochs=1, timeout=PATIENCE)) == epochs


def test_waiting_for_what_never_ends_is_refused(running):
    running.attach(train(name="forever"))
    with pytest.raises(SpecError, match=r"'forever' trains without end: say wait\(epochs="):
        running.wait()


def test_a_wait_that_is_too_short_says_how_far_all_are(running):
    running.attach(train(name="forever"))
    with pytest.raises(DeadlineError, match=r"not done after 0\.05 s: <sentinel 'forever' on .*: running, \d"):
        running.wait(timeout=0.05)
    assert running.wait(epochs=1, timeout=PATIENCE)


def test_a_stream_without_end_is_reported_in_pieces(user):
    with user.deploy(NETWORK) as running:
        running.attach(Sentinel.train(data.stream(batches), batches_per_pass=3, epochs=4))
        history = running.wait(timeout=PATIENCE)
    assert [p.samples for p in history] == [48] * 4


def test_validation_goes_on_beside_training(user):
    told = {mode: threading.Event() for mode in ("train", "validate")}
    with user.deploy(three_gates()) as running:
        running.subscribe(lambda report: told[report.mode].set() if report.epoch == 2 else None)
        running.attach(Sentinel.train(data.mnist_sample("train", take=512), batch_size=64, concurrency=3))
        running.attach(Sentinel.validate(data.mnist_sample("test", take=128), batch_size=64, every="1ms"))
        assert all(twice.wait(PATIENCE) for twice in told.values())
        passes = running.history
    assert {p.mode for p in passes} == {"train", "validate"}
    assert all(p.samples == {"train": 512, "validate": 128}[p.mode] for p in passes)


def test_every_listener_hears_every_pass_though_one_fails(user, caplog):
    heard = []
    with user.deploy(NETWORK) as running:
        running.subscribe(lambda report: 1 / 0)
        running.subscribe(heard.append)
        running.attach(train(epochs=3))
        history = running.wait(timeout=PATIENCE)
    assert tuple(heard) == history
    assert "the listener <function" in caplog.text


def test_a_pause_drains_and_resume_goes_on(running):
    attached = running.attach(train(concurrency=3))
    running.pause()
    before = running.statistics()
    assert before[attached.name].state == "paused"
    assert before[attached.name].in_flight == 0 and before[attached.name].credits == 3
    assert before["g0"].contexts == before["g1"].contexts == 0
    assert running.statistics()["g0"].version == before["g0"].version
    running.resume()
    passes = len(running.history)
    assert len(running.wait(epochs=2, timeout=PATIENCE)) >= passes + 2
    assert running.statistics()["g0"].version > before["g0"].version


def test_a_pause_leaves_validation_alone(running):
    running.attach(train(name="tdp"))
    running.attach(Sentinel.validate(data.arrays(*numbers()), batch_size=16, every="1h", name="vdp"))
    running.pause()
    states = {name: running.statistics()[name].state for name in ("tdp", "vdp")}
    assert states == {"tdp": "paused", "vdp": "running"}


def test_one_sentinel_leaves_and_the_others_stay(running):
    first, second = running.attach(train()), running.attach(train())
    assert set(running.sentinels) == {first.name, second.name} == {"train0", "train1"}
    running.detach(first)
    running.detach(first)
    assert running.sentinels == {"train1": second} and first.state == "left"
    done = len(second.reports)
    running.wait(epochs=2, timeout=PATIENCE)
    assert len(second.reports) >= done + 2
    assert running.attach(train()).name == "train0"


def test_a_sentinel_that_left_takes_no_namesake_with_it(running):
    first = running.attach(train(name="tdp"))
    running.detach(first)
    second = running.attach(train(name="tdp"))
    running.detach(first)
    assert running.sentinels == {"tdp": second}


def test_no_sentinel_has_a_gate_s_name_so_statistics_tell_of_all(user):
    gates = [dataclasses.replace(gate, name=name) for gate, name in zip(NETWORK, ("train0", "end"), strict=True)]
    with user.deploy(Network(gates)) as running:
        with pytest.raises(NameConflictError, match="has a gate 'end': give the sentinel another name"):
            running.attach(train(name="end"))
        running.attach(train(epochs=1))
        assert running.wait(timeout=PATIENCE)
        assert sorted(running.statistics()) == ["end", "train0", "train1"]


def test_sentinels_work_beside_the_first_gate_or_on_the_requested_worker(user):
    with user.deploy(three_gates(g0="1", g1="0", g2="1")) as running:
        beside = running.attach(Sentinel.test(data.mnist_sample("test", take=16), batch_size=16))
        there = running.attach(Sentinel.test(data.mnist_sample("test", take=16), batch_size=16, workers="0"))
        assert beside.worker == running.placement["g0"] == running.placement["g2"]
        assert there.worker == running.placement["g1"] != beside.worker


def test_verbs_after_the_end_say_so(user, tmp_path):
    with user.deploy(NETWORK, name="over") as running:
        attached = running.attach(train(epochs=1))
        history = running.wait(timeout=PATIENCE)
        running.save(tmp_path / "kept.safetensors")
    calls = {
        "attach": (train(),),
        "pause": (),
        "resume": (),
        "wait": (),
        "parameters": (),
        "predict": (numbers()[0],),
        "evaluate": (rating(),),
        "statistics": (),
        "save": (tmp_path / "x",),
        "load": (tmp_path / "kept.safetensors",),
    }
    for verb, arguments in calls.items():
        with pytest.raises(ClosedError, match="'over' is closed: deploy it again"):
            getattr(running, verb)(*arguments)
    running.detach(attached)
    running.close()
    running.close()
    assert running.history == history and running.sentinels == {}
    assert not (tmp_path / "x").exists()


def test_closing_in_the_middle_leaves_nothing(user, cluster, nothing_left):
    running = user.deploy(three_gates(), name="short-lived")
    for _ in range(3):
        running.attach(Sentinel.train(data.mnist_sample("train", take=512), batch_size=32, concurrency=5))
    running.close()
    nothing_left()
    assert running.plain.owner and "closed" in repr(running.plain)


def test_a_wait_raises_when_the_network_is_closed(user, nothing_left):
    training, errors = threading.Event(), []
    running = user.deploy(NETWORK)
    running.subscribe(lambda report: training.set())
    running.attach(train())

    def wait():
        with pytest.raises(ClosedError) as caught:
            running.wait(epochs=10**9)
        errors.append(caught.value)

    waiting = threading.Thread(target=wait)
    waiting.start()
    assert training.wait(PATIENCE)
    running.close()
    waiting.join(PATIENCE)
    assert len(errors) == 1
    nothing_left()


def test_passes_of_all_sentinels_say_how_far_training_was(user):
    with user.deploy(NETWORK) as running:
        running.attach(train(batch_size=16, concurrency=1, epochs=3))
        running.wait(timeout=PATIENCE)
        rated = running.evaluate(rating(batch_size=16))
        history = running.history
    trained = [one for one in history if one.mode == "train"]
    assert [(one.updates, one.samples_trained) for one in trained] == [(4, 64), (8, 128), (12, 192)]
    assert (rated.updates, rated.samples_trained) == (12, 192)
    times = [one.elapsed for one in history]
    assert times == sorted(times) and times[0] > 0
    assert [one.ended - one.elapsed for one in history] == pytest.approx([history[0].ended - times[0]] * len(history))
