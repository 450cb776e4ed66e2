"""What holds for the whole run: Hypothesis, the debug mode of memory, and that nothing of ours is left over."""

import os
from collections.abc import Callable, Iterator

import pytest
from hypothesis import settings

from akkordeon_dask import memory
from tests.support.leftovers import akkordeon_threads, wait_until

settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")


@pytest.fixture(scope="session")
def eventually() -> Callable[..., None]:
    """`eventually(condition, within=20.0)`: waits for what tells nobody when it happens."""
    return wait_until


@pytest.fixture(scope="session", autouse=True)
def no_thread_is_left_over() -> Iterator[None]:
    """Set up first, so torn down last: whatever the tests deployed is closed by then."""
    yield
    wait_until(lambda: not akkordeon_threads(), within=10.0, seen=akkordeon_threads)


@pytest.fixture(scope="module", autouse=True)
def environment_is_kept() -> Iterator[None]:
    """Dask's nannies write what their workers shall have into the environment of the process that starts them."""
    before = dict(os.environ)
    yield
    for name in os.environ.keys() - before.keys():
        if name.startswith(("MALLOC_", "OMP_", "MKL_", "OPENBLAS_")):
            del os.environ[name]


@pytest.fixture(scope="session")
def poisoned_pool() -> Iterator[None]:
    """The debug mode: recycled memory holds NaN, here and in the processes that are started from here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memory.pool, "poison", True)
        patch.setenv("AKKORDEON_DEBUG", "1")
        memory.pool.clear()
        yield
