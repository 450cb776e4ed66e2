"""What a running network tells of itself: its passes, a report, a notebook's cell."""

import asyncio
import logging
import os
import platform
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from distributed.utils import offload

from akkordeon_dask import config
from akkordeon_dask._files import expand, write_atomic
from akkordeon_dask._version import __version__
from akkordeon_dask.dashboard.report import RunFacts
from akkordeon_dask.errors import ReportError
from akkordeon_dask.runtime._history import History
from akkordeon_dask.runtime._notebook import running_html
from akkordeon_dask.runtime._session import Session
from akkordeon_dask.runtime._sync import Calling
from akkordeon_dask.telemetry import NetworkTelemetry, network_telemetry

__all__ = ["Reporting", "all_settings", "write_report"]

logger = logging.getLogger(__name__)


class Reporting(Calling):
    """The verbs that tell."""

    _session: Session
    owner: bool
    """This client deployed the network: closing ends its gates."""

    @property
    def history(self) -> History:
        """All finished passes of the network's sentinels, whoever attached them, in the order they became known here.

        Passes that ended before this client connected come first, as far as the scheduler remembers them.
        """
        return self.passes()

    def passes(self, *, mine: bool = False) -> History:
        """The `history`; with `mine`, of the sentinels alone that this client attached."""
        return self._session.passes.history(mine=mine)

    def report(self, target: str | os.PathLike[str] = "run.html") -> Any:
        """Write the run into one HTML file that needs nothing else: curves, network, settings, passes, troubles.

        At any time: while it trains, before the first pass, after the end. The curves over time come from the
        scheduler; what it does not know (any more) is missing, and the file says so.

        Parameters
        ----------
        target
            a path or fsspec URL; a local file is replaced in one step.

        Raises
        ------
        ReportError
            when it cannot be written; what was there is left as it was.
        """
        place = expand("report", target)
        if self.client.status == "closed" and not self.client.asynchronous:
            return self._write(None, place)
        return self.client.sync(self._report, place)

    def _repr_html_(self) -> str:
        return running_html(self._session, owner=self.owner)

    async def _report(self, target: str) -> None:
        await offload(self._write, await self._record(), target)

    async def _record(self) -> NetworkTelemetry | None:
        """What the scheduler knows; None where it does not answer."""
        try:
            async with asyncio.timeout(config.seconds("timeouts.connect")):
                found: NetworkTelemetry | None = await self.client.run_on_scheduler(network_telemetry, self.name)
        except Exception as error:
            logger.info("a report on network %r without the scheduler's part: %r", self.name, error)
            return None
        return found

    def _write(self, found: NetworkTelemetry | None, target: str) -> None:
        """In a thread of its own where there is an event loop: it takes a second."""
        write_report(found or NetworkTelemetry(self.name), self._known(found), target)

    def _known(self, found: NetworkTelemetry | None) -> RunFacts:
        session, spec = self._session, self._session.network
        places = zip(session.gates, spec, strict=True)
        settings = {"seed": session.entry.seed, "generation": session.entry.generation} if self.owner else {}
        return RunFacts(
            network="\n| ".join(map(repr, spec)),
            gates=tuple((handle.name, handle.worker, gate.parameter_count) for handle, gate in places),
            sentinels=dict(session.sentinel_specs),
            settings=all_settings(settings, found),
            passes=session.passes.history(),
            note="" if found is not None else "without the scheduler's part: curves over time are missing",
        )


def all_settings(own: Mapping[str, Any], found: NetworkTelemetry | None) -> dict[str, Any]:
    """What a network was deployed with, as its owner or else the scheduler knows it, and the versions."""
    return {
        **own,
        "akkordeon_dask": __version__,
        **(found.settings if found is not None else {}),
        "python": platform.python_version(),
        "numpy": np.__version__,
    }


def write_report(found: NetworkTelemetry, known: RunFacts, target: str) -> None:
    """Write the file of a report. Takes a second, and is not for an event loop.

    Raises
    ------
    ReportError
        when it cannot be written.
    """
    from akkordeon_dask.dashboard.report._report import report  # needs bokeh

    text = report(found, known, time.time())
    try:
        write_atomic(target, [text.encode()])
    except (OSError, ValueError, ImportError) as error:
        raise ReportError(f"cannot write {target!r}: {error}: choose another place, or make room there") from error
