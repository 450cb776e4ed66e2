"""What commands say: text for people, or a JSON object a line for programs."""

import json
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import click

from akkordeon_dask.cli._events import event_line, events_of
from akkordeon_dask.console import pass_line
from akkordeon_dask.messages import PassReport
from akkordeon_dask.runtime import Running, follow, worker_names

__all__ = ["WIDE", "JsonOutput", "Output", "as_json"]

WIDE = 120
"""Columns of tables that go into a pipe or file."""


class Output:
    """Text on standard output."""

    err = False

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def place(self, address: str) -> str:
        """A worker by its name, with the address behind it; by the address where it has no other name."""
        name = self._names.get(address, address)
        return address if name == address else f"{name} ({address})"

    def plain_place(self, address: str) -> dict[str, str]:
        """The same for programs, as `status --json` has it."""
        return {"worker": self._names.get(address, address), "address": address}

    @contextmanager
    def events(self, running: Running) -> Iterator[None]:
        """Tell in here what becomes of the network's gates and sentinels, and know its workers by their names."""
        self._names.update(worker_names(running.client))
        with events_of(running, self.happened):
            yield

    def happened(self, told: Mapping[str, Any]) -> None:
        """Something became of a gate or a sentinel. In the thread of `events`."""
        self.say(*event_line(told, self._names))

    def begin(self, running: Running) -> None:
        """The network was deployed: what it is, where it is."""
        gates = "\n          | ".join(map(repr, running.network))
        placement = ", ".join(f"{gate} on {self.place(worker)}" for gate, worker in running.placement.items())
        self.say("network", gates)
        self.say("parameters", f"{running.network.parameter_count:,}")
        self.say("placement", placement)
        self.say("dashboard", running.dashboard_link)

    def passes(self, running: Running, wait: Callable[..., Any], *, mine: bool = False) -> None:
        """Call `wait`, which takes `progress`, and show each pass as it ends."""
        wait(progress=True)

    def test(self, report: PassReport) -> None:
        """The last pass, over the test split."""
        click.echo(pass_line(report), err=self.err)

    def saved(self, target: str) -> None:
        """The parameters were written."""
        self.say("saved", target)

    def reported(self, target: str) -> None:
        """The report was written."""
        self.say("report", target)

    def keep(self, running: Running, *, save: str | None, report: str | None) -> None:
        """Write parameters and report, where a command was asked to."""
        try:
            if save is not None:
                running.save(save)
                self.saved(save)
        finally:  # the other file is there, whatever becomes of one
            if report is not None:
                running.report(report)
                self.reported(report)

    def end(self, epochs: int, report: PassReport, seconds: float) -> None:
        """All is done: `report` is the last pass, `seconds` the time of training."""
        figures = {"loss": report.loss} if not report.scores else report.scores
        told = ", ".join(f"test {name} {value:.4f}" for name, value in figures.items())
        self.say("end", f"{told} after {epochs} epochs in {seconds:.1f} s")

    def event(self, kind: str, **fields: Any) -> None:
        """Something that programs want to know."""

    def say(self, label: str, text: str) -> None:
        """A line for people."""
        click.echo(f"{label:<11} {text}", err=self.err)


class JsonOutput(Output):
    """JSON on standard output, and the text on standard error."""

    err = True

    def passes(self, running: Running, wait: Callable[..., Any], *, mine: bool = False) -> None:
        for report in follow(running, wait=lambda: wait(progress=False), mine=mine):
            self.test(report)

    def event(self, kind: str, **fields: Any) -> None:
        click.echo(as_json({"event": kind, **fields}))

    def happened(self, told: Mapping[str, Any]) -> None:
        self.event(**{"kind" if name == "event" else name: value for name, value in told.items()})
        super().happened(told)

    def test(self, report: PassReport) -> None:
        self.event("pass", **{name: value for name, value in report.as_dict().items() if name != "key"})
        click.echo(pass_line(report), err=True)

    def end(self, epochs: int, report: PassReport, seconds: float) -> None:
        test = {"loss": report.loss, "scores": dict(report.scores), "samples": report.samples}
        self.event("end", epochs=epochs, test=test, seconds=seconds)
        super().end(epochs, report, seconds)


def as_json(value: dict[str, Any]) -> str:
    """One line of JSON."""
    return json.dumps(_finite(value), allow_nan=False)


def _finite(value: Any) -> Any:
    """JSON has no NaN and no infinity: null stands for them."""
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
