"""The reserved resources of a worker, in its post office."""

import asyncio

import pytest

from akkordeon_dask.errors import PlacementError
from akkordeon_dask.network import Claim, Resources
from tests.support.post_offices import Kept, holds, offices


def claim(gate, **amounts):
    return Claim("mnist", gate, Resources.from_mapping(amounts))


def on_a_worker(story):
    """Run `story(office)` at a worker with two GPUs."""

    async def run():
        async with offices("inproc") as (office, _):
            await office.worker.set_resources(GPU=2)
            await story(office)

    asyncio.run(run())


def test_a_worker_reserves_no_more_than_its_resources():
    @on_a_worker
    async def _story(office):
        office.claim("a", claim("g0", GPU=1))
        office.claim("b", claim("g1", GPU=1))
        with pytest.raises(
            PlacementError, match=r"gate 'g2' of network 'mnist' asks for GPU 1, worker .* has GPU 2, of"
        ):
            office.claim("c", claim("g2", GPU=1))
        with pytest.raises(PlacementError, match="has no MEM: ask for less"):
            office.claim("c", claim("g2", MEM=1))
        assert set(office.claims) == {"a", "b"}


def test_a_gate_that_asks_again_is_counted_once():
    @on_a_worker
    async def _story(office):
        for _ in range(3):
            office.claim("a", claim("g0", GPU=2))


@pytest.mark.parametrize("threaded", [True, False], ids=["at work", "not begun"])
def test_a_key_released_by_dask_releases_its_resources(threaded):
    @on_a_worker
    async def _story(office):
        office.claim("a", claim("g0", GPU=2))
        if threaded:
            office.add("a", Kept().cell())
        office.transition("a", "memory", "released")
        await holds(lambda: not office.claims)
        office.claim("b", claim("g1", GPU=2))
