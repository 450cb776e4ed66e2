"""The hands that callbacks have on a network."""

import asyncio
from collections.abc import Mapping

from distributed.utils import offload

from akkordeon_dask import config
from akkordeon_dask._numbers import check_number
from akkordeon_dask.actors import GateActor
from akkordeon_dask.callbacks import Weights
from akkordeon_dask.errors import CheckpointError
from akkordeon_dask.messages import PassReport
from akkordeon_dask.runtime._checkpoint import consistent_parameters, replace_parameters, write
from akkordeon_dask.runtime._events import log_event
from akkordeon_dask.runtime._gate_changes import change_gates
from akkordeon_dask.runtime._pause import training_sentinels
from akkordeon_dask.runtime._session import Session
from akkordeon_dask.runtime.cluster._retry import RETRYABLE, retry

__all__ = ["SessionTraining"]


class SessionTraining:
    """`callbacks.Training` of a session, on the client's event loop."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def figures(self) -> Mapping[str, bool]:
        """The figures of this client's sentinels, by their specs, and those of all passes so far."""
        found: dict[str, bool] = {}
        for name, one in self._session.sentinels.items():
            found |= {f"{name}.{figure}": greater for figure, greater in one.sentinel.figures.items()}
        ended = self._session.ended_figures
        for report in self._session.passes.history():
            for figure in ("loss", *report.scores):
                name = f"{report.sentinel}.{figure}"
                found.setdefault(name, ended.get(name, figure not in ("loss", "fading_loss")))
        return found

    async def stop(self, reason: str) -> None:
        """Let training sentinels rest after their open passes; one that is lost, as soon as it is restarted."""
        session = self._session
        trained = training_sentinels(session)
        await asyncio.gather(*(one.rest() for one in trained))
        names = ", ".join(one.name for one in trained)
        await log_event(session.client, session.name, "stopped", sentinel=names, text=reason)

    async def weights(self, report: PassReport) -> Weights:
        """The weights that a pass has rated where gates still know them, else those of a consistent cut."""
        if report.mode not in ("train", "predict") and report.key:
            rated = await self._on_gates(report.key, report.number)
            if rated is not None:
                return rated
        return await consistent_parameters(self._session)

    async def _on_gates(self, key: str, number: int) -> Weights | None:
        """The weights that a pass has rated; None where a gate does not know them, or does not answer."""
        try:
            found = await self._session.on_gates(GateActor.rated_parameters, key, number)
        except RETRYABLE:
            return None
        return None if any(params is None for params in found.values()) else found

    async def restore(self, weights: Weights) -> None:
        """Give all gates other parameters at once, where one is moved or restarted as soon as it is."""
        end = asyncio.get_running_loop().time() + config.seconds("supervision.wait")
        retryable = (*RETRYABLE, CheckpointError)
        await retry(
            lambda: replace_parameters(self._session, weights), "restoring weights", end=end, retryable=retryable
        )

    async def save(self, weights: Weights, path: str) -> None:
        """Write a file, in a thread."""
        await offload(write, path, self._session.network, weights)

    async def slow(self, factor: float, least: float = 0.0) -> None:
        """Slow all gates, one that moves as soon as it has."""
        factor, least = check_number("factor", factor, above=0), check_number("least", least, least=0)
        async with self._session.cutting:
            await change_gates(self._session, GateActor.slow, factor, least)
