"""Heartbeats of workers that are not there."""

from akkordeon_dask.messages import GateMetrics, LinkMetrics, SentinelMetrics
from akkordeon_dask.telemetry import Heartbeat

HOSTILE = "<img src=x onerror=alert(1)>"

_GATE = dict.fromkeys(GateMetrics.__dataclass_fields__, 0) | {"stuck": ""}
_SENTINEL = dict.fromkeys(SentinelMetrics.__dataclass_fields__, 0) | {"progress": None, "confusion": None}


def gate(name="g0", position=0, at=0.0, network="net", **figures):
    """A gate's part of a heartbeat."""
    own = {"network": network, "name": name, "key": f"key-{name}", "at": at, "position": position, "delays": ()}
    return GateMetrics(**(_GATE | own | figures)).as_dict()


def sentinel(name="train0", at=0.0, network="net", **figures):
    """A sentinel's part of a heartbeat."""
    reported = _SENTINEL | {"network": network, "name": name, "key": f"key-{name}", "at": at, "mode": "train"}
    return SentinelMetrics(**(reported | {"state": "running", "epochs": None} | figures)).as_dict()


def link(peer, nbytes):
    """A connection's part of a heartbeat."""
    return LinkMetrics(peer, nbytes, 0, 0).as_dict()


def beat(worker="alice", *, at=0.0, gates=(), sentinels=(), links=()):
    """A worker's heartbeat."""
    reported = {"at": at, "gates": list(gates), "sentinels": list(sentinels), "links": list(links)}
    return Heartbeat(f"tcp://{worker}", worker, reported)


def passed(sentinel="train0", epoch=1, network="net", mode="train", **figures):
    """A pass, as an event."""
    reported = {"network": network, "event": "pass", "sentinel": sentinel, "mode": mode, "epoch": epoch, "loss": 0.5}
    reported |= {
        "scores": {"accuracy": 0.9},
        "samples": 100,
        "lost": 0,
        "resent": 0,
        "seconds": 2.0,
        "samples_per_s": 50.0,
    }
    return reported | figures
