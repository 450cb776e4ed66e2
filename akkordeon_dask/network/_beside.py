"""A request for the worker of a gate."""

from dataclasses import dataclass

from akkordeon_dask.errors import SpecError

__all__ = ["Beside", "beside"]


@dataclass(frozen=True, repr=False)
class Beside:
    """Stands for the worker of a gate: made by `beside`.

    Examples
    --------
    >>> beside("g0") == Beside("g0")
    True
    """

    gate: str

    def __post_init__(self) -> None:
        if not (isinstance(self.gate, str) and self.gate):
            raise SpecError(f"beside takes the name of a gate, e.g. beside('g0'), not {self.gate!r}")

    def __repr__(self) -> str:
        return f"beside({self.gate!r})"


def beside(gate: str) -> Beside:
    """The worker of that gate: `Gate(..., workers=beside("g0"))`, `Sentinel.train(..., workers=beside("g1"))`.

    Raises
    ------
    SpecError
        when it is not a name. `plan`, `deploy` and `attach`, which see the complete network, check that it has such a
        gate.

    Examples
    --------
    >>> from akkordeon_dask import Gate, beside, nn, optim
    >>> Gate(nn.Linear(3, 2), optim.SGD(0.1), workers=beside("g0")).workers
    beside('g0')
    """
    return Beside(gate)
