"""The data of a sentinel, or the whole of it, from its options."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import click

from akkordeon_dask.cli._import_target import import_object
from akkordeon_dask.cli.demo._settings import DATA_SETS
from akkordeon_dask.data import Provider, as_provider
from akkordeon_dask.messages import Mode
from akkordeon_dask.network import Sentinel

__all__ = ["parse_shard", "provider_of", "sentinel_of"]

_CHOICES = ("take", "shard", "seed")
"""Options that go to the provider."""


def parse_shard(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[int, int] | None:
    """`2/4` as `(1, 4)`: on the command line shards count from 1, in Python from 0."""
    if value is None:
        return None
    place, _, total = value.partition("/")
    if not (place.isdecimal() and total.isdecimal() and 1 <= int(place) <= int(total)):
        raise click.BadParameter(f"{value!r} is no share: 1/4 is the first of four, 4/4 the last")
    return int(place) - 1, int(total)


def sentinel_of(source: str, mode: Mode | None, given: Mapping[str, Any]) -> Sentinel:
    """The sentinel that `--data`, `--mode` and what else was given stand for.

    Parameters
    ----------
    source
        the name of a set, or MODULE:NAME or FILE.py:NAME of a provider or of a whole `Sentinel`, whose options then
        hold where none is given.
    given
        `take`, `shard`, `seed`, and fields of `Sentinel`: those that were written on the command line.

    Raises
    ------
    click.UsageError
        when there is no such set, or two things that were said do not go together.
    """
    chosen = {name: value for name, value in given.items() if name in _CHOICES}
    options = {name: value for name, value in given.items() if name not in _CHOICES}
    value = import_object(source, "provider") if ":" in source else None
    if isinstance(value, Sentinel):
        if mode not in (None, value.mode):
            raise click.UsageError(
                f"--mode {mode} and {source}, which is a Sentinel.{value.mode}, do not go together: leave --mode out"
            )
        if value.mode == "predict":
            raise click.UsageError(f"{source} predicts: `dask akkordeon predict` writes the answers into a file")
        if "loss" in options:  # its scores were for another one
            options.setdefault("scores", None)
        return dataclasses.replace(value, provider=_choose(source, value.provider, chosen), **options)
    if mode is None:
        raise click.UsageError(f"what for? Give --mode train, validate or test, for --data {source} does not say")
    provider = provider_of(source, mode, chosen) if value is None else _choose(source, as_provider(value), chosen)
    return Sentinel(mode, provider, **options)


def provider_of(source: str, mode: str, chosen: Mapping[str, Any]) -> Provider:
    """The provider that `--data` stands for.

    Parameters
    ----------
    source
        the name of a set, or MODULE:PROVIDER or FILE.py:PROVIDER.
    mode
        `train` takes a set's training part, the others its test part.
    chosen
        `take`, `shard` and `seed`, where they were given.

    Raises
    ------
    click.BadParameter
        when there is no such set, or `chosen` does not fit the user's own provider.
    """
    if source in DATA_SETS:
        provider: Provider = DATA_SETS[source][0]("train" if mode == "train" else "test", **chosen)
        return provider
    if ":" not in source:
        known = ", ".join(DATA_SETS)
        example = f"{source}:provider" if Path(source).suffix == ".py" else "MODULE:PROVIDER or FILE.py:PROVIDER"
        raise click.BadParameter(f"{source!r} is none of {known}: for data of your own write {example}")
    return _choose(source, as_provider(import_object(source, "provider")), chosen)


def _choose(source: str, provider: Provider, chosen: Mapping[str, Any]) -> Provider:
    """The user's own provider with other samples or another order."""
    if odd := sorted(chosen.keys() - {field.name for field in dataclasses.fields(cast(Any, provider))}):
        raise click.BadParameter(
            f"{source} is {provider!r}, which has no {', '.join(odd)}: leave out --{odd[0]}, or let "
            "the provider itself choose its samples"
        )
    return dataclasses.replace(cast(Any, provider), **chosen) if chosen else provider
