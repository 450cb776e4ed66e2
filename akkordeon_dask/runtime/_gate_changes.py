"""Changes that each gate makes exactly once, whether or not it moves."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Concatenate, ParamSpec, TypeVar

from akkordeon_dask import config
from akkordeon_dask.actors import GateActor
from akkordeon_dask.errors import ClosedError, DeploymentError
from akkordeon_dask.runtime._cut_short import together
from akkordeon_dask.runtime._session import Session
from akkordeon_dask.runtime.cluster._retry import retry
from akkordeon_dask.runtime.handles._gate import GateHandle

__all__ = ["change_gates"]

P = ParamSpec("P")
T = TypeVar("T")


async def change_gates(
    session: Session,
    method: Callable[Concatenate[GateActor, P], Awaitable[T]],
    *values: P.args,
    **options: P.kwargs,
) -> dict[str, T]:
    """Call a method of all gates that one refuses while it moves, and until it has; the answers by gate.

    Raises
    ------
    DeploymentError
        when a gate has moved for `supervision.wait`.
    """
    session.check()
    end = asyncio.get_running_loop().time() + config.seconds("supervision.wait")

    async def ends(_: Exception) -> bool:
        return session.closed or session.error is not None

    async def change(gate: GateHandle) -> T:
        # Neither refusal has changed anything: a former incarnation is closed as soon as the next one is there.
        refusals = (DeploymentError, ClosedError)
        return await retry(
            lambda: gate.ask(method, *values, **options),
            f"changing {gate.label}",
            end=end,
            retryable=refusals,
            hopeless=ends,
        )

    answers = await together(map(change, session.gates))
    return dict(zip([gate.name for gate in session.gates], answers, strict=True))
