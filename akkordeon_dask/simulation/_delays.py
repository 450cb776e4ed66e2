"""The delay of each gradient in a simulation."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, repeat
from numbers import Integral
from typing import Any, Literal, TypeAlias

import numpy as np

from akkordeon_dask._numbers import check_int
from akkordeon_dask.errors import SpecError
from akkordeon_dask.nn import Key

__all__ = ["Delays", "GateDelays", "check_delays", "drawn", "longest"]

GateDelays: TypeAlias = int | Sequence[int] | Mapping[int, int]
"""Of one gate, in updates: the same for all gradients; a trace, a delay for each gradient in turn, the last of which
stays; or counts of gradients by their delay, as `running.statistics()["g0"].counts.delays` has them, to draw from."""

Delays: TypeAlias = int | Literal["by-gate"] | Mapping[str, GateDelays]
"""The same for all gates, or `"by-gate"`: as many as there are gates behind it, or by the gate's name."""


def check_delays(delays: Any, names: Sequence[str]) -> dict[str, GateDelays]:
    """The delays of each gate by its name.

    Raises
    ------
    SpecError
        where they are no delays, or those of other gates.
    """
    if isinstance(delays, str) and delays == "by-gate":
        return {name: len(names) - 1 - position for position, name in enumerate(names)}
    if not isinstance(delays, Integral | Mapping):
        raise SpecError(f"delays are a whole number, 'by-gate' or a dict by the gates' names, not {delays!r:.80}")
    if not isinstance(delays, Mapping):
        number = check_int("delays", delays, 0)
        return dict.fromkeys(names, number)
    if set(delays) != set(names):
        raise SpecError(f"delays are those of the gates {', '.join(names)}, not of {', '.join(map(str, delays))}")
    return {name: _of_gate(name, delays[name]) for name in names}


def _of_gate(name: str, given: Any) -> GateDelays:
    label = f"a delay of gate {name!r}"
    if isinstance(given, np.ndarray):
        given = given.tolist()
    if isinstance(given, Mapping):
        counts = {check_int(label, delay, 0): check_int("a count of delays", n, 0) for delay, n in given.items()}
        if not sum(counts.values()):
            raise SpecError(f"gate {name!r} has no gradients in {given!r}: give the counts of a training")
        return counts
    if isinstance(given, Sequence) and not isinstance(given, str):
        if not given:
            raise SpecError(f"gate {name!r} has an empty trace of delays: give it one at least")
        return tuple(check_int(label, delay, 0) for delay in given)
    return check_int(label, given, 0)


def longest(delays: GateDelays) -> int:
    """The greatest delay."""
    return delays if isinstance(delays, int) else max(delays)


def drawn(delays: GateDelays, key: Key) -> Iterator[int]:
    """The delays of a gate's gradients, one after the other, without end."""
    if isinstance(delays, Mapping):
        return _from_counts(delays, key.generator())
    if isinstance(delays, Sequence):
        return chain(delays, repeat(delays[-1]))
    return repeat(delays)


def _from_counts(counts: Mapping[int, int], rng: np.random.Generator) -> Iterator[int]:
    values = list(counts)
    shares = np.array(list(counts.values()), np.float64)
    shares /= shares.sum()
    while True:
        yield from (int(delay) for delay in rng.choice(values, size=256, p=shares))
