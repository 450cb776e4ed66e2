"""Defaults under `akkordeon:` in `dask.config`, overridable by file, environment and `dask.config.set`.

`akkordeon.yaml` beside this module holds them, each with its meaning and unit. Keys are read when
they are needed, so that a change takes effect with the next network, batch or link.
"""

import math
from pathlib import Path
from typing import Any

import dask.config
from dask.utils import parse_bytes

from akkordeon_dask._durations import parse_duration
from akkordeon_dask._numbers import check_int, check_number
from akkordeon_dask.errors import SpecError

__all__ = ["choice", "fraction", "get", "nbytes", "number", "seconds", "whole"]

for _defaults in dask.config.collect_yaml([str(Path(__file__).with_name("akkordeon.yaml"))]):
    dask.config.update_defaults(_defaults)


def get(key: str) -> object:
    """The value of `akkordeon.<key>`, `get("batch.max-attempts")`; KeyError for a key without a default."""
    value: object = dask.config.get(f"akkordeon.{key}")
    return value


def choice(key: str, options: tuple[str, ...]) -> str:
    """One of `options`.

    Raises
    ------
    SpecError
        the value is none of them.
    """
    value = get(key)
    if value not in options:
        raise SpecError(f"akkordeon.{key} is {value!r} in Dask's configuration: set it to {' or '.join(options)}")
    return str(value)


def seconds(key: str) -> float:
    """A time in seconds, above zero; its value is `"20s"`, `"1.5min"`, a `timedelta` or a number of seconds.

    Raises
    ------
    SpecError
        the value is no such time.
    """
    return parse_duration(f"akkordeon.{key} in Dask's configuration", get(key))


def whole(key: str, least: int) -> int:
    """A count of at least `least`.

    Raises
    ------
    SpecError
        the value is no such count.
    """
    return check_int(f"akkordeon.{key} in Dask's configuration", get(key), least)


def number(key: str) -> float:
    """A number above zero.

    Raises
    ------
    SpecError
        the value is no such number.
    """
    return check_number(f"akkordeon.{key} in Dask's configuration", get(key), above=0)


def fraction(key: str) -> float:
    """A share from 0 to 1.

    Raises
    ------
    SpecError
        the value is no such share.
    """
    return check_number(f"akkordeon.{key} in Dask's configuration", get(key), least=0, most=1)


def nbytes(key: str) -> int:
    """A size in bytes: `"256MiB"` or a bare number of bytes, above zero.

    Raises
    ------
    SpecError
        the value is not such a size.
    """
    value: Any = get(key)
    try:
        number = float(parse_bytes(value))
    except (AttributeError, KeyError, TypeError, ValueError):
        number = math.nan
    if not 0 < number < math.inf:
        raise SpecError(
            f"akkordeon.{key} is {value!r} in Dask's configuration: set it to a size such as '256MiB', above zero"
        )
    return int(number)
