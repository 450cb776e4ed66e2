"""The output of `demo --json`, parsed and checked."""

import json
from typing import Any

_NUMBER = (int, float)
PASS = {
    "event": str,
    "sentinel": str,
    "mode": str,
    "epoch": int,
    "loss": _NUMBER,
    "scores": dict,
    "samples": int,
    "lost": int,
    "resent": int,
    "seconds": _NUMBER,
    "samples_per_s": _NUMBER,
    "ended": _NUMBER,
    "elapsed": _NUMBER,
    "updates": int,
    "samples_trained": int,
    "rolled_back": bool,
}
END = {"event": str, "epochs": int, "test": dict, "seconds": _NUMBER}
TEST = {"loss": _NUMBER, "scores": dict, "samples": int}

NetworkEntry = dict[str, Any]


def parsed(stdout: str) -> list[NetworkEntry]:
    """A record for each line, which has to be a whole JSON object of the promised form."""
    records = [json.loads(line, parse_constant=_refuse) for line in stdout.splitlines()]
    for record in records:
        _check(record, END if record["event"] == "end" else PASS)
    _check(records[-1]["test"], TEST)
    return records


def passes_of(records: list[NetworkEntry], mode: str) -> list[NetworkEntry]:
    """The passes of one mode, in their order."""
    return [record for record in records if record["event"] == "pass" and record["mode"] == mode]


def end_of(records: list[NetworkEntry]) -> NetworkEntry:
    """The last record, and the only one of its kind."""
    assert [record["event"] for record in records].count("end") == 1
    assert records[-1]["event"] == "end"
    return records[-1]


def _check(record: NetworkEntry, form: NetworkEntry) -> None:
    assert record.keys() == form.keys()
    for name, kinds in form.items():
        assert isinstance(record[name], kinds), f"{name} is {record[name]!r}"


def _refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is not JSON")
