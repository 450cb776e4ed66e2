"""What commands say: text for people, or a JSON object a line for programs."""

import json
import math
from collections.abc import Callable
from typing import Any

import click

from akkordeon_dask.messages import PassReport
from akkordeon_dask.monitor import pass_line, passes
from akkordeon_dask.runtime import Running

__all__ = ["WIDE", "JsonOutput", "Output", "as_json"]

WIDE = 120
"""Columns of tables that go into a pipe or file."""


class Output:
    """Text on standard output."""

    err = False

    def begin(self, running: Running) -> None:
        """The network was deployed: what it is, where it is."""
        gates = "\n          | ".join(map(repr, running.network))
        placement = ", ".join(f"{gate} on {worker}" for gate, worker in running.placement.items())
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
        if save is not None:
            running.save(save)
            self.saved(save)
        if report is not None:
            running.report(report)
            self.reported(report)

    def end(self, epochs: int, report: PassReport, seconds: float) -> None:
        """All is done: `report` is the last pass, `seconds` the time of training."""
        accuracy = report.scores["accuracy"]
        self.say("end", f"validation accuracy {accuracy:.4f} after {epochs} epochs in {seconds:.1f} s")

    def event(self, kind: str, **fields: Any) -> None:
        """Something that programs want to know."""

    def say(self, label: str, text: str) -> None:
        """A line for people."""
        click.echo(f"{label:<11} {text}", err=self.err)


class JsonOutput(Output):
    """JSON on standard output, and the text on standard error."""

    err = True

    def passes(self, running: Running, wait: Callable[..., Any], *, mine: bool = False) -> None:
        for report in passes(running, wait=lambda: wait(progress=False), mine=mine):
            self.test(report)

    def event(self, kind: str, **fields: Any) -> None:
        click.echo(as_json({"event": kind, **fields}))

    def test(self, report: PassReport) -> None:
        self.event("pass", **report.as_dict())
        click.echo(pass_line(report), err=True)

    def end(self, epochs: int, report: PassReport, seconds: float) -> None:
        validation = {"loss": report.loss, **report.scores, "samples": report.samples}
        self.event("end", epochs=epochs, validation=validation, seconds=seconds)
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
