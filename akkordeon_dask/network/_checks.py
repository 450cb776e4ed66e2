"""Checks of what gates and sentinels are written with."""

from typing import Any

from akkordeon_dask.errors import SpecError
from akkordeon_dask.network._beside import Beside

__all__ = ["check_text", "check_workers"]


def check_text(label: str, value: Any, meaning: str = "a word") -> None:
    """The option `label` is a text that is not empty, or None.

    Raises
    ------
    SpecError
        when it is neither.
    """
    if value is not None and not (isinstance(value, str) and value):
        raise SpecError(f"{label} is {meaning}, not {value!r}")


def check_workers(label: str, value: Any) -> None:
    """The option `label` says where an actor shall be, or is None.

    Raises
    ------
    SpecError
        when it does not.
    """
    if not isinstance(value, Beside):
        check_text(label, value, "a worker's name, address or host as text, or beside('GATE')")
