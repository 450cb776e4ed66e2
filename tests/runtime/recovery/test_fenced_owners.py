"""An owner that has lost its network to another one, without a cluster."""

import asyncio
import re
from dataclasses import replace
from types import SimpleNamespace

import pytest

from akkordeon_dask.errors import ClosedError
from akkordeon_dask.runtime._registry import NetworkEntry
from akkordeon_dask.runtime.recovery._supervisor import FailOnLoss

MINE = NetworkEntry("digits", 1, "me", 0, None, None)


class Scheduler:
    """Stands for the scheduler, which publishes an entry."""

    address = "tcp://scheduler"

    def __init__(self, published):
        self.published = published

    async def identity(self, n_workers):
        return {"id": "Scheduler-1"}

    async def publish_get(self, names):
        assert names == ["akkordeon/digits"]
        return [None if self.published is None else {"data": self.published, "keys": ()}]


class User:
    """Stands for the owner's client."""

    id = "me"

    def __init__(self, published):
        self.scheduler = Scheduler(published)


def owner(published):
    """The owner of a network under whose name another entry may be published."""
    return FailOnLoss(SimpleNamespace(client=User(published), entry=MINE, published=True, name="digits"))


def test_an_owner_whose_entry_is_published_has_the_network():
    mine = owner(replace(MINE, generation=2))
    asyncio.run(mine.require_ownership())
    assert mine.session.entry.generation == 2


@pytest.mark.parametrize("by", ["me", "another"])
@pytest.mark.parametrize("knows", [False, True])
def test_an_owner_is_fenced_off_whoever_has_adopted_the_network_and_whatever_it_has_found_since(by, knows):
    theirs = replace(NetworkEntry("digits", 2, by, 0, None, None), run=MINE.run)
    mine = owner(theirs)
    if knows:  # it has looked for its gates behind a broken connection
        mine.session.entry = theirs
    whose = f"client {by} (this one, which has adopted it since)" if by == "me" else f"client {by}"
    text = f"network 'digits' belongs to {whose}, as its owner of generation 2 by now, not to generation 1: leave"
    with pytest.raises(ClosedError, match=re.escape(text)):
        asyncio.run(mine.require_ownership())
