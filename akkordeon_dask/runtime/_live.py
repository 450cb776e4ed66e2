"""A network as the scheduler sees it at a moment."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from distributed import Client

from akkordeon_dask import config, telemetry
from akkordeon_dask.errors import DeploymentError
from akkordeon_dask.runtime._arguments import check_client, check_name
from akkordeon_dask.runtime._sync import verb
from akkordeon_dask.runtime.cluster._queries import scheduler_deadline
from akkordeon_dask.telemetry import LiveStatus

__all__ = ["_live_status", "live", "read_telemetry"]

T = TypeVar("T")


@verb
def live(client: Client, name: str) -> Awaitable[LiveStatus]:
    """A network at this moment, from the heartbeats of its workers: no actor is asked.

    Parameters
    ----------
    name
        of any network on the cluster; one without a name of its own has that in `Running.name`.

    Returns
    -------
    LiveStatus

    Raises
    ------
    DeploymentError
        when the scheduler knows no such network: lists those that run; when it is gone.
    DeadlineError
        when it does not answer within `akkordeon.timeouts.connect`.
    """
    return _live_status(check_client(client), check_name("a network's name", name))


async def _live_status(client: Client, name: str) -> LiveStatus:
    """The same on the client's event loop."""
    found = await read_telemetry(client, telemetry.live, name)
    if isinstance(found, LiveStatus):
        return found
    there = ", ".join(found) or "none"
    raise DeploymentError(f"no network named {name!r} runs on this cluster, there is {there}: check the name")


async def read_telemetry(client: Client, function: Callable[..., T], *args: Any) -> T:
    """Call a function of `telemetry` on the scheduler.

    Raises
    ------
    DeploymentError
        when the scheduler is gone, or lacks this akkordeon_dask.
    DeadlineError
        when it does not answer within `akkordeon.timeouts.connect`.
    """
    async with scheduler_deadline(client, config.seconds("timeouts.connect")):
        address = client.scheduler.address  # type: ignore[union-attr]
        try:
            result: T = await client.run_on_scheduler(function, *args)
        except OSError as error:
            text = f"the scheduler at {address} is gone ({error}): check its log and start it"
            raise DeploymentError(text) from error
        except (ImportError, AttributeError) as error:
            raise DeploymentError(
                f"the scheduler at {address} has no telemetry of networks ({error}): install this akkordeon_dask there"
            ) from error
    return result
