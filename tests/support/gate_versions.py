"""The updates of the gates of a running network."""

from akkordeon_dask import Running


def versions(running: Running) -> dict[str, int]:
    """By gate, with the update of every completed batch.

    A gate may answer for a batch before it updates, and its statistics are then those from before. Its parameters are
    read in a turn.
    """
    running.parameters()
    statistics = running.statistics()
    return {gate: statistics[gate].version for gate in running.placement}
