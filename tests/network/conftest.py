"""Reading what was printed."""

import pytest

import akkordeon_dask


@pytest.fixture(scope="session")
def read():
    """Reads a value in the notation that it prints in."""
    names = {
        name: getattr(akkordeon_dask, name) for name in ("Gate", "Network", "Sentinel", "beside", "data", "nn", "optim")
    }
    return lambda text: eval(text, dict(names))
