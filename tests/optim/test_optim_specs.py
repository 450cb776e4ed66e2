"""Optimizers and schedules are frozen values; what cannot work is refused where it is written."""

import copy
import dataclasses
import math
import pickle

import numpy as np
import pytest

from akkordeon_dask import optim
from akkordeon_dask.errors import SpecError
from tests.support.for_each import for_each

nan, inf = math.nan, math.inf


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
    assert_is_a_value(dataclasses.replace(optimizer, lr=schedule))


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
    ],
)
def test_values_print_as_they_were_written(written):
    assert repr(eval(written)) == written


def test_optimizers_of_one_learning_rate_differ_by_their_kind():
    kinds = {optim.SGD(0.1), optim.Adam(0.1), optim.DCASGD(0.1), optim.DCASGDa(0.1), optim.SGD(0.1)}
    assert len(kinds) == 4


OPTIMIZERS = [optim.SGD, optim.Adam, optim.DCASGD, optim.DCASGDa]
SCHEDULES_OF_LR = [optim.Constant, lambda lr: optim.Step(lr, 10), lambda lr: optim.Cosine(lr, 10)]


@for_each("lr", [0, 0.0, -0.1, nan, inf, "0.1", None, True, [0.1], np.float32(-1)])
@for_each("make", [*OPTIMIZERS, *SCHEDULES_OF_LR, lambda lr: optim.WarmUp(10, lr)])
def test_a_learning_rate_that_is_none_is_refused_and_quoted(make, lr):
    said = repr(lr.item() if isinstance(lr, np.generic) else lr)
    with pytest.raises(SpecError) as refusal:
        make(lr)
    assert " is a finite number above 0, not " in str(refusal.value) and str(refusal.value).endswith(f"not {said}")


REFUSED = [
    (optim.SGD, "momentum", [-0.1, 1, 1.5, nan, "0.9", None, True]),
    (optim.SGD, "weight_decay", [-1e-3, nan, inf, "0"]),
    (optim.Adam, "beta1", [-0.1, 1.0, nan, None]),
    (optim.Adam, "beta2", [-0.1, 1.0, nan, "0.999"]),
    (optim.Adam, "eps", [0, -1e-8, nan, inf]),
    (optim.Adam, "weight_decay", [-1e-3, nan, inf]),
    (optim.DCASGD, "lam", [-0.04, nan, inf, "0.04"]),
    (optim.DCASGDa, "lam", [-2.0, nan, inf]),
    (optim.DCASGDa, "decay", [-0.1, 1.0, nan]),
    (optim.DCASGDa, "eps", [0.0, -1e-7, inf]),
    (lambda lr, **other: optim.Step(lr, **{"every": 10, **other}), "every", [0, -1, 2.5, 10.0, "10", None, True]),
    (lambda lr, **other: optim.Step(lr, **{"every": 10, **other}), "factor", [0, -0.5, 1.5, nan]),
    (lambda lr, **other: optim.Cosine(lr, **{"updates": 10, **other}), "updates", [0, -1, 2.5, nan, False]),
    (lambda lr, **other: optim.Cosine(lr, **{"updates": 10, **other}), "final", [-0.1, 0.2, nan, "0"]),
    (lambda lr, updates: optim.WarmUp(updates, lr), "updates", [0, -1, 0.5, "500", None]),
]


@for_each("make, name, value", [(make, name, value) for make, name, values in REFUSED for value in values])
def test_what_cannot_work_is_refused_by_name_and_quoted(make, name, value):
    with pytest.raises(SpecError, match=rf": {name} is .* number of at least|: {name} is .* number above 0") as refusal:
        make(0.1, **{name: value})
    assert str(refusal.value).endswith(f"not {value!r}")


def test_nesterov_without_momentum_is_refused():
    with pytest.raises(SpecError, match="set momentum above 0"):
        optim.SGD(0.1, nesterov=True)


def test_numpy_numbers_become_pythons_own():
    assert repr(optim.DCASGDa(np.float64(0.1), lam=np.float64(0.5))) == "optim.DCASGDa(0.1, lam=0.5)"
    assert repr(optim.WarmUp(np.int64(5), optim.Step(np.float64(0.1), np.int32(7)))) == (
        "optim.WarmUp(5, optim.Step(0.1, 7))"
    )


def test_what_is_exported_is_all_that_is_public():
    public = {name for name, value in vars(optim).items() if not name.startswith("_") and isinstance(value, type)}
    assert set(optim.__all__) == public
