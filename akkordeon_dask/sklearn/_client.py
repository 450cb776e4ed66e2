"""The client that an estimator trains with where it was given none."""

import distributed
from distributed import Client

__all__ = ["default_client"]


def default_client() -> Client | None:
    """The process's default client; None: there is none, or this is a task of Dask, which fills its worker.

    Gates need a worker that is free: one that waited for this very task would wait for ever.
    """
    if _is_task():
        return None
    try:
        client: Client = distributed.default_client()
    except ValueError:
        return None
    return client


def _is_task() -> bool:
    try:
        distributed.get_worker()
    except ValueError:
        return False
    return True
