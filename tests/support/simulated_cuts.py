"""Consistent cuts of a simulated cluster: the same calls as `CutNetwork` makes, each in a turn of its actor."""

from akkordeon_dask.actors.engine._cell import _Call
from akkordeon_dask.errors import CheckpointError
from akkordeon_dask.runtime._cuts import manifest

DEADLINE = 200.0
"""Virtual seconds."""


def call(cluster, actor, function):
    """What a function returns that is called in a turn of an actor, while the others go on."""
    item = _Call(function)
    cluster.cells[actor].put(item)
    cluster.run(item.future.done)
    return item.future.result()


def take_cut(cluster, name, *, order=lambda gates: gates, between=lambda: None):
    """Take a cut of all gates and training sentinels; None where it was called off.

    Parameters
    ----------
    order
        of the gates.
    between
        called before each step: lets time pass.

    Returns the manifest, and the version of each gate by name.
    """
    sentinels = {cluster.addresses[one.name].actor: one for one in cluster.behaviors.values() if one.trains}
    for actor, one in sentinels.items():
        between()
        call(cluster, actor, lambda one=one: one.hold(name, DEADLINE))
    end = cluster.now + DEADLINE
    cluster.run(lambda: not any(one.in_flight for one in sentinels.values()) or cluster.now >= end)
    held = {
        actor: call(cluster, actor, lambda one=one: one.held_part(name, "data")) for actor, one in sentinels.items()
    }
    parts, versions = {}, {}
    if None not in held.values():
        for gate, address in order(list(zip(cluster.gates, cluster.gate_addresses, strict=True))):
            between()
            try:
                cut = call(cluster, address.actor, lambda gate=gate: gate.take_cut(name, held))
            except CheckpointError:
                break
            parts[gate.name], versions[gate.name] = (cut.version.number, cut.applied), cut.version
    waited = [call(cluster, actor, lambda one=one: one.release_from(name)) for actor, one in sentinels.items()]
    if None in waited or len(parts) < len(cluster.gates):
        return None
    return manifest(name, held, parts), versions
