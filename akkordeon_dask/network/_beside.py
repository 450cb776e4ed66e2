"""The wish to be where a gate is."""

from dataclasses import dataclass

from akkordeon_dask.errors import SpecError

__all__ = ["Beside", "beside"]


@dataclass(frozen=True, repr=False)
class Beside:
    """Stands for the worker of a gate: made by `beside`."""

    gate: str

    def __post_init__(self) -> None:
        if not (isinstance(self.gate, str) and self.gate):
            raise SpecError(f"beside takes the name of a gate, e.g. beside('g0'), not {self.gate!r}")

    def __repr__(self) -> str:
        return f"beside({self.gate!r})"


def beside(gate: str) -> Beside:
    """Where the gate of this name is: `Gate(..., workers=beside("g0"))`, `Sentinel.train(..., workers=beside("g1"))`.

    Raises
    ------
    SpecError
        when it is not a name. That the network has such a gate is checked once it is complete: by `plan`,
        `deploy` and `attach`, before anything is made.
    """
    return Beside(gate)
