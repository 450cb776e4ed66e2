"""The keys of actors on the cluster: `akkordeon-digits-g0-1a2b3c4d` of a gate, and one part more of a sentinel.

The name of the network is written so that it has no dash: a key tells it exactly, whatever the names are.
"""

import uuid

__all__ = ["KEY_PREFIX", "gate_key", "network_of", "sentinel_base", "sentinel_key", "sentinel_key_base"]

KEY_PREFIX = "akkordeon-"
"""Of the keys of all actors, and of the tasks that read data for them."""


def gate_key(network: str, gate: str) -> str:
    """A key for an incarnation of a gate."""
    return f"{_network_prefix(network)}{gate}-{_token()}"


def sentinel_base(network: str, sentinel: str, token: str) -> str:
    """The part of a sentinel's keys that all its incarnations share; the token is its own."""
    return f"{_network_prefix(network)}{sentinel}-{token}"


def sentinel_key(base: str) -> str:
    """A key for an incarnation of the sentinel of this base."""
    return f"{base}-{_token()}"


def sentinel_key_base(key: object) -> str:
    """The base of a sentinel's key; see `sentinel_base`."""
    return str(key).rpartition("-")[0]


def network_of(key: object) -> str | None:
    """The name of the network whose actor has this key; None where it is no actor's."""
    text = str(key)
    if not text.startswith(KEY_PREFIX):
        return None
    return text.removeprefix(KEY_PREFIX).partition("-")[0].replace("%2D", "-").replace("%25", "%")


def _network_prefix(network: str) -> str:
    return f"{KEY_PREFIX}{network.replace('%', '%25').replace('-', '%2D')}-"


def _token() -> str:
    return uuid.uuid4().hex[:8]
