"""Show networks on a scheduler's dashboard from its start: `dask scheduler --preload akkordeon_dask.preload`.

Without it, the first network that is deployed adds the page, but not its panes to the list that JupyterLab reads.
"""

from distributed import Scheduler

from akkordeon_dask.dashboard import install, preload

__all__ = ["dask_setup"]

# Dask imports this module before it makes the dashboard, and calls `dask_setup` afterwards.
preload()


def dask_setup(scheduler: Scheduler) -> None:
    """Install telemetry from the scheduler's start."""
    install(scheduler)
