"""What a sentinel thinks of predictions."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from akkordeon_dask.actors.sentinel._open_pass import BatchInFlight
from akkordeon_dask.actors.sentinel._score_states import rated
from akkordeon_dask.errors import AkkordeonError, DataError, GateError, NonFiniteError, SentinelError
from akkordeon_dask.memory import aligned
from akkordeon_dask.messages import Failed, Header
from akkordeon_dask.network import Sentinel
from akkordeon_dask.nn import Loss, Score
from akkordeon_dask.tree import Array

__all__ = ["evaluate", "gate_failure", "pin_lost_repeatedly"]


def evaluate(
    sentinel: Sentinel, flight: BatchInFlight, y: Array, header: Header, tell: Callable[[str, str], None]
) -> Array | None:
    """Note loss and scores of the predictions `y` in the flight; gives the gradient by `y` if the sentinel trains.

    Where the loss is not finite and the sentinel skips such batches, the flight is marked and `tell` is told.

    Raises
    ------
    DataError
        when there are no targets, or they do not fit the predictions.
    NonFiniteError
        when the loss is NaN or infinite, and the sentinel does not skip it.
    """
    if flight.target is None:
        raise DataError(f"{header}: {sentinel.provider!r} gives no targets to compare with: give it labels")
    y = aligned(y)
    with _told(header, sentinel.loss):
        loss, dy = sentinel.loss(y, flight.target, need_dy=sentinel.mode == "train")
        finite = math.isfinite(loss)
    flight.ratings = {}
    for score in sentinel.scores if finite else ():
        with _told(header, score):
            flight.ratings |= rated([score], y, flight.target)
    flight.loss = loss
    if not finite:
        text = f"the loss is {loss} on {header}: lower the learning rate, warm up, or look for bad numbers in the data"
        if sentinel.on_nonfinite != "skip":
            raise NonFiniteError(text)
        flight.skipped = True
        tell("skipped", text)
    return dy


@contextmanager
def _told(header: Header, what: Loss | Score) -> Iterator[None]:
    """An error of a loss or a score in here is told with the batch, and, where it is a defect, with its name."""
    try:
        yield
    except AkkordeonError as error:
        raise type(error)(f"{header}: {error}") from error
    except BaseException as error:
        where = f"{header} on {header.reply_to.worker}"
        raise SentinelError(f"{where}: {what!r} raised {error!r}: mend it, or leave it out") from error


def gate_failure(message: Failed) -> GateError:
    """What a gate could not do, as an error for who waits."""
    text = f"gate {message.gate!r} on {message.worker} failed on {message.header}: {message.reason}"
    return GateError(f"{text}. Mend the layer or the data, then attach the sentinel again")


def pin_lost_repeatedly(sentinel: str, gate: str, times: int) -> SentinelError:
    """What a gate that loses the version of a pass again and again means for who waits."""
    return SentinelError(
        f"sentinel {sentinel!r}: gate {gate!r} has lost the pass's version {times} times in a row: "
        "send smaller batches, or look at the gate's worker"
    )
