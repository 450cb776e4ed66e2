"""Values on the command line: callbacks of options, with errors that quote the value."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias, TypeVar

import click

from akkordeon_dask._durations import parse_duration
from akkordeon_dask._files import expand, is_url
from akkordeon_dask.errors import SpecError

__all__ = ["comma_separated", "count_or_duration", "duration", "gate_values", "new_file", "path_or_url", "whole_number"]

Number = TypeVar("Number", int, float)
_DIGITS = 20
Callback: TypeAlias = Callable[[click.Context, click.Parameter, str | None], tuple[Number, ...]]


def comma_separated(kind: type[Number], allowed: Callable[[Number], bool], wanted: str) -> "Callback[Number]":
    """Numbers separated by commas, as a tuple; empty where nothing was given.

    Parameters
    ----------
    kind
        `int` or `float`.
    allowed
        whether a number is in range.
    wanted
        the allowed values in words, for the error: `"whole numbers from 1"`.
    """

    def convert(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[Number, ...]:
        if value is None:
            return ()
        try:
            numbers: tuple[Number, ...] = tuple(kind(part) for part in value.split(","))
        except ValueError:
            numbers = ()
        if not numbers or not all(map(allowed, numbers)):
            raise click.BadParameter(f"{value!r} is out of range or no number: give {wanted}, separated by commas")
        return numbers

    return convert


def duration(ctx: click.Context, param: click.Parameter, value: str) -> float:
    """A time above zero, as seconds: `10s`, `500ms`, `1.5 minutes`, or a bare number of seconds."""
    try:
        return parse_duration("the value", value)
    except SpecError as error:
        raise click.BadParameter(str(error)) from None


def whole_number(value: str) -> int | None:
    """A number of digits alone; None where it is none, or has more digits than any count."""
    return int(value) if value.isdecimal() and len(value) < _DIGITS else None


def count_or_duration(ctx: click.Context, param: click.Parameter, value: str | None) -> float | int | None:
    """A whole number as it is, anything else as a `duration`."""
    if value is None:
        return None
    number = whole_number(value)
    return duration(ctx, param, value) if number is None else number


def path_or_url(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """A path or fsspec URL; `~` is the home folder."""
    if value is None:
        return None
    try:
        return expand(param.opts[0], value)
    except SpecError as error:
        raise click.BadParameter(str(error)) from None


def new_file(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """A path or fsspec URL of a file to be written; `~` is the home folder, and a folder is refused."""
    path = path_or_url(ctx, param, value)
    if path is not None and not is_url(path) and os.path.isdir(path):
        raise click.BadParameter(f"{value!r} is a folder: write the name of a file in it")
    if path is not None and not is_url(path):
        _check_writable(Path(path))
    return path


def _check_writable(path: Path) -> None:
    """BadParameter where no file can be made there, or in the first folder above it that exists: it is made later."""
    try:
        folder = next((one for one in path.absolute().parents if one.exists()), path.parent)
        if not path.exists():
            with tempfile.TemporaryFile(dir=folder):
                return
        if not os.access(path, os.W_OK):
            raise PermissionError("no permission to write it")
    except OSError as error:
        raise click.BadParameter(f"{str(path)!r} cannot be written ({error}): choose another place") from None


def gate_values(option: str, values: tuple[float, ...], gates: int) -> tuple[float, ...]:
    """One value for each gate: the given ones, or the only one for all.

    Raises
    ------
    click.BadParameter
        when there are too many or too few.
    """
    if len(values) == 1:
        return values * gates
    if len(values) != gates:
        text = ",".join(f"{value:g}" for value in values)
        raise click.BadParameter(
            f"{text!r} has {len(values)} values, there are {gates} gates that take one: give one for all, or one each",
            param_hint=f"'{option}'",
        )
    return values
