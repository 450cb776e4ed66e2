"""What the scheduler sees of a network at a moment."""

from typing import Any

from distributed import Client

from akkordeon_dask import config
from akkordeon_dask.errors import DeploymentError
from akkordeon_dask.runtime._arguments import check_client, check_name
from akkordeon_dask.runtime.cluster._queries import scheduler_deadline
from akkordeon_dask.telemetry import LiveStatus
from akkordeon_dask.telemetry import live as on_scheduler

__all__ = ["_live_status", "live"]


def live(client: Client, name: str) -> Any:
    """What a network does now, as the scheduler hears it from the workers anyway: no actor is asked.

    Parameters
    ----------
    name
        of any network on the cluster; one without a name of its own has that in `Running.name`.

    Returns
    -------
    Glance
        or, with an asynchronous client, an awaitable of one.

    Raises
    ------
    DeploymentError
        when the scheduler has heard of no such network: lists those that run; when it is gone.
    DeadlineError
        when it does not answer within `akkordeon.timeouts.connect`.
    """
    check_name("a network's name", name)
    return check_client(client).sync(_live_status, client, name)


async def _live_status(client: Client, name: str) -> LiveStatus:
    """The same on the client's event loop."""
    async with scheduler_deadline(client, config.seconds("timeouts.connect")):
        address = client.scheduler.address  # type: ignore[union-attr]
        try:
            found: LiveStatus | tuple[str, ...] = await client.run_on_scheduler(on_scheduler, name)
        except OSError as error:
            text = f"the scheduler at {address} is gone ({error}): look at its log and start it"
            raise DeploymentError(text) from error
        except (ImportError, AttributeError) as error:
            raise DeploymentError(
                f"the scheduler at {address} cannot look at networks ({error}): install this akkordeon_dask there"
            ) from error
    if isinstance(found, LiveStatus):
        return found
    there = ", ".join(found) or "none"
    raise DeploymentError(f"no network named {name!r} runs on this cluster, there is {there}: look at the name")
