"""Defaults under `akkordeon:` in `dask.config`, overridable by file, environment and `dask.config.set`.

`akkordeon.yaml` beside this module holds them, each with its meaning and unit. Keys are read when
they are needed, so that a change takes effect with the next network, batch or link.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any

import dask.config
from dask.utils import parse_bytes

from akkordeon_dask._durations import parse_duration
from akkordeon_dask._numbers import check_int, check_number
from akkordeon_dask.errors import SpecError

__all__ = [
    "SETTINGS",
    "SHORTEST_INTERVAL",
    "check",
    "choice",
    "flag",
    "fraction",
    "get",
    "host_and_port",
    "nbytes",
    "number",
    "optional_seconds",
    "optional_whole",
    "seconds",
    "whole",
]

SHORTEST_INTERVAL = 0.01
"""Seconds, between two looks at a cluster: timers of Tornado and Bokeh count whole milliseconds."""


def _load_defaults() -> None:
    """Read the defaults. A value in the place of a group stays, which Dask would replace: `check` names it."""
    found = dask.config.get("akkordeon", None)
    groups = found.items() if isinstance(found, Mapping) else ()
    written = {"akkordeon": found} | {f"akkordeon.{name}": value for name, value in groups}
    for defaults in dask.config.collect_yaml([str(Path(__file__).with_name("akkordeon.yaml"))]):
        dask.config.update_defaults(defaults)
    for key, value in written.items():
        if not (value is None or isinstance(value, Mapping)) and isinstance(dask.config.get(key), Mapping):
            dask.config.set({key: value})


_load_defaults()


def check() -> None:
    """Read every setting once, so that a bad one is named before anything depends on it.

    Raises
    ------
    SpecError
        names the key, its value and what is allowed, or the key that is no setting and the one that is like it.
    """
    for key, read in SETTINGS.items():
        read(key)
    for name in map(str, dask.config.config):
        like = name.startswith("akkordeon") or get_close_matches(name, ("akkordeon",), cutoff=0.8)
        if like and name != "akkordeon":
            raise SpecError(
                f"{name:.80} in Dask's configuration is not read: take it away, or was akkordeon meant? In the "
                "environment two low lines stand between the parts, DASK_AKKORDEON__BATCH__MAX_ATTEMPTS"
            )
    for key in _keys(dask.config.get("akkordeon")):
        if key not in SETTINGS:
            close = "".join(f", or was akkordeon.{other} meant?" for other in get_close_matches(key, SETTINGS, n=1))
            raise SpecError(f"akkordeon.{key:.80} in Dask's configuration is no setting: take it away{close}")


def _keys(settings: Mapping[object, object], group: str = "") -> Iterator[str]:
    """The keys of all values, `batch.max-attempts`; Dask takes `_` for `-`."""
    for name, value in settings.items():
        key = f"{group}{name}".replace("_", "-")
        if isinstance(value, Mapping):
            yield from _keys(value, f"{key}.")
        else:
            yield key


def get(key: str) -> object:
    """The value of `akkordeon.<key>`, `get("batch.max-attempts")`, unchecked.

    Raises
    ------
    KeyError
        there is no such setting.
    SpecError
        the user's configuration has taken the setting away, `akkordeon: {batch: 5}`.
    """
    try:
        value: object = dask.config.get(f"akkordeon.{key}")
    except (KeyError, TypeError):
        if key not in SETTINGS:
            raise
        group = f"akkordeon.{key.split('.', maxsplit=1)[0]}"
        if not isinstance(dask.config.get("akkordeon"), Mapping):
            group = "akkordeon"
        found = dask.config.get(group, None)
        raise SpecError(
            f"akkordeon.{key} has no value in Dask's configuration, where {group} is {found!r:.80}: it is a "
            f"mapping of settings, set akkordeon.{key} by itself"
        ) from None
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


def seconds(key: str, least: float = 0.0) -> float:
    """A time in seconds, above zero; its value is `"20s"`, `"1.5min"`, a `timedelta` or a number of seconds.

    Parameters
    ----------
    least
        seconds: the shortest that is allowed.

    Raises
    ------
    SpecError
        the value is no such time.
    """
    label, value = f"akkordeon.{key} in Dask's configuration", get(key)
    time = parse_duration(label, value)
    if time < least:
        raise SpecError(f"{label} is a time of at least {least:g} s, not {value!r:.80}")
    return time


def optional_seconds(key: str) -> float | None:
    """A time in seconds, above zero, or None.

    Raises
    ------
    SpecError
        the value is neither.
    """
    return None if get(key) is None else seconds(key)


def whole(key: str, least: int) -> int:
    """A count of at least `least`.

    Raises
    ------
    SpecError
        the value is no such count.
    """
    return check_int(f"akkordeon.{key} in Dask's configuration", get(key), least)


def optional_whole(key: str, least: int) -> int | None:
    """A count of at least `least`, or None.

    Raises
    ------
    SpecError
        the value is neither.
    """
    return None if get(key) is None else whole(key, least)


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


def flag(key: str) -> bool:
    """True or False.

    Raises
    ------
    SpecError
        the value is neither.
    """
    value = get(key)
    if not isinstance(value, bool):
        raise SpecError(f"akkordeon.{key} is {value!r:.80} in Dask's configuration: set it to true or false")
    return value


def nbytes(key: str) -> int:
    """A size in bytes: `"256MiB"` or a bare number of bytes, at least one.

    Raises
    ------
    SpecError
        the value is not such a size.
    """
    value: Any = get(key)
    try:
        size = math.nan if isinstance(value, bool) or value == "" else float(parse_bytes(value))
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError):
        size = math.nan
    if not 1 <= size < math.inf:
        raise SpecError(
            f"akkordeon.{key} is {value!r:.80} in Dask's configuration: set it to a size such as '256MiB', above zero"
        )
    return int(size)


def host_and_port(key: str) -> tuple[str, int]:
    """An address to listen on: `":8787"` is `("", 8787)`, `"localhost:0"` a free port.

    Raises
    ------
    SpecError
        the value is no such address.
    """
    value = get(key)
    host, colon, port = value.rpartition(":") if isinstance(value, str) else ("", "", "")
    if not (colon and port.isascii() and port.isdecimal() and int(port[:9]) < 2**16) or any(map(str.isspace, host)):
        raise SpecError(
            f"akkordeon.{key} is {value!r:.80} in Dask's configuration: set it to host:port, such as ':8787' or "
            "'localhost:0'; a port is below 65536, 0 is any free one"
        )
    return host, int(port)


SETTINGS: dict[str, Callable[[str], object]] = {
    "threads": partial(optional_whole, least=1),
    "messages-per-turn": partial(whole, least=1),
    "timeouts.deploy": seconds,
    "timeouts.load": seconds,
    "timeouts.first-batch": seconds,
    "timeouts.control": seconds,
    "timeouts.close": seconds,
    "timeouts.connect": seconds,
    "timeouts.owner": seconds,
    "batch.deadline": seconds,
    "batch.min-deadline": seconds,
    "batch.deadline-factor": number,
    "batch.max-attempts": partial(whole, least=1),
    "batch.max-lost": fraction,
    "link.max-unsent": nbytes,
    "link.linger": seconds,
    "link.retry": seconds,
    "link.local": partial(choice, options=("auto", "never")),
    "link.threads": partial(whole, least=1),
    "embedded.dashboard-address": host_and_port,
    "dashboard.interval": partial(seconds, least=SHORTEST_INTERVAL),
    "pool.capacity": nbytes,
    "supervision.patience": seconds,
    "supervision.restarts": partial(whole, least=0),
    "supervision.within": seconds,
    "supervision.wait": seconds,
    "supervision.leave": seconds,
    "supervision.scheduler": seconds,
    "supervision.stuck": optional_seconds,
    "supervision.recover": partial(choice, options=("gate", "cut")),
    "supervision.stuck-restart": flag,
    "snapshots.cut-deadline": seconds,
    "snapshots.lease": flag,
}
"""Every setting of `akkordeon.yaml`, and what reads and checks it."""
