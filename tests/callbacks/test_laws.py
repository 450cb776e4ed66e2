"""When callbacks act, on series of figures, without a network."""

import asyncio
import copy
import math
import pickle

import pytest

from akkordeon_dask import callbacks
from akkordeon_dask.errors import SpecError
from akkordeon_dask.messages import PassReport


class Recorder:
    """A network whose weights are the number of the pass; it remembers what was asked of it."""

    def __init__(self, **figures):
        self.asked, self._figures = [], {f"v.{name}": greater for name, greater in figures.items()}

    def figures(self):
        return self._figures

    async def stop(self, reason):
        self.asked.append(("stop", reason))

    async def weights(self, report):
        return report.epoch

    async def restore(self, weights):
        self.asked.append(("restore", weights))

    async def save(self, weights, path):
        self.asked.append(("save", weights, path))

    async def slow(self, factor, least):
        self.asked.append(("slow", factor, least))


def report(epoch, loss, sentinel="v", **scores):
    return PassReport(sentinel, "validate", epoch, loss, scores, 10, 0, 1.0, 0)


def play(callback, losses, **figures):
    """The passes after which something was asked for, and what, when each reports these losses."""
    return play_reports(callback, [report(number, loss) for number, loss in enumerate(losses, 1)], **figures)


def play_reports(callback, reports, **figures):
    recorder, found = Recorder(loss=False, **figures), []

    async def story():
        callback.begin()
        callback.check(recorder.figures())
        for one in reports:
            await callback.on_pass(one, recorder)
            found.extend((one.epoch, *asked) for asked in recorder.asked)
            recorder.asked.clear()
        await callback.on_end(recorder)
        found.extend(("end", *asked) for asked in recorder.asked)

    asyncio.run(story())
    return found


@pytest.mark.parametrize(
    ("losses", "stopped", "best"),
    [
        ([3, 2, 1, 0], None, 4),
        ([3, 2, 2, 2], 4, 2),
        ([3, 2, 2, 1, 1], None, 4),
        ([3, math.nan, math.nan], 3, 1),
        ([math.nan, 5, 6, 5.5], 4, 2),
        ([3, 4, 5, 1], 3, 4),
    ],
)
def test_early_stopping_waits_for_its_patience_in_a_row(losses, stopped, best):
    stopping = callbacks.EarlyStopping("v.loss", patience=2)
    asked = play(stopping, losses)
    assert [one[0] for one in asked if one[1] == "stop"] == ([] if stopped is None else [stopped])
    assert (stopping.stopped, stopping.best_pass) == (stopped, best)
    assert asked[-1] == ("end", "restore", best)


def test_an_improvement_is_greater_than_min_delta():
    stopping = callbacks.EarlyStopping("v.loss", patience=2, min_delta=1, restore_best=False)
    assert play(stopping, [5, 4, 4]) == [(3, "stop", "v.loss has not improved on 5 for 2 passes")]
    assert play(stopping, [5, 3.9, 3]) == []


def test_scores_say_which_way_is_better_unless_the_user_does():
    reports = [report(number, 1.0, accuracy=value, rmse=value) for number, value in enumerate([1, 2, 3], 1)]
    for figure, mode, best in [
        ("accuracy", "auto", 3), ("rmse", "auto", 1), ("rmse", "max", 3), ("accuracy", "min", 1),
    ]:  # fmt: skip
        stopping = callbacks.EarlyStopping(f"v.{figure}", mode=mode)
        play_reports(stopping, reports, accuracy=True, rmse=False)
        assert (stopping.best_pass, stopping.best) == (best, best)


def test_other_sentinels_passes_do_not_count():
    stopping = callbacks.EarlyStopping("v.loss", patience=1)
    play_reports(stopping, [report(1, 2.0), report(2, 9.0, "v.loss"), report(2, 9.0, "w"), report(2, 9.0, "")])
    assert stopping.stopped is None


def test_a_plateau_lowers_the_rate_after_each_patience_but_not_while_it_cools_down():
    plateau = callbacks.ReduceLROnPlateau("v.loss", factor=0.5, patience=2)
    assert play(plateau, [1] * 6) == [(3, "slow", 0.5, 0.0), (5, "slow", 0.5, 0.0)]
    cooling = callbacks.ReduceLROnPlateau("v.loss", factor=0.5, patience=2, cooldown=2)
    assert play(cooling, [1] * 8) == [(3, "slow", 0.5, 0.0), (7, "slow", 0.5, 0.0)]


def test_rates_do_not_fall_below_their_share():
    plateau = callbacks.ReduceLROnPlateau("v.loss", factor=0.1, patience=1, min_factor=0.04)
    slowed = [(factor, least) for _, _, factor, least in play(plateau, [1] * 5)]
    assert slowed == [(0.1, 0.04), (0.1, 0.04)] and plateau.rate == 0.04


def test_a_checkpoint_writes_after_each_pass_or_after_the_best_ones():
    losses = [3, 4, 2]
    each = callbacks.ModelCheckpoint("p{epoch:02d}-{loss:.1f}", "v.loss")
    assert play(each, losses) == [(n, "save", n, f"p0{n}-{loss:.1f}") for n, loss in enumerate(losses, 1)]
    best = callbacks.ModelCheckpoint("best", "v.loss", save_best_only=True)
    assert play(best, losses) == [(1, "save", 1, "best"), (3, "save", 3, "best")]


@pytest.mark.parametrize("path", ["{accurracy}", "{loss:03d}", "{}", "{", "{loss.mean}"])
def test_a_path_that_cannot_be_filled_in_is_told_before_training(path):
    checkpoint = callbacks.ModelCheckpoint(path, "v.accuracy")
    with pytest.raises(SpecError, match="path has a part that is none of epoch, loss, accuracy"):
        checkpoint.check({"v.loss": False, "v.accuracy": True, "w.rmse": False})


@pytest.mark.parametrize(
    "one",
    [
        callbacks.EarlyStopping("v.loss", patience=3, mode="max"),
        callbacks.ReduceLROnPlateau("v.loss", cooldown=3),
        callbacks.ModelCheckpoint("path", "v.loss", save_best_only=True),
    ],
    ids=repr,
)
def test_callbacks_print_as_they_were_written_copy_and_pickle(one):
    for copied in (eval(repr(one)), copy.deepcopy(one), pickle.loads(pickle.dumps(one))):
        assert type(copied) is type(one) and vars(copied) == vars(one)


@pytest.mark.parametrize(
    ("kind", "args", "options", "text"),
    [
        (callbacks.EarlyStopping, ["loss"], {}, "not 'loss'"),
        (callbacks.EarlyStopping, ["v.loss"], {"patience": 0}, "patience"),
        (callbacks.EarlyStopping, ["v.loss"], {"mode": "best"}, "not 'best'"),
        (callbacks.EarlyStopping, ["v.loss"], {"min_delta": -1}, "min_delta"),
        (callbacks.ReduceLROnPlateau, ["v.loss"], {"factor": 1.0}, "factor"),
        (callbacks.ReduceLROnPlateau, ["v.loss"], {"min_factor": -1}, "min_factor"),
        (callbacks.ModelCheckpoint, ["", "v.loss"], {}, "path"),
        (callbacks.ModelCheckpoint, ["p", "v.loss"], {"save_best_only": 2}, "save_best_only"),
    ],
)
def test_bad_values_are_told_at_once(kind, args, options, text):
    with pytest.raises(SpecError, match=text):
        kind(*args, **options)


def test_the_methods_of_a_callback_are_coroutines():
    class Plain(callbacks.Callback):
        def on_pass(self, report, training):
            pass

    class Ends(callbacks.EarlyStopping):
        def on_end(self, training):
            pass

    class Nothing(callbacks.Callback):
        pass

    for one, said in (
        (Plain(), "on_pass is no coroutine: write `async def on_pass`"),
        (Ends("v.loss"), "on_end is no coroutine: write `async def on_end`"),
        (Nothing(), "reacts to no pass: override `async def on_pass"),
    ):
        with pytest.raises(SpecError, match=said):
            callbacks.as_callback(one)
