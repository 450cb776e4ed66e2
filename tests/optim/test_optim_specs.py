"""Optimizers and schedules are frozen values; values out of range are refused when they are written."""

import copy
import dataclasses
import pickle

import numpy as np
import pytest

from akkordeon_dask import optim
from akkordeon_dask.errors import SpecError
from tests.support.for_each import for_each


def assert_is_a_value(spec):
    for twin in (pickle.loads(pickle.dumps(spec)), eval(repr(spec), {"optim": optim}), copy.deepcopy(spec)):
        assert type(twin) is type(spec) and twin == spec and hash(twin) == hash(spec) and repr(twin) == repr(spec)
    assert dataclasses.replace(spec) == spec
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(spec, dataclasses.fields(spec)[0].name, 0.5)


def test_an_optimizer_is_a_value(optimizer):
    assert_is_a_value(optimizer)


def test_a_schedule_is_a_value(schedule):
    assert_is_a_value(schedule)


def test_an_optimizer_with_a_schedule_is_a_value(optimizer, schedule):
    assert_is_a_value(scheduled(optimizer, schedule))


def scheduled(optimizer, schedule):
    if hasattr(optimizer, "optimizer"):
        return dataclasses.replace(optimizer, optimizer=scheduled(optimizer.optimizer, schedule))
    return dataclasses.replace(optimizer, lr=schedule)


def test_a_state_travels(optimizer, draw):
    params = draw(0, np.float64)
    _, state = optimizer.update(draw(1, np.float64), optimizer.init(params), params, stale_params=params)
    twin = pickle.loads(pickle.dumps(state))
    assert twin.count == 1
    for slots, same in zip(state.slots, twin.slots, strict=True):
        assert [slot.tobytes() for slot in slots] == [slot.tobytes() for slot in same]


@for_each(
    "written",
    [
        "optim.SGD(0.1)",
        "optim.SGD(0.1, momentum=0.9, nesterov=True)",
        "optim.Adam(0.001, weight_decay=0.01)",
        "optim.DCASGD(0.1, lam=0.5)",
        "optim.DCASGDa(optim.WarmUp(500, optim.Cosine(0.02, 12000)))",
        "optim.Adam(optim.Step(0.001, 1000, factor=0.5))",
        "optim.Clip(optim.SGD(0.1), norm=1)",
        "optim.DelayCompensation(optim.SGD(0.1), lam=0.5)",
        "optim.EMA(optim.Clip(optim.SGD(0.1), norm=1), decay=0.99)",
        "optim.Clip(optim.Adam(0.001, weight_decay=0.01, decay_all=True), value=0.5)",
    ],
)
def test_values_print_as_they_were_written(written):
    assert repr(eval(written)) == written


def test_optimizers_of_one_learning_rate_differ_by_their_kind():
    kinds = {optim.SGD(0.1), optim.Adam(0.1), optim.DCASGD(0.1), optim.DCASGDa(0.1), optim.SGD(0.1)}
    assert len(kinds) == 4


def test_nesterov_without_momentum_is_refused():
    with pytest.raises(SpecError, match="set momentum above 0"):
        optim.SGD(0.1, nesterov=True)


@for_each(
    "make, said",
    [
        (
            lambda: optim.Clip(optim.SGD(0.1)),
            r"optim\.Clip\(optim\.SGD\(0\.1\)\): give norm=\.\.\. or value=",
        ),
        (lambda: optim.Clip(optim.SGD(0.1), norm=1, value=1), r"give norm=\.\.\. or value=\.\.\., one of the two"),
        (lambda: optim.Clip(optim.SGD(0.1), norm=0), r"norm is a finite number above 0, not 0"),
        (lambda: optim.EMA(optim.SGD(0.1), decay=1), r"decay"),
        (lambda: optim.EMA(0.1), r"optim\.EMA takes an optimizer first, e\.g\. optim\.SGD\(0\.1\), not 0\.1"),
        (
            lambda: optim.DelayCompensation(optim.DCASGD(0.1)),
            r"that does not compensate, not optim\.DCASGD\(0\.1\)",
        ),
        (lambda: optim.DelayCompensation(0.1), r"takes an optimizer first, e\.g\. optim\.SGD\(0\.1\), not 0\.1"),
        (lambda: optim.DelayCompensation(optim.SGD(0.1), lam=-1), r"lam is a finite number of at least 0, not -1"),
        (lambda: optim.Clip(0.1, norm=1), r"takes an optimizer first, e\.g\. optim\.SGD\(0\.1\), not 0\.1"),
    ],
)
def test_a_clip_or_an_average_that_makes_no_sense_is_refused(make, said):
    with pytest.raises(SpecError, match=said):
        make()
