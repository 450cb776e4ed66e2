"""Output of commands: text for people, or a JSON object a line for programs."""

import json
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import click

from akkordeon_dask.cli._events import event_line, events_of
from akkordeon_dask.cli._failures import nobody
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

    def worker_text(self, address: str) -> str:
        """A worker's name with its address behind it; the address alone where it has no other name."""
        name = self._names.get(address, address)
        return address if name == address else f"{name} ({address})"

    def worker_fields(self, address: str) -> dict[str, str]:
        """The same for programs, as in `status --json`."""
        return {"worker": self._names.get(address, address), "address": address}

    @contextmanager
    def events(self, running: Running, own: Callable[[str], bool] = nobody) -> Iterator[None]:
        """Print the events of the network's gates and sentinels meanwhile, with the names of its workers.

        Parameters
        ----------
        own
            whether the command ends with an error when the sentinel of this name fails: the error is all that is said.
        """
        self._names.update(worker_names(running.client))
        with events_of(running, self.record_event, self.actor_event, own):
            yield

    def record_event(self, fields: Mapping[str, Any]) -> None:
        """The same for programs. In the thread of `events`."""

    def actor_event(self, fields: Mapping[str, Any]) -> None:
        """A gate or sentinel was lost, recovered or moved. In the thread of `events`."""
        self.say(*event_line(fields, self._names))

    def begin(self, running: Running) -> None:
        """The network was deployed: print its gates and their workers."""
        gates = "\n          | ".join(map(repr, running.network))
        placement = ", ".join(f"{gate} on {self.worker_text(worker)}" for gate, worker in running.placement.items())
        self.say("network", gates)
        self.say("parameters", f"{running.network.parameter_count:,}")
        self.say("placement", placement)
        self.say("dashboard", running.dashboard_link or "none")

    def passes(self, running: Running, wait: Callable[..., Any], *, mine: bool = False) -> None:
        """Call `wait`, which takes `progress`, and show each pass as it ends."""
        wait(progress=True)

    def test(self, report: PassReport) -> None:
        """The last pass, over the test split."""
        click.echo(pass_line(report), err=self.err)

    def write_files(self, running: Running, *, save: str | None, report: str | None) -> None:
        """Write parameters and report, where the user asked for them."""
        if report is not None:
            self.say("writing", f"the report {report}, which takes some seconds")
        try:
            if save is not None:
                running.save(save)
                self.say("saved", save)
        finally:  # one file that fails does not cost the other
            if report is not None:
                running.report(report)
                self.say("report", report)

    def end(self, epochs: int, report: PassReport, seconds: float) -> None:
        """The run is finished: `report` is the last pass, over the test split, `seconds` the time of training."""
        figures = {"loss": report.loss} if not report.scores else report.scores
        text = ", ".join(f"test {name} {value:.4f}" for name, value in figures.items())
        self.say("end", f"{text} after {epochs} epochs in {seconds:.1f} s")

    def event(self, kind: str, **fields: Any) -> None:
        """An event for programs."""

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

    def record_event(self, fields: Mapping[str, Any]) -> None:
        self.event(**{"kind" if name == "event" else name: value for name, value in fields.items()})

    def test(self, report: PassReport) -> None:
        self.event("pass", **report.as_row())
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
