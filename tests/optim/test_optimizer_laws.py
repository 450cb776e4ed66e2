"""Laws of every optimizer, whatever its rule."""

import copy
import dataclasses
import re
from unittest.mock import Mock

import numpy as np
import pytest
from numpy.testing import assert_allclose

from akkordeon_dask import memory, optim
from akkordeon_dask.errors import ShapeError, SpecError
from akkordeon_dask.tree import leaves, map_leaves
from tests.support.for_each import for_each


def bits(tree):
    return [(leaf.dtype, leaf.shape, leaf.tobytes()) for leaf in leaves(tree)]


def train(optimizer, draw, updates, dtype=np.float32):
    """Parameters and state after some updates with drawn gradients, the odd ones a batch late."""
    params = draw(0, dtype)
    before, state = params, optimizer.init(params)
    for number in range(updates):
        stale = before if number % 2 else params
        before = params
        params, state = optimizer.update(draw(number + 1, dtype), state, params, stale_params=stale)
    return params, state


@for_each("dtype", [np.float32, np.float64])
def test_an_update_keeps_form_shapes_and_dtype(optimizer, draw, dtype):
    params, state = train(optimizer, draw, 3, dtype)
    assert isinstance(params, tuple) and [list(layer) for layer in params] == [["w", "b"], [], ["w", "scale"]]
    for now, then, slots in zip(leaves(params), leaves(draw(0, dtype)), state.slots, strict=True):
        assert {now.dtype, *(slot.dtype for slot in slots)} == {np.dtype(dtype)}
        assert {now.shape, *(slot.shape for slot in slots)} == {then.shape}
        assert np.isfinite(now).all() and not np.array_equal(now, then)


def test_weights_come_to_rest_where_there_is_no_gradient_any_more(optimizer, draw):
    params, state = train(optimizer, draw, 2)
    none = map_leaves(np.zeros_like, params)
    for _ in range(1500):
        params, state = optimizer.update(none, state, params, stale_params=params)
    rests, _ = optimizer.update(none, state, params, stale_params=params)
    for now, then in zip(leaves(rests), leaves(params), strict=True):
        assert_allclose(now, then, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("poison", [False, True])
def test_an_update_writes_into_nothing_that_it_was_given(optimizer, draw, poison, monkeypatch):
    monkeypatch.setattr(memory.pool, "poison", poison)
    params, state = train(optimizer, draw, 2)
    grads, stale = draw(7), draw(8)
    for array in leaves((params, state.slots)):
        array.flags.writeable = False
    given = bits((grads, state.slots, params, stale))
    first = optimizer.update(grads, state, params, stale_params=stale)
    again = optimizer.update(grads, state, params, stale_params=stale)
    assert bits((grads, state.slots, params, stale)) == given
    assert bits(first[0]) == bits(again[0]) and bits(first[1].slots) == bits(again[1].slots)


def test_nothing_that_comes_out_shares_memory_with_what_went_in(optimizer, draw):
    params, state = train(optimizer, draw, 2)
    grads, stale = draw(7), draw(8)
    new_params, new_state = optimizer.update(grads, state, params, stale_params=stale)
    came_out = leaves((new_params, new_state.slots))
    for position, array in enumerate(came_out):
        others = leaves((grads, state.slots, params, stale)) + came_out[:position]
        assert not any(np.shares_memory(array, other) for other in others)


def test_the_state_is_replaced_and_counts(optimizer, draw):
    params = draw(0)
    first = optimizer.init(params)
    _, second = optimizer.update(draw(1), first, params, stale_params=params)
    assert (first.count, second.count) == (0, 1)
    assert not any(slot.any() for slot in leaves(first.slots))
    with pytest.raises(dataclasses.FrozenInstanceError):
        second.count = 5


def test_recycled_memory_that_is_full_of_nan_changes_no_bit(optimizer, draw, monkeypatch):
    monkeypatch.setattr(memory.pool, "poison", False)
    params, state = train(optimizer, draw, 6)
    memory.pool.clear()
    monkeypatch.setattr(memory.pool, "poison", True)
    lent = memory.pool.lent
    poisoned_params, poisoned_state = train(optimizer, draw, 6)
    assert memory.pool.lent > lent
    assert bits(poisoned_params) == bits(params)
    assert bits(poisoned_state.slots) == bits(state.slots)


def test_a_steady_state_asks_the_system_for_no_memory(optimizer, draw, monkeypatch):
    params, grads, stale = draw(0), draw(1), draw(2)
    memory.pool.clear()
    state = optimizer.init(params)
    for _ in range(3):
        params, state = optimizer.update(grads, state, params, stale_params=stale)

    def refuse(*_):
        raise AssertionError("a new block")

    monkeypatch.setattr(memory.mmap, "mmap", refuse)
    for _ in range(3):
        params, state = optimizer.update(grads, state, params, stale_params=stale)


def test_update_is_step_by_hand_for_each_array(array_optimizer, draw):
    params = draw(0)
    by_hand = [(w, array_optimizer.slots(w)) for w in leaves(params)]
    before, state = params, array_optimizer.init(params)
    for count in (1, 2, 3):
        grads = draw(count)
        by_hand = [
            array_optimizer.step(w, g, slots, lr=array_optimizer.lr, count=count, stale=stale)
            for (w, slots), g, stale in zip(by_hand, leaves(grads), leaves(before), strict=True)
        ]
        before, (params, state) = params, array_optimizer.update(grads, state, params, stale_params=before)
    assert bits(params) == bits(tuple(w for w, _ in by_hand))
    assert bits(state.slots) == bits(tuple(slots for _, slots in by_hand))


def test_a_schedule_is_asked_with_the_number_of_updates_made(array_optimizer, schedule, draw):
    params, state = train(array_optimizer, draw, 4)
    scheduled = dataclasses.replace(array_optimizer, lr=schedule)
    plain = dataclasses.replace(array_optimizer, lr=schedule(4))
    found, _ = scheduled.update(draw(9), state, params, stale_params=draw(8))
    expected, _ = plain.update(draw(9), state, params, stale_params=draw(8))
    assert bits(found) == bits(expected)


@dataclasses.dataclass(frozen=True, repr=False)
class NumpyTenth(optim.Schedule):
    """A user's schedule, with numpy's arithmetic."""

    def __call__(self, count):
        return np.float64(0.1)


def test_numpy_numbers_train_float32_as_python_numbers_do(array_optimizer, draw):
    fields = dataclasses.asdict(array_optimizer)
    numpy_fields = {name: np.float64(value) if isinstance(value, float) else value for name, value in fields.items()}
    assert type(array_optimizer)(**numpy_fields) == array_optimizer
    expected, found = (
        train(dataclasses.replace(array_optimizer, **changes), draw, 3)
        for changes in ({"lr": 0.1}, {**numpy_fields, "lr": NumpyTenth()})
    )
    assert bits(found[0]) == bits(expected[0])
    assert bits(found[1].slots) == bits(expected[1].slots)


@dataclasses.dataclass(frozen=True, repr=False)
class ThenElse(optim.Schedule):
    """A user's schedule that gives something else from the second update on."""

    later: object

    def __call__(self, count):
        return self.later if count else 0.0


@for_each("later", [None, "fast", -0.1, np.float32(-0.1), np.nan, np.inf, np.ones(2)])
def test_a_schedule_that_gives_no_learning_rate_is_named_with_what_it_gives(array_optimizer, later, draw):
    scheduled = dataclasses.replace(array_optimizer, lr=ThenElse(later))
    params, state = train(scheduled, draw, 1)
    words = f"{scheduled.lr!r} gives {later!r} after 1 updates: a learning rate is a finite number of at least 0"
    with pytest.raises(SpecError, match=re.escape(words)):
        scheduled.update(draw(2), state, params, stale_params=params)


@for_each("order", ["C", "F"])
def test_the_layout_of_a_gradient_does_not_matter(optimizer, order):
    rng = np.random.default_rng(0)
    laid = [{"w": np.array(rng.normal(size=(40, 30)), order=order)[::-1]} for _ in range(3)]
    found, expected = (
        optimizer.update(g, optimizer.init(w), w, stale_params=stale)[0]["w"]
        for w, g, stale in (laid, [map_leaves(np.ascontiguousarray, one) for one in laid])
    )
    assert found.tobytes() == expected.tobytes()
    assert found.flags.c_contiguous


@for_each("delay", [0, 2])
@for_each("dtype", [np.float32, np.float64])
def test_a_quadratic_is_learnt_with_and_without_delay(array_optimizer, delay, dtype):
    rng = np.random.default_rng(0)
    curvature = rng.uniform(0.5, 2, size=(20,)).astype(dtype)
    target = rng.normal(size=(20,)).astype(dtype)

    def loss(params):
        return float(0.5 * (curvature * (params["w"] - target) ** 2).sum())

    versions = [{"w": np.zeros(20, dtype)}]
    state = array_optimizer.init(versions[0])
    array_optimizer = dataclasses.replace(array_optimizer, lr=optim.WarmUp(50, optim.Cosine(0.03, 750)))
    for _ in range(800):
        stale = versions[max(0, len(versions) - 1 - delay)]
        grads = {"w": curvature * (stale["w"] - target)}
        params, state = array_optimizer.update(grads, state, versions[-1], stale_params=stale)
        versions.append(params)
    assert loss(versions[-1]) < 1e-4 * loss(versions[0])


@for_each("wrong", ["gradient", "stale parameters"])
def test_shapes_that_numpy_would_stretch_are_refused(optimizer, wrong):
    params = {"w": np.ones((4, 3))}
    row = {"w": np.ones((1, 3))}
    grads, stale = (row, params) if wrong == "gradient" else (params, row)
    with pytest.raises(ShapeError, match=r"\(4, 3\).*\(1, 3\)"):
        optimizer.update(grads, optimizer.init(params), params, stale_params=stale)


@for_each("arrays", [1, 3])
def test_the_state_of_other_parameters_is_refused(optimizer, arrays):
    params = {"w": np.ones((4, 3)), "b": np.ones(3)}
    other = optimizer.init(tuple(np.ones(shape) for shape in [(4, 3), (3,), (3,)][:arrays]))
    with pytest.raises(ShapeError, match=f"a state of {arrays} arrays is not that of these parameters"):
        optimizer.update(params, other, params, stale_params=params)


def test_a_gradient_finds_its_parameters_by_name_and_has_all_their_names(optimizer):
    params = {"w": np.ones(3), "b": np.zeros(3)}
    grads = {"w": np.full(3, 2.0), "b": np.full(3, 5.0)}
    turned = dict(reversed(grads.items()))
    once, again = (optimizer.update(g, optimizer.init(params), params, stale_params=params)[0] for g in (grads, turned))
    assert all(np.array_equal(once[name], again[name]) for name in params)
    with pytest.raises(ShapeError, match="a dict of 'w', 'b', 'c' stands where a dict of 'w', 'b' does"):
        optimizer.update(grads | {"c": np.ones(3)}, optimizer.init(params), params, stale_params=params)


def test_parameters_without_arrays_are_fine(optimizer):
    params, state = optimizer.update(({}, {}), optimizer.init(({}, {})), ({}, {}), stale_params=({}, {}))
    assert params == ({}, {}) and state.count == 1


@for_each("shape", [(0,), (0, 3), (3, 0), (2, 0, 3), (0, 2, 2)])
def test_arrays_without_numbers_are_fine(optimizer, shape):
    params = {"w": np.ones((2, 3)), "none": np.ones(shape)}
    state = optimizer.init(params)
    for delay in (0, 2):
        params, state = optimizer.update_late(params, state, params, stale_params=params, delay=delay)
    assert params["none"].shape == optimizer.predicted_params(params, state)["none"].shape == shape


def test_a_slowed_state_has_all_learning_rates_times_its_factor(array_optimizer, draw):
    def rates(state):
        seen = []
        for _ in range(3):
            _, state = spy.update(draw(1), state, params, stale_params=params)
            seen.append(step.call_args.kwargs["lr"])
        return seen

    params, spy = draw(0), copy.copy(array_optimizer)
    step = Mock(side_effect=array_optimizer.step)
    object.__setattr__(spy, "step", step)
    fresh = array_optimizer.init(params)
    assert rates(fresh.slowed(0.5).slowed(0.5)) == [rate / 4 for rate in rates(fresh)]
    assert rates(fresh.slowed(0.5).slowed(0.25, 0.25)) == [rate / 4 for rate in rates(fresh)]
    assert rates(fresh.slowed(0.25).slowed(0.5, 0.5)) == [rate / 4 for rate in rates(fresh)]
    assert rates(fresh.slowed(0.5).slowed(2.0, 0.5)) == rates(fresh)
