"""Checks of the options of gates and sentinels."""

from typing import Any

from akkordeon_dask._names import check_printable
from akkordeon_dask.network._beside import Beside

__all__ = ["check_text", "check_workers"]


def check_text(label: str, value: Any, meaning: str = "a word") -> None:
    """The option `label` is a text of printable characters that is not empty, or None.

    Raises
    ------
    SpecError
        when it is neither.
    """
    if value is not None:
        check_printable(label, value, meaning)


def check_workers(label: str, value: Any) -> None:
    """The option `label` names the worker of an actor, or is None.

    Raises
    ------
    SpecError
        when it does not.
    """
    if not isinstance(value, Beside):
        check_text(label, value, "a worker's name, address or host as text, or beside('GATE')")
