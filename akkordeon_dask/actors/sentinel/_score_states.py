"""The scores of a pass while it is under way: for each its state, by its name."""

import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeAlias

import numpy as np

from akkordeon_dask.errors import AkkordeonError, SentinelError, SpecError
from akkordeon_dask.nn import Score, ScoreState
from akkordeon_dask.tree import Array

__all__ = ["Ratings", "joined", "rated", "read", "results", "taken_up"]

Ratings: TypeAlias = dict[str, ScoreState]


def rated(scores: Iterable[Score], y: Array, target: Array) -> Ratings:
    """Those of one batch.

    Raises
    ------
    AkkordeonError
        when the targets do not fit, or a score's state is no tuple of numbers.
    """
    return {score.name: _state(score, score.update(y, target)) for score in scores}


def joined(scores: Iterable[Score], one: Ratings, other: Ratings) -> Ratings:
    """Those of the samples of both."""
    both = {**one, **other}
    for score in scores:
        if score.name in one and score.name in other:
            with _named(score):
                both[score.name] = _state(score, score.merge(one[score.name], other[score.name]))
    return both


def results(scores: Iterable[Score], ratings: Ratings) -> dict[str, float]:
    """The scores of a report; NaN where no sample came home.

    Raises
    ------
    SentinelError
        when a score's own code raises an error.
    """
    made = {}
    for score in scores:
        with _named(score):
            state = ratings.get(score.name)
            made[score.name] = math.nan if state is None else float(score.result(state))
    return made


@contextmanager
def _named(score: Score) -> Iterator[None]:
    """A defect of a score's own code is told with its name."""
    try:
        yield
    except AkkordeonError:
        raise
    except BaseException as error:
        raise SentinelError(f"{score!r} raised {error!r}: mend it, or leave it out") from error


def read(told: Any, samples: int) -> Ratings:
    """The ratings of a position that was written as JSON; before scores had names, a sum over samples for each."""
    if isinstance(told, Mapping):
        return {name: _tupled(state) for name, state in told.items()}
    return {str(place): (float(total), samples) for place, total in enumerate(told)}


def taken_up(scores: Iterable[Score], ratings: Ratings) -> Ratings:
    """Those of the scores that another life has left, by name or place; a score that is new counts from here on."""
    left = {score.name: ratings.get(score.name, ratings.get(str(place))) for place, score in enumerate(scores)}
    return {name: state for name, state in left.items() if state is not None}


def _state(score: Score, state: Any) -> ScoreState:
    if not isinstance(state, tuple | list | np.ndarray):
        raise SpecError(f"{score!r}: the state of a score is a tuple of numbers, not {state!r}")
    return tuple(_plain(score, one) for one in state)


def _plain(score: Score, one: Any) -> Any:
    if isinstance(one, np.generic):
        one = one.item()
    return one if isinstance(one, int | float) else _state(score, one)


def _tupled(state: Any) -> Any:
    return tuple(map(_tupled, state)) if isinstance(state, list | tuple) else state
