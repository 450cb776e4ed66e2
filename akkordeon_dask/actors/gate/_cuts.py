"""A gate's part of a consistent cut, and the parts that it keeps until they are written."""

import asyncio
from collections.abc import Mapping
from typing import NamedTuple

from akkordeon_dask import config
from akkordeon_dask.actors._recent import with_recent
from akkordeon_dask.actors.gate._state import Version
from akkordeon_dask.errors import CheckpointError

__all__ = ["GateCut", "TakenCuts"]

_TAKEN = 2
"""Cuts whose parts a gate keeps in memory: one that is being written, and the next one."""


class GateCut(NamedTuple):
    """The part of a gate in a consistent cut: a reference, without a copy."""

    name: str
    """Of the cut."""
    version: Version
    applied: Mapping[str, tuple[int, ...]]
    """By the sentinel's actor: those of the batches asked for whose update is part of the version."""


class TakenCuts:
    """A gate's parts of the last two cuts, each for `timeouts.control`, or until it is asked for. On the event loop.

    Parameters
    ----------
    label
        names the gate and its worker in errors.
    """

    def __init__(self, label: str, loop: asyncio.AbstractEventLoop) -> None:
        self._label, self._loop = label, loop
        self._cuts: dict[str, GateCut] = {}

    def keep(self, cut: GateCut) -> None:
        """Keep a part for whoever asks for it in time."""
        self._cuts = with_recent(self._cuts, cut.name, cut, _TAKEN)
        self._loop.call_later(config.seconds("timeouts.control"), self._forget, cut.name)

    def _forget(self, name: str) -> None:
        self._cuts.pop(name, None)

    def take(self, name: str) -> GateCut:
        """Hand out the part of the cut of this name, and keep it no longer.

        Raises
        ------
        CheckpointError
            when it is not there (any more).
        """
        cut = self._cuts.pop(name, None)
        if cut is None:
            raise CheckpointError(f"{self._label} has no part of cut {name!r}")
        return cut
