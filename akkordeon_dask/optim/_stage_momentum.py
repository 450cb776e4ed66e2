"""Momentum by the place in a pipeline."""

from akkordeon_dask._numbers import check_int, check_number

__all__ = ["stage_momentum"]


def stage_momentum(position: int, gates: int, *, last: float = 0.9, first: float = 0.99) -> float:
    """The momentum of a gate: `last + (gates - 1 - position) * (first - last) / gates`.

    It is the higher the later gradients come. The last gate, whose gradients are in time in a pipeline of one batch a
    gate, has `last`. For `NAdam(beta1=...)` or `SGD(momentum=..., nesterov=True)`; with the latter a momentum of 0.99
    instead of 0.9 makes steps ten times as long, so divide the learning rate by ten.

    Ajanthan, Ramasinghe, Zuo, Avraham, Long, 'Nesterov Method for Asynchronous Pipeline Parallel Optimization',
    arXiv 2505.01099, 2025: the option `--adaptive_momentum` of its code (github.com/PluralisResearch/AsyncPP).

    Parameters
    ----------
    position
        of the gate, from 0.
    gates
        of the network.
    last, first
        momentum of the last gate, and what that of the first one approaches in a long pipeline, in [0, 1).

    Raises
    ------
    SpecError
        where the gate is not one of so many, or a momentum is out of range.

    Examples
    --------
    >>> [round(stage_momentum(position, 3), 3) for position in range(3)]
    [0.96, 0.93, 0.9]
    """
    gates = check_int("gates", gates, 1)
    behind = check_int("gates behind a gate", gates - 1 - check_int("position", position, 0), 0)
    last, first = check_number("last", last, least=0, below=1), check_number("first", first, least=0, below=1)
    return last + behind * (first - last) / gates
