"""The lease of a network's owner on the URL of its snapshots, seen from the client's event loop."""

import asyncio
import logging

from distributed import Client

from akkordeon_dask import config
from akkordeon_dask.errors import CheckpointError
from akkordeon_dask.runtime._cut_short import begun, settled
from akkordeon_dask.runtime._registry import NetworkEntry
from akkordeon_dask.runtime.cluster._queries import scheduler_id
from akkordeon_dask.snapshots import Lease, Process, base_url, check_free, newest_lease, release_lease, take_lease

__all__ = ["find_successor", "refuse_held", "release", "take"]

logger = logging.getLogger(__name__)


async def refuse_held(client: Client, *urls: str) -> None:
    """Check that no other program writes at URLs, before anything is read there.

    Raises
    ------
    CheckpointError
        when one does, or a store does not answer within `timeouts.control`.
    """
    if config.flag("snapshots.lease") and urls:
        scheduler, limit = await scheduler_id(client), config.seconds("timeouts.control")
        try:
            async with asyncio.timeout(limit):
                for url in urls:
                    await asyncio.to_thread(check_free, url, scheduler)
        except TimeoutError:
            raise _silent(urls[0], limit) from None


def _silent(url: str, limit: float) -> CheckpointError:
    return CheckpointError(f"the store at {url!r} did not answer within {limit:g} s: see whether it is up")


async def take(client: Client, entry: NetworkEntry, *, take_over: bool) -> Lease | None:
    """Take the lease of an entry's snapshots; None where there are none, or `akkordeon.snapshots.lease` is off.

    Raises
    ------
    CheckpointError
        when another owner has it, or the store does not answer within `timeouts.control`.
    """
    policy = entry.snapshots
    if policy is None or not config.flag("snapshots.lease"):
        return None
    url, scheduler = base_url(policy.url), await scheduler_id(client)
    wanted = Lease(url, entry.generation, entry.run, entry.name, scheduler, Process.present(), "")
    limit = config.seconds("timeouts.control")
    taking = begun(asyncio.to_thread(take_lease, wanted, take_over=take_over))
    try:
        async with asyncio.timeout(limit):
            return await asyncio.shield(taking)
    except TimeoutError:
        await _give_back(taking)
        raise _silent(url, limit) from None
    except asyncio.CancelledError:
        await _give_back(taking)
        raise


async def _give_back(taking: "asyncio.Task[Lease]") -> None:
    """Release a lease that is not used after all once it is taken, however late that is."""

    async def returned() -> None:
        await asyncio.wait([taking])
        if not taking.cancelled() and taking.exception() is None:
            await release(taking.result())

    await settled(begun(returned()))


async def release(lease: Lease | None) -> None:
    """End a lease; no error when that fails, or the store does not answer within `timeouts.close`."""
    if lease is None:
        return
    try:
        async with asyncio.timeout(config.seconds("timeouts.close")):
            await asyncio.to_thread(release_lease, lease)
    except TimeoutError:
        logger.warning("the lease of %s is not released, for the store does not answer", lease.url)


async def find_successor(lease: Lease | None) -> Lease | None:
    """The lease of a later owner; None where there is none, or the store does not tell."""
    if lease is None:
        return None
    try:
        async with asyncio.timeout(config.seconds("timeouts.connect")):
            found = await asyncio.to_thread(newest_lease, lease.url)
    except (CheckpointError, TimeoutError) as error:
        logger.info("the lease of %s is not known: %r", lease.url, error)
        return None
    return found if found is not None and found.generation > lease.generation else None
