"""The tables of `status`, in whatever terminal."""

import io

import pytest
from rich.console import Console

from akkordeon_dask.console import status_table
from akkordeon_dask.telemetry import LiveGate, LiveSentinel, NetworkStatus


@pytest.mark.parametrize("name", ["[red]x[/red]", "a:x:b", "x\\"])
def test_names_are_text(name):
    gate = LiveGate(name, name, "tcp://127.0.0.1:1", "stuck", policy=name, stuck=name)
    sentinel = LiveSentinel(name, "train", name, "tcp://127.0.0.1:1", "running", 1, None, 0.0, 0, 1, 0, None)
    console = Console(file=io.StringIO(), width=160, color_system=None)
    console.print(status_table([NetworkStatus(name, name, (gate,), (sentinel,))]))
    lines = console.file.getvalue().splitlines()
    assert [line.count(name) for line in lines if name in line] == [2, 2, 2, 1, 2]
