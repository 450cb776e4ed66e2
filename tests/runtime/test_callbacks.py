"""Callbacks and validation of epochs: stories of a user who trains with both."""

import asyncio
import os
import re
import signal
import threading
from functools import partial

import pytest

from akkordeon_dask import Gate, Network, Sentinel, callbacks, data, deploy, nn, optim
from akkordeon_dask.actors.gate._behavior import GateBehavior
from akkordeon_dask.errors import CheckpointError, SpecError
from akkordeon_dask.runtime._training import SessionTraining
from akkordeon_dask.runtime.handles._sentinel import AttachedSentinel
from akkordeon_dask.runtime.recovery._owner_policy import OwnerPolicy
from tests.support.leftovers import wait_until
from tests.support.patience import PATIENCE, scaled_seconds
from tests.support.restarting_workers import pair, workers
from tests.support.small_networks import NETWORK, equal, numbers, rating, train

NEVER = 1000.0
"""An improvement that no loss makes."""
UPDATES = 4
"""Of an epoch."""


def validate(**options):
    provider = data.arrays(*numbers(), shuffle=False)
    return Sentinel.validate(provider, **{"batch_size": 16, "every": "epoch", **options})


def sequential(user, epochs, network=NETWORK):
    """The parameters after so many epochs, one batch at a time."""
    with user.deploy(network) as running:
        running.attach(train(concurrency=1), epochs=epochs)
        running.wait(timeout=PATIENCE)
        return running.parameters()


def test_an_epoch_is_rated_before_the_next_one_begins(user):
    with user.deploy(NETWORK) as running:
        running.attach(validate())
        running.attach(train(), epochs=5)
        history = running.wait(timeout=PATIENCE)
    assert [one.sentinel for one in history] == 5 * ["train0", "validate0"]
    assert [(one.epoch, one.updates) for one in history[1::2]] == [(epoch, UPDATES * epoch) for epoch in range(1, 6)]


def test_a_sentinel_that_is_cut_short_while_others_learn_of_it_is_not_attached(monkeypatch):
    asked, goes, validate_passes = threading.Event(), threading.Event(), AttachedSentinel.validate_passes

    async def asked_long(attached):
        asked.set()
        await asyncio.to_thread(goes.wait, PATIENCE)
        await validate_passes(attached)

    async def cut(running):
        attaching = asyncio.ensure_future(running.aio.attach(validate(name="rates")))
        assert await asyncio.to_thread(asked.wait, PATIENCE)
        attaching.cancel()
        goes.set()
        with pytest.raises(asyncio.CancelledError):
            await attaching

    with deploy(NETWORK) as running:
        running.attach(train())
        running.wait(epochs=1, timeout=PATIENCE)
        with monkeypatch.context() as patch:
            patch.setattr(AttachedSentinel, "validate_passes", asked_long)
            running.client.sync(cut, running)
        assert list(running.sentinels) == ["train0"]
        running.attach(validate(name="rates"))  # the name is free, and the other sentinel knows that it is rated
        history = running.wait(epochs=2, timeout=PATIENCE)
    assert [one.sentinel for one in history][-4:] == ["train0", "rates"] * 2


def test_a_validation_that_comes_later_rates_the_epochs_from_then_on(user):
    with user.deploy(NETWORK) as running:
        running.attach(train(), epochs=2)
        running.wait(timeout=PATIENCE)
        running.attach(validate())
        running.attach(train(), epochs=2)
        history = running.wait(timeout=PATIENCE)
    assert [one.updates for one in history if one.mode == "validate"] == [3 * UPDATES, 4 * UPDATES]


def test_only_the_epochs_of_the_sentinel_that_is_named_are_rated(user):
    with user.deploy(NETWORK) as running:
        running.attach(validate(every="epoch of second"))
        running.attach(train(name="first"), epochs=3)
        running.attach(train(name="second"), epochs=2)
        history = running.wait(timeout=PATIENCE)
    assert [one.epoch for one in history if one.mode == "validate"] == [1, 2]


def test_other_modes_have_no_epochs_to_follow():
    with pytest.raises(SpecError, match=r"a test sentinel has no every='epoch'.*Sentinel\.validate"):
        Sentinel.test(data.arrays(*numbers()), every="epoch")
    with pytest.raises(SpecError, match="'epochs'"):
        validate(every="epochs")


def test_less_stays_better_of_an_error_whose_sentinel_has_left(user):
    with user.deploy(NETWORK) as running:
        running.evaluate(Sentinel.test(data.arrays(*numbers()), batch_size=16, scores=[nn.LogLoss()], name="check"))
        assert SessionTraining(running._session).figures() == {"check.loss": False, "check.log_loss": False}


def test_training_stops_early_with_the_weights_of_the_best_epoch(user):
    stopping = callbacks.EarlyStopping("validate0.loss", patience=3, min_delta=NEVER)
    with user.deploy(NETWORK) as running:
        running.add_callback(stopping)
        running.attach(validate())
        running.attach(train(concurrency=1), epochs=50)
        history = running.wait(timeout=PATIENCE)
        assert (stopping.best_pass, stopping.stopped) == (1, 4)
        assert [one.epoch for one in history if one.mode == "train"] == [1, 2, 3, 4]
        assert equal(running.parameters(), sequential(user, 1))


def test_without_a_stop_training_ends_with_the_best_weights_too(user):
    best = callbacks.EarlyStopping("validate0.loss", patience=50, min_delta=NEVER)
    last = callbacks.EarlyStopping("validate0.loss", patience=50, min_delta=NEVER, restore_best=False)
    for one, epochs in ((best, 1), (last, 3)):
        with user.deploy(NETWORK) as running:
            running.add_callback(one)
            running.attach(validate())
            running.attach(train(concurrency=1), epochs=3)
            running.wait(timeout=PATIENCE)
            assert one.stopped is None
            assert equal(running.parameters(), sequential(user, epochs))


def test_the_best_weights_are_those_that_were_rated_while_the_network_trained_on(user):
    class Enough(callbacks.Callback):
        """Ends the training of a slow machine."""

        async def on_pass(self, report, training):
            if report.sentinel == "rated" and report.epoch >= 6:
                await training.stop("it was rated often enough")

    stopping = callbacks.EarlyStopping("rated.loss", patience=1000)
    with user.deploy(NETWORK) as running:
        running.attach(validate(name="rated", every=scaled_seconds(0.2)))  # gates know the weights of two passes
        running.attach(train(16 * 200, concurrency=3))
        history = running.wait(epochs=40, timeout=PATIENCE, callbacks=[stopping, Enough()])
        assert stopping.best in [one.loss for one in history if one.sentinel == "rated"]
        assert running.evaluate(rating()).loss == stopping.best


def test_after_a_stop_the_next_wait_goes_on(user):
    stopping = callbacks.EarlyStopping("validate0.loss", patience=1, min_delta=NEVER)
    with user.deploy(NETWORK) as running:
        running.attach(validate())
        attached = running.attach(train())
        running.wait(epochs=99, timeout=PATIENCE, callbacks=stopping)
        made = attached.reports.seen
        assert made < 99 and attached.state == "resting"
        running.wait(epochs=2, timeout=PATIENCE)
        assert attached.reports.seen == made + 2


@pytest.mark.parametrize(("attached", "waited"), [(9, None), (None, 9)], ids=["own epochs", "epochs of the wait"])
def test_a_wait_after_a_stop_that_nobody_knows_of_returns_and_the_next_one_goes_on(user, attached, waited):
    """As in a notebook: a sentinel is attached in one cell and waited for in the next."""
    stopping = callbacks.EarlyStopping("validate0.loss", patience=1, min_delta=NEVER)
    with user.deploy(NETWORK) as running:
        running.add_callback(stopping)
        running.attach(validate())
        sentinel = running.attach(train(concurrency=1), epochs=attached)
        wait_until(lambda: sentinel.state == "resting")
        history = running.wait(epochs=waited, timeout=PATIENCE)
        assert [one.epoch for one in history if one.mode == "train"] == [1, 2]
        assert equal(running.parameters(), sequential(user, 1))
        running.wait(epochs=waited, timeout=PATIENCE)
        assert sentinel.reports.seen == (attached or 2 + waited)


def test_a_stop_that_comes_while_a_wait_begins_is_not_undone(monkeypatch):
    """The call that has the sentinel go on reaches its actor after the one that has it rest."""
    count = AttachedSentinel.count

    async def count_late(attached, epochs):
        await attached.rest()
        await count(attached, epochs)

    monkeypatch.setattr(AttachedSentinel, "count", count_late)
    with deploy(NETWORK) as running:
        sentinel = running.attach(train())
        running.wait(epochs=1000, timeout=PATIENCE)
        assert sentinel.reports.seen < 1000


def test_on_a_plateau_the_learning_rate_falls(user):
    plateau = callbacks.ReduceLROnPlateau("validate0.loss", factor=0.5, patience=2, min_delta=NEVER, min_factor=0.25)
    with user.deploy(NETWORK) as running:
        running.add_callback(plateau)
        running.attach(validate())
        running.attach(train(concurrency=1), epochs=9)
        running.wait(timeout=PATIENCE)
        reduced = running.parameters()
    assert plateau.rate == 0.25
    # The first epoch is the best one; two more, and the rate is halved.
    stepped = optim.SGD(_Halved(0.05, (3 * UPDATES, 5 * UPDATES)))
    gates = Network(Gate(gate.chain, stepped) for gate in NETWORK)
    assert equal(reduced, sequential(user, 9, gates))


def test_a_learning_rate_that_falls_while_a_gate_moves_falls_there_too(user, cluster, monkeypatch):
    install, slow = OwnerPolicy.install, GateBehavior.slow
    asked, slowing = threading.Event(), []

    def slow_and_tell(behavior, *values):
        if behavior.migrating:
            asked.set()
        slow(behavior, *values)

    async def install_while_it_slows(policy, fresh):
        slowing.append(asyncio.ensure_future(SessionTraining(policy.session).slow(0.5)))
        assert await asyncio.to_thread(asked.wait, PATIENCE)
        await install(policy, fresh)

    monkeypatch.setattr(GateBehavior, "slow", slow_and_tell)
    monkeypatch.setattr(OwnerPolicy, "install", install_while_it_slows)
    with user.deploy(NETWORK) as running:
        (to,) = {*workers(cluster)}.difference([running.placement["g1"]])
        running.move("g1", to)
        running.client.sync(asyncio.wait_for, slowing[0], PATIENCE)
        running.attach(train(concurrency=1), epochs=1)
        running.wait(timeout=PATIENCE)
        slowed = running.parameters()
    assert equal(slowed, sequential(user, 1, Network(Gate(gate.chain, optim.SGD(0.025)) for gate in NETWORK)))


class _Halved(optim.Schedule):
    """A learning rate that is halved at some counts of updates."""

    def __init__(self, lr, counts):
        self.lr, self.counts = lr, counts

    def __call__(self, count):
        return self.lr * 0.5 ** sum(count >= one for one in self.counts)


def test_the_best_weights_are_in_a_file(user, tmp_path):
    path = str(tmp_path / "best-{epoch}-{accuracy:.2f}.safetensors")
    with user.deploy(NETWORK) as running:
        running.add_callback(callbacks.ModelCheckpoint(path, "validate0.loss", save_best_only=True, min_delta=NEVER))
        running.attach(validate())
        running.attach(train(concurrency=1), epochs=3)
        running.wait(timeout=PATIENCE)
        (written,) = tmp_path.iterdir()
        running.load(str(written))
        assert equal(running.parameters(), sequential(user, 1))
    assert written.name.startswith("best-1-0.")


def test_the_weights_after_each_epoch_are_in_files(user, tmp_path):
    with user.deploy(NETWORK) as running:
        running.add_callback(callbacks.ModelCheckpoint(str(tmp_path / "{epoch}"), "train0.accuracy"))
        running.attach(validate())
        running.attach(train(), epochs=3)
        running.wait(timeout=PATIENCE)
    assert {path.name for path in tmp_path.iterdir()} == {"1", "2", "3"}


@pytest.mark.parametrize(
    ("path", "error"), [("{recall}", SpecError), ("file/{epoch}", CheckpointError)], ids=["format", "folder"]
)
def test_the_error_of_a_callback_ends_the_wait_and_not_the_training(user, tmp_path, path, error):
    (tmp_path / "file").touch()
    with user.deploy(NETWORK) as running:
        running.attach(validate())
        running.attach(train())
        one = callbacks.ModelCheckpoint(str(tmp_path / path), "validate0.loss")
        with pytest.raises(error):
            running.wait(epochs=3, timeout=PATIENCE, callbacks=[one])
        running.wait(epochs=1, timeout=PATIENCE)


def test_a_function_sees_all_passes_in_order_and_may_block(user):
    seen, threads = [], set()

    def look(report):
        threads.add(threading.current_thread())
        seen.append((report.sentinel, report.epoch))

    with user.deploy(NETWORK) as running:
        remove = running.add_callback(look)
        running.attach(validate())
        running.attach(train(), epochs=3)
        running.wait(timeout=PATIENCE)
        remove()
        running.attach(train(), epochs=1)
        running.wait(timeout=PATIENCE)
        assert seen == [(one.sentinel, one.epoch) for one in running.history[:6]]
    assert not any("loop" in thread.name.lower() for thread in threads)


def test_a_callback_cannot_wait_for_the_training_that_waits_for_it(user):
    refused = set()

    def ask(running, where):
        for verb in (running.wait, partial(running.wait_for, running.sentinels["train0"]), running.wait_closed):
            with pytest.raises(SpecError, match=r"wait\w* in a callback would wait for that callback's own end"):
                verb()
        refused.add(where)

    class Asking(callbacks.Callback):
        async def on_pass(self, report, training):
            ask(running.plain, "on_pass")

        async def on_end(self, training):
            ask(running.plain, "on_end")

    with user.deploy(NETWORK) as running:
        running.attach(validate())
        running.attach(train())
        running.wait(epochs=1, timeout=PATIENCE, callbacks=[Asking(), lambda _: ask(running.plain, "function")])
    assert refused == {"on_pass", "on_end", "function"}


def test_a_figure_that_nobody_reports_is_an_error_with_those_there_are(user):
    with user.deploy(NETWORK) as running:
        running.attach(train())
        running.attach(validate(loss=nn.SoftmaxCrossEntropy(), scores=[nn.TopK(2)]))
        for monitor in ("validate0.accuracy", "valid.loss", "loss."):
            known = "there are train0.loss, train0.accuracy, validate0.loss, validate0.top2"
            with pytest.raises(SpecError, match=re.escape(f"no sentinel reports {monitor!r}, {known}")):
                running.wait(epochs=1, timeout=PATIENCE, callbacks=[callbacks.EarlyStopping(monitor)])
        running.wait(epochs=1, timeout=PATIENCE)  # nobody monitors anything any more


@pytest.mark.parametrize(
    "wrong", [3, "print", [callbacks.EarlyStopping], [lambda: 0]], ids=["number", "text", "class", "function"]
)
def test_other_things_are_no_callbacks(running, wrong):
    with pytest.raises(SpecError, match="is no callback"):
        running.wait(epochs=1, callbacks=wrong)


def test_a_callback_that_is_called_already_is_not_called_twice(running):
    stopping = callbacks.EarlyStopping("validate0.loss", patience=2, min_delta=NEVER)
    remove = running.add_callback(stopping)
    running.attach(validate())
    running.attach(train(), epochs=9)
    for again in (running.add_callback, lambda one: running.wait(timeout=PATIENCE, callbacks=one)):
        with pytest.raises(SpecError, match=re.escape(f"{stopping!r} is called already")):
            again(stopping)
    running.wait(timeout=PATIENCE)
    assert (stopping.best_pass, stopping.stopped) == (1, 3)
    remove()
    running.add_callback(stopping)


def test_a_callback_of_two_networks_would_mix_their_passes(user):
    stopping = callbacks.EarlyStopping("train0.loss")
    with user.deploy(NETWORK) as first, user.deploy(NETWORK) as second:
        first.add_callback(stopping)
        with pytest.raises(SpecError, match=re.escape(f"{stopping!r} is called by another network")):
            second.add_callback(stopping)
    with user.deploy(NETWORK) as third:  # the others are closed
        third.add_callback(stopping)


def test_only_one_callback_restores_the_best_weights(running):
    both = [callbacks.EarlyStopping(f"train0.{figure}") for figure in ("loss", "accuracy")]
    told = re.escape(f"{both[0]!r} and {both[1]!r} would each restore")
    with pytest.raises(SpecError, match=told + ".*: give restore_best=False"):
        running.wait(epochs=1, callbacks=both)
    running.add_callback(both[0])
    with pytest.raises(SpecError, match=told):
        running.add_callback(both[1])
    running.add_callback(callbacks.EarlyStopping("train0.accuracy", restore_best=False))


def test_a_callback_that_comes_too_late_for_every_pass_is_told(running, tmp_path):
    running.attach(train())
    running.wait(epochs=2, timeout=PATIENCE)
    late = callbacks.ModelCheckpoint(tmp_path / "best.safetensors", "train0.loss")
    with pytest.warns(RuntimeWarning, match=re.escape(f"{late!r} has seen no 'train0.loss'") + ".*add_callback"):
        running.wait(timeout=PATIENCE, callbacks=[late, print])
    running.wait(epochs=1, timeout=PATIENCE, callbacks=late)
    assert (tmp_path / "best.safetensors").exists()


def test_another_client_s_epochs_are_rated_too(user, somebody):
    stopping = callbacks.EarlyStopping("rated.loss", patience=50)
    with user.deploy(NETWORK, name="shared") as owner, somebody.connect("shared") as other:
        other.attach(validate(name="rated"))
        other.add_callback(stopping)
        owner.attach(train(), epochs=3)
        owner.wait(timeout=PATIENCE)
        wait_until(lambda: stopping.best_pass is not None)
        assert other.sentinels["rated"].reports.seen >= 1


def test_epochs_are_rated_though_the_worker_of_the_validation_dies(tmp_path):
    with pair() as processes, deploy(NETWORK, processes.client, snapshots=str(tmp_path)) as running:
        rater = running.attach(validate())
        running.attach(train(64 * 40), epochs=8)
        lost = rater.worker
        wait_until(lambda: rater.reports.seen > 1)
        os.kill(processes.pid(lost), signal.SIGKILL)
        history = running.wait(timeout=PATIENCE)
    for mode in ("train", "validate"):
        assert [one.epoch for one in history if one.mode == mode] == list(range(1, 9))
