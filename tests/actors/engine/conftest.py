"""Dispatchers for tests of the engine."""

import asyncio

import pytest

from akkordeon_dask.actors.engine._dispatcher import Dispatcher
from tests.support.patience import PATIENCE


@pytest.fixture
def dispatchers():
    """Makes dispatchers and their cells, and ends them."""
    made = []

    def make(threads=1, behaviors=(), on_stuck=print, **options):
        dispatcher = Dispatcher(threads, **options)
        cells = [
            dispatcher.cell(f"actor {number}", behavior, on_stuck=on_stuck) for number, behavior in enumerate(behaviors)
        ]
        made.append((dispatcher, cells, behaviors))
        return dispatcher, cells

    yield make
    for dispatcher, cells, behaviors in made:
        for behavior, cell in zip(behaviors, cells, strict=True):
            behavior.held.set()
            cell.stop()
        for cell in cells:
            asyncio.run(cell.stopped(PATIENCE))
        dispatcher.join(PATIENCE)
