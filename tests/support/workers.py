"""The workers of a scheduler."""

from typing import Any

from distributed import Client


def workers_now(client: Client) -> dict[str, dict[str, Any]]:
    """The scheduler's information on its workers, by address.

    `client.scheduler_info(n_workers=-1)` may give none: what it reads is overwritten every two seconds by the answer to
    another question, which asks for no workers (distributed 2026.8.0).
    """
    assert client.scheduler is not None
    told: dict[str, dict[str, Any]] = client.sync(client.scheduler.identity, n_workers=-1)["workers"]
    return told
