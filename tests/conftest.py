"""For the whole run: marks, Hypothesis, the debug mode of memory, and that nothing of ours is left over."""

import os
from collections.abc import Callable, Iterator

import dask.config
import pytest
from hypothesis import settings

from akkordeon_dask import memory
from tests.support.leftovers import akkordeon_threads, wait_until
from tests.support.patience import SETTINGS

settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")

PROCESSES = {"at", "digits", "processes", "akkordeon", "chaos", "far_cluster", "joined_worker", "pair", "run"} | {
    "running_cluster", "service", "started", "started_cluster", "started_scheduler"
}  # fmt: skip
MACHINES = {"chaos", "far_cluster", "joined"}
MARKS = {
    "browser": {"running_browser"},
    "machines": MACHINES,
    "cluster": {"Client", "EmbeddedCluster", "LocalCluster", "cluster", "deploy", "user"} | PROCESSES | MACHINES,
    "slow": PROCESSES | MACHINES,
}
"""The fixtures and helpers by which a test gets a mark: it asks for one, or its module imports one."""


class FailuresAtOnce:
    """Names each failure as it happens: a run that is ended by its machine has no summary."""

    def __init__(self, terminal: pytest.TerminalReporter) -> None:
        self.terminal = terminal

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            errors = [line for line in report.longreprtext.splitlines() if line.startswith("E ")]
            self.terminal.write_line(f"\n{report.nodeid} ({report.when}) {' '.join(errors[:1])}", red=True)


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """The process that writes to the terminal, and none of its helpers, names failures."""
    terminal = config.pluginmanager.get_plugin("terminalreporter")
    if terminal is not None and not hasattr(config, "workerinput"):
        config.pluginmanager.register(FailuresAtOnce(terminal))


def pytest_collection_modifyitems(items: list[pytest.Function]) -> None:
    """Mark each test by what it uses; those that are slow without a process of their own say so themselves.

    Files whose tests need no cluster come first: most failures show early.
    """
    costly = set()
    for item in items:
        used = {*item.fixturenames, *vars(item.module)}
        for mark, names in MARKS.items():
            if used & names:
                item.add_marker(mark)
        if any(map(item.get_closest_marker, MARKS)):
            costly.add(item.path)
    items.sort(key=lambda item: item.path in costly)


@pytest.fixture(scope="session")
def eventually() -> Callable[..., None]:
    """`eventually(condition)`: waits for what tells nobody when it happens."""
    return wait_until


@pytest.fixture(scope="session", autouse=True)
def no_thread_is_left_over() -> Iterator[None]:
    """Set up first, so torn down last: whatever the tests deployed is closed by then."""
    yield
    wait_until(lambda: not akkordeon_threads(), seen=akkordeon_threads)


@pytest.fixture(scope="session", autouse=True)
def workers_have_time_to_come_back() -> Iterator[None]:
    """Dask's clusters end the nanny of a worker process that is gone for 15 s, as it is on a busy machine."""
    with dask.config.set({"distributed.deploy.lost-worker-timeout": "1h"}):
        yield


@pytest.fixture(scope="session", autouse=True)
def actors_have_time_to_answer() -> Iterator[None]:
    """Here and in the programs that are started from here."""
    here = {f"akkordeon.{key}": value for key, value in SETTINGS.items()}
    with pytest.MonkeyPatch.context() as patch, dask.config.set(here):
        for key, value in SETTINGS.items():
            patch.setenv(f"DASK_AKKORDEON__{key.upper().replace('.', '__').replace('-', '_')}", value)
        yield


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
