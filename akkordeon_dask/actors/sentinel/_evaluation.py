"""The evaluation of predictions: loss, gradient, and the states of scores, which add up over a pass."""

import base64
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

import numpy as np

from akkordeon_dask._exceptions import as_data_error, quote_exception
from akkordeon_dask.actors.sentinel._confusion import count_confusion
from akkordeon_dask.actors.sentinel._in_flight import BatchInFlight
from akkordeon_dask.errors import (
    DataError,
    GateError,
    LostBatchesError,
    NonFiniteError,
    SentinelError,
    SpecError,
)
from akkordeon_dask.memory import aligned
from akkordeon_dask.messages import Failed, Header
from akkordeon_dask.network import Sentinel, weigh_classes
from akkordeon_dask.nn import Loss, Score, ScoreState
from akkordeon_dask.nn._loss import applied_loss
from akkordeon_dask.tree import Array

__all__ = [
    "ScoreStates",
    "evaluate",
    "gate_failure",
    "lost_batches",
    "merge_scores",
    "pin_lost_repeatedly",
    "read_scores",
    "resume_scores",
    "save_scores",
    "score_batch",
    "score_results",
    "skipped_batches",
]

ScoreStates: TypeAlias = dict[str, ScoreState]
"""The state of each score, by its name."""


def evaluate(
    sentinel: Sentinel, batch: BatchInFlight, y: Array, header: Header, notify: Callable[[str, str], None]
) -> Array | None:
    """Set the loss and scores of a batch from its predictions `y`; returns the gradient by `y` if the sentinel trains.

    Where the loss is not finite and the sentinel skips such batches, the batch is marked as skipped.

    Raises
    ------
    DataError
        when there are no targets, or they do not fit the predictions.
    NonFiniteError
        when the loss or its gradient is NaN or infinite, and the sentinel does not skip it.
    """
    if batch.target is None:
        raise DataError(f"{header}: {sentinel.provider!r} gives no targets to compare with: give it labels")
    y = aligned(y)
    batch.scores, batch.confusion = {}, None
    function: Loss | Score = sentinel.loss
    try:
        loss, dy = _loss(sentinel, batch, y, batch.target)
        finite = math.isfinite(loss) and (dy is None or bool(np.isfinite(dy).all()))
        rates = sentinel.mode in ("validate", "test")
        if finite and (sentinel.scores or rates):
            outputs, target, weights = sentinel.loss.scored(y, batch.target, batch.weights)
            for function in sentinel.scores if len(outputs) else ():
                batch.scores[function.name] = _state(function, _updated(function, outputs, target, weights))
            if rates:
                x = batch.x if outputs.shape[1:] == y.shape[1:] else None
                batch.confusion = count_confusion(sentinel.loss, outputs, target, x, batch.sequence)
    except BaseException as error:
        raise _blamed(function, error, header) from error
    batch.loss = loss
    if not finite:
        what = "the gradient of the loss is not finite" if math.isfinite(loss) else f"the loss is {loss}"
        text = f"{what} on {header}: {_cause(batch)}"
        if sentinel.on_nonfinite != "skip":
            raise NonFiniteError(text)
        batch.skipped = True
        notify("skipped", text)
    return dy


def _cause(batch: BatchInFlight) -> str:
    """The cause of a loss that is not finite, as far as the data show it, and the remedy."""
    for name, array in (("x", batch.x), ("y", batch.target)):
        if array is None or array.dtype.kind != "f" or (finite := np.isfinite(array)).all():
            continue
        at = tuple(int(index) for index in np.argwhere(~finite)[0])
        where = f"sample {at[0]} of the batch has {array[at]}{_position(name, at[1:])}"
        return (
            f"{finite.size - np.count_nonzero(finite):,} of its {finite.size:,} numbers in {name} are not finite, "
            f"{where}: fill such values, or drop their rows"
        )
    return "lower the learning rate, warm up, or look for numbers in the data that are far larger than the others"


def _position(name: str, at: tuple[int, ...]) -> str:
    if not at:
        return ""
    noun = "feature" if name == "x" else "output"
    return f" as {noun} {at[0]}" if len(at) == 1 else f" at {at}"


def _loss(sentinel: Sentinel, batch: BatchInFlight, y: Array, target: Array) -> tuple[float, Array | None]:
    """Loss and gradient of a batch; sets its weight in the loss of the pass."""
    weights = batch.weights
    if sentinel.class_weight is not None:
        ignored = getattr(sentinel.loss, "ignore_index", None)
        weights = weigh_classes(sentinel.class_weight, target, weights, ignored=ignored)
    batch.weight = float(sentinel.loss.total_weight(target, weights))
    need_dy = sentinel.mode == "train"
    return applied_loss(sentinel.loss, y, target, weights, need_dy=need_dy)


def _updated(score: Score, y: Array, target: Array, weights: Array | None) -> ScoreState:
    return score.update(y, target) if weights is None else score.update(y, target, weights)


def _blamed(function: Loss | Score, error: BaseException, header: Header | None = None) -> BaseException:
    """An error of a loss or a score that names the batch and, where it is a defect of its code, the function."""
    if (known := as_data_error(error)) is not None:
        return known if header is None else type(known)(f"{header}: {known}")
    where = "" if header is None else f"{header} on {header.reply_to.worker}: "
    return SentinelError(f"{where}{function!r} raised {quote_exception(error)}: fix it, or leave it out")


def score_batch(scores: Iterable[Score], y: Array, target: Array) -> ScoreStates:
    """The states of one batch.

    Raises
    ------
    AkkordeonError
        when the targets do not fit, or a score's state is no tuple of numbers.
    """
    return {score.name: _state(score, score.update(y, target)) for score in scores}


def merge_scores(scores: Iterable[Score], one: ScoreStates, other: ScoreStates) -> ScoreStates:
    """The states of the samples of both."""
    both = {**one, **other}
    for score in scores:
        name = score.name
        if name in one and name in other:
            try:
                both[name] = _state(score, score.merge(one[name], other[name]))
            except BaseException as error:
                raise _blamed(score, error) from error
    return both


def score_results(scores: Iterable[Score], states: ScoreStates) -> dict[str, float]:
    """The scores of a report; NaN where no sample was completed.

    Raises
    ------
    SentinelError
        when a score's own code raises an error.
    """
    results = {}
    for score in scores:
        state = states.get(score.name)
        try:
            results[score.name] = math.nan if state is None else float(score.result(state))
        except BaseException as error:
            raise _blamed(score, error) from error
    return results


def read_scores(saved: Any, samples: int) -> ScoreStates:
    """The states in the JSON of a snapshot; old snapshots have a list of sums over samples."""
    if isinstance(saved, Mapping):
        return {name: _tupled(state) for name, state in saved.items()}
    return {str(index): (float(total), samples) for index, total in enumerate(saved)}


def resume_scores(scores: Iterable[Score], states: ScoreStates) -> ScoreStates:
    """The states that a former incarnation left, by name or index; a score that is new counts from here on."""
    found = {score.name: states.get(score.name, states.get(str(index))) for index, score in enumerate(scores)}
    return {name: state for name, state in found.items() if state is not None}


def _state(score: Score, state: Any) -> ScoreState:
    if not isinstance(state, tuple | list | np.ndarray):
        raise SpecError(f"{score!r}: the state of a score is a tuple of numbers, not {state!r}")
    return tuple(_plain(score, one) for one in state)


def _plain(score: Score, one: Any) -> Any:
    if isinstance(one, np.generic):
        one = one.item()
    return one if isinstance(one, int | float | bytes) else _state(score, one)


def save_scores(states: ScoreStates) -> dict[str, Any]:
    """The states as JSON has them; bytes are base64."""
    return {name: _saved(state) for name, state in states.items()}


def _saved(state: Any) -> Any:
    if isinstance(state, bytes):
        return {"base64": base64.b64encode(state).decode()}
    return tuple(map(_saved, state)) if isinstance(state, tuple) else state


def _tupled(state: Any) -> Any:
    if isinstance(state, Mapping):
        return base64.b64decode(state["base64"])
    return tuple(map(_tupled, state)) if isinstance(state, list | tuple) else state


def gate_failure(message: Failed) -> GateError:
    """The failure of a gate as an error for the user."""
    text = f"gate {message.gate!r} on {message.worker} failed on {message.header}: {message.reason}"
    return GateError(f"{text}. Fix the layer or the data, then attach the sentinel again")


def lost_batches(sentinel: str, number: int, batches: int, samples: int, completed: int) -> LostBatchesError:
    """A pass that lost too many batches, as an error for the user."""
    return LostBatchesError(
        f"sentinel {sentinel!r} lost {batches:,} batches without a restart of a gate that explains it, {samples:,} "
        f"samples in all, in pass {number}, which completed {completed:,} samples: see which gate or link stands "
        "still, or raise akkordeon.batch.max-lost"
    )


def skipped_batches(sentinel: str, number: int, skipped: int, lost: int) -> NonFiniteError:
    """A pass all of whose batches were skipped or lost, as an error for the user."""
    others = f", and {lost:,} were lost" if lost else ""
    return NonFiniteError(
        f"sentinel {sentinel!r} completed no sample in pass {number}: {skipped:,} batches were skipped, as their loss "
        f"or its gradient was not finite{others}. The parameters of a gate may be NaN: look at running.parameters(), "
        "begin again from a snapshot or a saved file, and lower the learning rate, clip gradients by optim.Clip, or "
        "let the gates go back by on_nonfinite='rewind'"
    )


def pin_lost_repeatedly(sentinel: str, gate: str, times: int) -> SentinelError:
    """A gate that loses the pinned version of a pass again and again, as an error for the user."""
    return SentinelError(
        f"sentinel {sentinel!r}: gate {gate!r} has lost the pass's version {times} times in a row: "
        "send smaller batches, or look at the gate's worker"
    )
