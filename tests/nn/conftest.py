"""The memory that layers keep their laws in."""

import numpy as np
import pytest

from akkordeon_dask import memory


@pytest.fixture(params=["malloc", pytest.param("poisoned pool", marks=pytest.mark.slow)])
def memory_of_layers(request, monkeypatch):
    """Small arrays come from malloc as ever, or from a pool in which each byte not yet written is part of a NaN."""
    if request.param == "malloc":
        yield
        return
    monkeypatch.setattr(memory, "_SMALL", 1)
    monkeypatch.setattr(memory.pool, "poison", True)
    memory.pool.clear()
    lent = [memory.empty((64 * 1024,), np.uint8) for _ in range(32)]
    del lent
    yield
    memory.pool.clear()
