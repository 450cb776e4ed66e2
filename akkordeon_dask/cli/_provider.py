"""The data of a sentinel, from its options."""

import dataclasses
from pathlib import Path
from typing import Any

import click

from akkordeon_dask.cli._settings import SETS
from akkordeon_dask.cli._target import named
from akkordeon_dask.data import Provider, as_provider

__all__ = ["provider_of", "shard"]


def shard(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[int, int] | None:
    """`2/4` as `(1, 4)`: on the command line shards count from 1, in Python from 0."""
    if value is None:
        return None
    place, _, total = value.partition("/")
    if not (place.isdecimal() and total.isdecimal() and 1 <= int(place) <= int(total)):
        raise click.BadParameter(f"{value!r} is no share: 1/4 is the first of four, 4/4 the last")
    return int(place) - 1, int(total)


def provider_of(source: str, mode: str, chosen: dict[str, Any]) -> Provider:
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
    if source in SETS:
        provider: Provider = SETS[source][0]("train" if mode == "train" else "test", **chosen)
        return provider
    if ":" not in source:
        known = ", ".join(SETS)
        example = f"{source}:provider" if Path(source).suffix == ".py" else "MODULE:PROVIDER or FILE.py:PROVIDER"
        raise click.BadParameter(f"{source!r} is none of {known}: for data of your own write {example}")
    provider = as_provider(named(source, "provider"))
    if odd := chosen.keys() - {field.name for field in dataclasses.fields(provider)}:
        raise click.BadParameter(
            f"{source} is {provider!r}, which has no {', '.join(sorted(odd))}: leave out --{sorted(odd)[0]}, or let "
            "the provider itself choose its samples"
        )
    return dataclasses.replace(provider, **chosen)
