import functools
import itertools
import pickle

import numpy as np
import pytest

from akkordeon_dask import data
from akkordeon_dask.errors import DataError
from tests.data.test_checked_source import Provider
from tests.support.for_each import for_each


def batch(number: int = 0, size: int = 2):
    return np.full((size, 3), number, np.float32), np.full(size, number)


def three():
    for number in range(3):
        yield batch(number)


def counted(start: int, step: int = 1):
    for number in itertools.count(start, step):
        yield batch(number)


def nothing():
    return iter(())


def numbers(batches, most=100) -> list[int]:
    return [int(x[0, 0]) for x, _ in itertools.islice(batches, most)]


class Endless:
    def __iter__(self):
        return counted(0)


class OfUnknownLength(Endless):
    """Its class has a length, as a loader of PyTorch, and it has none."""

    def __len__(self):
        raise TypeError("object of type 'Samples' has no len()")


LIST = [batch(0), batch(1), batch(2)]
ONCE = (batch(number) for number in range(3))


@pytest.mark.parametrize("thing", [LIST, tuple(LIST), three], ids=["list", "tuple", "function"])
def test_one_run_through_the_iterable_is_one_epoch(thing):
    source = data.stream(thing).open()
    for epoch in (1, 2, 3):
        assert numbers(source.batches(epoch, 1)) == [0, 1, 2]


def test_batches_come_as_they_are_whatever_the_batch_size():
    source = data.stream([batch(size=5), batch(size=1)]).open()
    assert [len(x) for x, _ in source.batches(1, 1024)] == [5, 1]


def test_a_stream_blocks_and_does_not_know_what_comes():
    source = data.stream(three).open()
    assert source.blocking is True
    assert (source.samples, source.shape, source.dtype, source.labelled) == (None, None, None, None)


def test_an_endless_iterable_is_sliced_by_who_draws_from_it():
    source = data.stream(Endless()).open()
    assert numbers(source.batches(1, 1), 5) == [0, 1, 2, 3, 4]
    assert numbers(source.batches(2, 1), 2) == [0, 1]


def test_an_endless_iterator_goes_on_where_it_was_left():
    source = data.stream(counted(0)).open()
    assert numbers(source.batches(1, 1), 3) == [0, 1, 2]
    assert numbers(source.batches(2, 1), 2) == [3, 4]


def test_nothing_is_drawn_before_a_batch_is_asked_for():
    drawn = []

    def watched():
        drawn.append("begun")
        yield batch()

    batches = data.stream(watched).open().batches(1, 1)
    assert drawn == []
    next(batches)
    assert drawn == ["begun"]


def test_an_iterator_that_is_exhausted_says_to_pass_a_function():
    source = data.stream(three()).open()
    assert numbers(source.batches(1, 1)) == [0, 1, 2]
    with pytest.raises(DataError, match=r"<generator three>.* gave its 3 batches before epoch 2.*give a function"):
        next(source.batches(2, 1))


@pytest.mark.parametrize("thing", [[], nothing, iter(())], ids=["list", "function", "iterator"])
def test_an_empty_iterable_is_an_error_that_advises_a_function(thing):
    with pytest.raises(DataError, match=r"has no samples: epoch 1 gave no batch at all; give a function"):
        next(data.stream(thing).open().batches(1, 1))


def test_closing_ends_a_generator_that_the_function_made():
    ended = []

    def watched():
        try:
            yield from counted(0)
        finally:
            ended.append(True)

    source = data.stream(watched).open()
    drawn = source.batches(1, 1)
    next(drawn)
    assert ended == []
    source.close()
    assert ended == [True]
    source.close()


def test_closing_leaves_an_iterator_of_the_users_alone():
    mine = counted(0)
    source = data.stream(mine).open()
    drawn = source.batches(1, 1)
    next(drawn)
    drawn.close()
    source.close()
    assert numbers(mine, 1) == [1]


def test_a_batch_becomes_arrays_and_may_have_no_labels():
    source = data.stream([([[1, 2], [3, 4]], (5, 6)), [np.zeros((3, 1)), None]]).open()
    (x, y), (x2, y2) = source.batches(1, 1)
    np.testing.assert_array_equal(x, [[1, 2], [3, 4]])
    np.testing.assert_array_equal(y, [5, 6])
    assert x2.shape == (3, 1)
    assert y2 is None


def test_the_users_own_error_arrives_as_it_is():
    def broken():
        yield batch()
        raise OSError("the sensor is off")

    batches = data.stream(broken).open().batches(1, 1)
    next(batches)
    with pytest.raises(OSError, match="the sensor is off"):
        next(batches)


@for_each(
    "bad, words",
    [
        (np.zeros((2, 3)), r"a batch is \(x, y\) or \(x, y, weights\), not a ndarray.*data\.arrays\(x, y\)"),
        ((np.zeros(2),), "not a tuple of 1"),
        ((np.zeros(2), np.zeros(2), np.zeros(2), None), "not a tuple of 4"),
        ((np.zeros(2), np.zeros(2), np.zeros(3)), r"weights have shape \(3,\), and there are 2 samples"),
        ((np.zeros(2), np.zeros(2), [1, -2]), r"weights: -2\.0 of sample 1 is no weight"),
        ((np.zeros(2), np.zeros(2), [np.nan, 1]), r"weights: nan of sample 0 is no weight"),
        (
            {"pixels": [[1]], "label": [2]},
            r"not a dict; take them out of it, .* \(batch\['pixels'\], batch\['label'\]\)",
        ),
        ({"x": 1}, r"not a dict.*data\.arrays\(x, y\)"),
        (None, "not a NoneType"),
        ((np.zeros((3, 2)), np.zeros(2)), "x has 3 samples, y has 2"),
        ((np.zeros((0, 2)), np.zeros(0)), "has no samples"),
        (([[1], [2, 3]], [1, 2]), "x, of type list, does not become an array"),
        ((["a"], [1]), "x holds <U1"),
        (([1], [object()]), "y holds object"),
        ((1.0, [1]), r"x is the single number 1\.0"),
        ((np.ma.masked_all((2, 2)), None), "x: 4 of 4 values are masked"),
        ((np.zeros((2, 2), complex), None), "x holds complex128"),
    ],
)
def test_a_value_that_is_no_batch_is_refused_with_its_epoch_and_number(bad, words):
    mine = Provider(lambda: [batch(), bad])
    for provider, name in ((data.stream([batch(), bad]), r"data\.stream\(<list of 2>\)"), (mine, "mine")):
        batches = data.open_source(provider).batches(4, 1)
        next(batches)
        with pytest.raises(DataError, match=rf"^{name}, epoch 4, batch 2.*{words}"):
            next(batches)


def test_a_function_that_makes_no_iterable_is_refused():
    with pytest.raises(DataError, match=r"data\.stream\(<builtin_function_or_method globals>\) made a dict"):
        next(data.stream(globals).open().batches(1, 1))


def test_a_provider_is_a_provider_and_everything_else_becomes_a_stream():
    provider = data.mnist("test")
    assert data.as_provider(provider) is provider
    for thing in (LIST, three, functools.partial(counted, 3), ONCE, Endless(), Endless):
        assert data.as_provider(thing) == data.stream(thing)
        assert isinstance(data.as_provider(thing), data.Provider)
    assert numbers(data.as_provider(functools.partial(counted, 3)).open().batches(1, 1), 2) == [3, 4]
    assert numbers(data.as_provider(Endless).open().batches(1, 1), 2) == [0, 1]


@for_each(
    "thing, words",
    [
        (3, "3 of type int is no provider"),
        (None, "of type NoneType is no provider"),
        ("mnist", "'mnist' of type str is no provider"),
        ({"x": 1}, "of type dict"),
        (np.zeros((4, 2)), r"of type ndarray is no provider: .*data\.arrays\(x, y\)"),
        (counted, "<function counted> needs arguments"),
        (data.mnist, "<function mnist> needs arguments"),
    ],
)
def test_a_value_that_is_no_provider_is_refused_with_its_type(thing, words):
    for make in (data.as_provider, data.stream):
        with pytest.raises(DataError, match=words):
            make(thing)


VALUES = {
    "list": lambda: [batch(0), batch(1)],
    "other numbers": lambda: [batch(0), batch(2)],
    "other dtype": lambda: [(x.astype(np.float64), y) for x, y in (batch(0), batch(1))],
    "longer": lambda: [batch(0), batch(1), batch(2)],
    "tuple": lambda: (batch(0), batch(1)),
    "function": lambda: three,
    "partial": lambda: functools.partial(counted, 1),
    "other partial": lambda: functools.partial(counted, 2),
    "keyword partial": lambda: functools.partial(counted, 1, step=2),
}


@for_each("name", VALUES)
def test_streams_are_equal_by_content_and_survive_pickle(name):
    provider = data.stream(VALUES[name]())
    for same in (data.stream(VALUES[name]()), pickle.loads(pickle.dumps(provider))):
        assert same == provider
        assert hash(same) == hash(provider)
        assert repr(same) == repr(provider)
        assert numbers(same.open().batches(1, 1), 2) == numbers(provider.open().batches(1, 1), 2)
    assert [other for other in VALUES if data.stream(VALUES[other]()) == provider] == [name]


@pytest.mark.parametrize(
    ("thing", "said"),
    [
        (LIST, "data.stream(<list of 3>)"),
        (three, "data.stream(<function three>)"),
        (three(), "data.stream(<generator three>)"),
        (functools.partial(counted, 3), "data.stream(<partial of <function counted>>)"),
        (Endless(), "data.stream(<Endless>)"),
        (OfUnknownLength(), "data.stream(<OfUnknownLength>)"),
    ],
)
def test_a_stream_prints_short(thing, said):
    assert repr(data.stream(thing)) == said


def test_a_generator_does_not_travel_and_says_what_does():
    with pytest.raises(DataError, match=r"a generator cannot travel .* data\.stream\(three\)"):
        pickle.dumps(data.stream(three()))
