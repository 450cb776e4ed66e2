"""`--data`: the provider of a sentinel, or a whole sentinel."""

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import click

from akkordeon_dask.cli._import_target import import_object
from akkordeon_dask.cli.demo._settings import DATA_SETS
from akkordeon_dask.cli.options._param_types import whole_number
from akkordeon_dask.data import Provider, as_provider, csv, npz, parquet
from akkordeon_dask.messages import Mode
from akkordeon_dask.network import Sentinel
from akkordeon_dask.nn import (
    BinaryCrossEntropyWithLogits,
    Huber,
    Loss,
    MeanAbsoluteError,
    MeanSquaredError,
    PoissonNLL,
)

__all__ = ["data_set", "parse_shard", "sentinel_of"]

_CHOICES = ("take", "shard", "seed", "target", "classes", "columns")
"""The provider's own options."""
_OF_NUMBERS = BinaryCrossEntropyWithLogits, MeanSquaredError, MeanAbsoluteError, Huber, PoissonNLL
"""Losses whose targets have a number for each output."""
_PACKED = r"(\.(gz|bz2|zip|xz|zst))?$"
_FILE = re.compile(r"\.(csv|parquet|npz)" + _PACKED, re.IGNORECASE)
_OTHER_FILE = re.compile(r"\.(tsv|xlsx?|ods|npy)" + _PACKED, re.IGNORECASE)
_SHEET = "save the sheet as .csv, or as .parquet, in the program that wrote it"
_REMEDIES = {
    "tsv": "tables are read with commas between their fields: write it as .csv with commas, or as .parquet",
    "xls": _SHEET,
    "xlsx": _SHEET,
    "ods": _SHEET,
    "npy": "it holds one array without a name: write both by numpy.savez, .npz, the samples as x and the labels as y",
}
"""What to do with files of other kinds."""


def parse_shard(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[int, int] | None:
    """`2/4` as `(1, 4)`: on the command line shards count from 1, in Python from 0."""
    if value is None:
        return None
    first, _, last = value.partition("/")
    number, total = whole_number(first), whole_number(last)
    if number is None or total is None or not 1 <= number <= total:
        raise click.BadParameter(f"{value!r:.80} is no share: 1/4 is the first of four, 4/4 the last")
    return number - 1, total


def sentinel_of(source: str, mode: Mode | None, given: Mapping[str, Any]) -> Sentinel:
    """The sentinel of `--data`, `--mode` and the other options.

    Parameters
    ----------
    source
        the name of a set, a file of a table or of arrays, or MODULE:NAME or FILE.py:NAME of a provider or of a whole
        `Sentinel`, whose own options are then the defaults.
    given
        `take`, `shard`, `seed`, `target`, `classes`, `columns`, and fields of `Sentinel`: those on the command line.

    Raises
    ------
    click.UsageError
        when there is no such set, or two options contradict one another.
    """
    chosen = {name: value for name, value in given.items() if name in _CHOICES}
    options = {name: value for name, value in given.items() if name not in _CHOICES}
    is_file = _FILE.search(source) is not None
    _refuse_other_file(source)
    value: Any = import_object(source, "provider") if ":" in source and not is_file else None
    if not is_file and (odd := [name for name in ("target", "classes", "columns") if name in chosen]):
        raise click.UsageError(f"--{odd[0]} is for files, .csv, .parquet or .npz, and --data {source} is none")
    kind = value.mode if isinstance(value, Sentinel) else mode
    if kind not in (None, "validate") and "every" in options:
        raise click.UsageError(f"--every is for --mode validate, and this sentinel is to {kind}: leave it out")
    if isinstance(value, Sentinel):
        if mode not in (None, value.mode):
            raise click.UsageError(
                f"--mode {mode} and {source}, which is a Sentinel.{value.mode}, do not go together: leave --mode out"
            )
        if value.mode == "predict":
            raise click.UsageError(f"{source} predicts: `dask akkordeon predict` writes predictions into a file")
        if "loss" in options:  # the sentinel's own scores are for its own loss
            options.setdefault("scores", None)
        return dataclasses.replace(value, provider=_choose(source, value.provider, chosen), **options)
    if mode is None:
        raise click.UsageError(f"no mode: give --mode train, validate or test, for --data {source} is no Sentinel")
    if is_file:
        provider = _file(source, chosen, options.get("loss"))
    else:
        provider = data_set(source, mode, chosen) if value is None else _choose(source, as_provider(value), chosen)
    return Sentinel(mode, provider, **options)


def data_set(source: str, mode: str, chosen: Mapping[str, Any]) -> Provider:
    """The provider of a data set.

    Parameters
    ----------
    source
        the name of a set.
    mode
        `train` takes a set's training part, the others its test part.
    chosen
        `take`, `shard` and `seed`, where they were given.

    Raises
    ------
    click.BadParameter
        when there is no such set.
    """
    if source not in DATA_SETS:
        known = f"{', '.join(DATA_SETS)}, nor a .csv, .parquet or .npz file"
        example = f"{source}:provider" if Path(source).suffix == ".py" else "MODULE:PROVIDER or FILE.py:PROVIDER"
        raise click.BadParameter(
            f"{source!r} is none of {known}: for data of your own write {example}", param_hint="'--data'"
        )
    return DATA_SETS[source][0]("train" if mode == "train" else "test", **chosen)


def _refuse_other_file(source: str) -> None:
    if (found := _OTHER_FILE.search(source)) is not None:
        raise click.BadParameter(
            f"{source!r} is no .csv, .parquet or .npz file: {_REMEDIES[found[1].lower()]}", param_hint="'--data'"
        )


def _file(source: str, chosen: Mapping[str, Any], loss: Loss | None) -> Provider:
    """The provider of a file; a relative path begins in the working directory."""
    found = _FILE.search(source)
    assert found is not None
    kind, options = found[1].lower(), dict(chosen)
    target = options.pop("target", None)
    if kind == "npz":
        for name in ("classes", "columns"):
            if name in options:
                raise click.UsageError(f"--{name} is for the columns of a table, {source} holds arrays: leave it out")
        name = target or "y"
        return npz(source, y=_listed(name) if isinstance(loss, _OF_NUMBERS) else name, **options)
    if target is None:
        raise click.UsageError(f"which column of {source} holds the labels? Give --target COLUMN")
    if isinstance(loss, _OF_NUMBERS):
        if "classes" in options:
            raise click.UsageError(
                f"--classes is for labels, and {loss!r} compares numbers, of yes and no 1 and 0: leave it out"
            )
        target = _listed(target)
    return (csv if kind == "csv" else parquet)(source, target, **options)


def _listed(target: str) -> list[str]:
    """The names in `--target`: one of numbers for each output of the network."""
    return [name.strip() for name in target.split(",")]


def _choose(source: str, provider: Provider, chosen: Mapping[str, Any]) -> Provider:
    """The user's own provider with other samples or another order."""
    if odd := sorted(chosen.keys() - {field.name for field in dataclasses.fields(cast(Any, provider))}):
        raise click.BadParameter(
            f"{source} is {provider!r}, which has no {', '.join(odd)}: leave out --{odd[0]}, or let "
            "the provider itself choose its samples",
            param_hint="'--data'",
        )
    return dataclasses.replace(cast(Any, provider), **chosen) if chosen else provider
