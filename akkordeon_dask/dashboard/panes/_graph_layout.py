"""The layout of a network: its boxes and arrows."""

import math
from itertools import pairwise
from typing import Any

from akkordeon_dask.dashboard.panes._theme import EMPTY, busy_color, gate_color, sentinel_color, shortened
from akkordeon_dask.messages import SentinelMetrics
from akkordeon_dask.telemetry import (
    GateRates,
    NetworkTelemetry,
    SentinelRates,
    duration_text,
    largest_delay,
    mean_delay,
    share_text,
)

__all__ = ["ARROW_FIELDS", "BOX_FIELDS", "arrows", "boxes"]

BOX_FIELDS = (
    *("x", "y", "width", "height", "color", "edge", "edge_width", "ink", "stripe", "own"),
    *("name", "first", "second", "third", "fourth", "middle", "what", "worker", "facts"),
)
ARROW_FIELDS = ("xs", "ys", "width", "color", "head_x", "head_y", "head_angle", "head_size", "label", "rate")

_HALF_WIDTH, _HALF_HEIGHT = 0.36, 0.42
_MOST = 5
_POLICY = 120
"""Letters of the text of an optimizer with what acts on late gradients."""
_TWO_LINES = 0.15
"""Half the height of a box that has room for two lines."""
_FORWARD, _BACKWARD = "#6b6b6b", "#b9a6c9"
_PATH, _GAP = -0.72, 0.05


def _count(number: float) -> str:
    """A number of samples or updates, short."""
    if math.isnan(number):
        return "-"
    for limit, divisor, letter in ((1e9, 1e9, "G"), (1e6, 1e6, "M"), (1e4, 1e3, "k")):
        if number >= limit:
            return f"{number / divisor:.1f}{letter}"
    return f"{number:,.0f}"


def boxes(network: NetworkTelemetry, now: float) -> list[tuple[Any, ...]]:
    """A row of `BOX_FIELDS` for each gate, and for each sentinel that is at work."""
    shares = {name: gate.rate("busy", now) for name, gate in network.gates.items()}
    worst = max((share for share in shares.values() if not math.isnan(share)), default=0.0)
    policies = network.policies
    gates = [_gate(gate, shares[name], worst, policies.get(name, ""), now) for name, gate in network.gates.items()]
    return gates + [_sentinel(*stacked, now) for stacked in _stack(network)]


def _gate(gate: GateRates, share: float, worst: float, policy: str, now: float) -> tuple[Any, ...]:
    metrics = gate.metrics
    lost = not gate.is_reported
    busiest = not lost and share == worst > 0
    rate = gate.rate("forwards", now) + gate.rate("evaluated", now)
    box = metrics.position + 1, 0.0, 2 * _HALF_WIDTH, 2 * _HALF_HEIGHT
    style = EMPTY if lost else busy_color(share), "#5a0000" if busiest else "#888888", 3 if busiest else 1
    ink = "#ffffff" if share > 0.65 and not lost else "#222222"
    busy = "lost with its worker" if lost else "" if math.isnan(share) else f"busy {min(share, 1):.0%}"
    words = shortened(metrics.name, 18), f"on {shortened(gate.worker, 18)}", busy
    fourth = "" if lost else f"{metrics.mailbox} waiting · {_count(rate)}/s"
    delay = f"{mean_delay(metrics.delays):.2f} (at most {largest_delay(metrics.delays)})" if metrics.delays else "-"
    by = f" by {shortened(policy, _POLICY)}" if policy else ""
    facts = (
        f"{busy or 'busy -'}, {metrics.mailbox} waiting, version {metrics.version:,}, {metrics.versions} held, "
        f"delay {delay} updates{by}, "
        f"{metrics.contexts} contexts, {metrics.failed} failed, "
        f"{metrics.dropped} dropped, {_count(gate.rate('updates', now))} updates/s"
    )
    stripe = _HALF_HEIGHT + 0.09, gate_color(metrics.position)
    what = "gate", f"{gate.worker} ({gate.address})", facts
    return (*box, *style, ink, *stripe, metrics.name, *words, fourth, "", *what)


def _stack(network: NetworkTelemetry) -> list[tuple[SentinelRates, float, float]]:
    """The sentinels at work with the y and half the height of each box, top to bottom; training ones come first."""
    shown = network.at_work[:_MOST]
    height = 2 * (_HALF_HEIGHT + 0.12) / max(1, len(shown))
    top = _HALF_HEIGHT + 0.12
    return [(one, top - height * (number + 0.5), min(0.46, height * 0.46)) for number, one in enumerate(shown)]


def _sentinel(sentinel: SentinelRates, y: float, half: float, now: float) -> tuple[Any, ...]:
    metrics = sentinel.metrics
    box = 0.0, y, 2 * _HALF_WIDTH, 2 * half
    color = sentinel_color(metrics.mode, sentinel.rank)
    style = "#ffffff", color, 2, "#222222", math.nan, color
    lines = [f"{metrics.mode} on {shortened(sentinel.worker, 14)}", _done(metrics), _so_far(sentinel, now)]
    name = shortened(metrics.name, 20)
    # Four lines have room only in a box of its own, and two in one of three.
    rows = [name, *lines, ""] if half > 0.4 else ["", name, lines[1], "", ""]
    if half < _TWO_LINES:
        rows = [""] * 4 + [f"{shortened(metrics.name, 10)} · {lines[1]}"]
    facts = (
        f"{lines[1]}, {metrics.in_flight} of {metrics.concurrency} batches in flight, "
        f"{metrics.lost:,} samples lost, {metrics.resent} batches resent, {metrics.restarts} passes restarted"
    )
    what = f"sentinel, {metrics.mode}"
    return (*box, *style, metrics.name, *rows, what, f"{sentinel.worker} ({sentinel.address})", facts)


def _done(metrics: SentinelMetrics) -> str:
    of, progress = "" if metrics.epochs is None else f"/{metrics.epochs}", metrics.progress
    if progress is None or metrics.waits:
        return f"pass {metrics.epoch}{of} · {metrics.activity}"
    words = [f"pass {progress.epoch}{of}"]
    if progress.share is not None:
        words.append(share_text(progress.share))
    if progress.remaining is not None:
        words.append(f"{duration_text(progress.remaining)} left")
    return " · ".join(words)


def _so_far(sentinel: SentinelRates, now: float) -> str:
    progress, rate = sentinel.metrics.progress, f"{_count(sentinel.rate('samples', now))}/s"
    return rate if progress is None or math.isnan(progress.loss) else f"loss {progress.loss:.4f} · {rate}"


def arrows(network: NetworkTelemetry, now: float) -> list[tuple[Any, ...]]:
    """A row of `ARROW_FIELDS` for each path of samples."""
    gates, stack = list(network.gates.values()), _stack(network)
    rates: list[tuple[list[float], list[float], float, str, str]] = []
    for front, back in pairwise(gates):
        x, names = front.metrics.position + 1, (front.metrics.name, back.metrics.name)
        forward = front.rate("forwards", now) + front.rate("evaluated", now)
        rates.append((*_hop(x, x + 1, 0.12), forward, _FORWARD, " → ".join(names)))
        rates.append((*_hop(x + 1, x, -0.12), back.rate("backwards", now), _BACKWARD, " → ".join(names[::-1])))
    for sentinel, y, _ in stack:
        rate, name = sentinel.rate("samples", now), sentinel.metrics.name
        if gates:
            xs, ys = [_HALF_WIDTH, 1 - _HALF_WIDTH], [y, y * 0.6]
            rates.append((xs, ys, rate, _FORWARD, f"{name} → {gates[0].metrics.name}"))
    if gates and stack:
        last, total = len(gates), sum(one.rate("samples", now) for one, _, _ in stack)
        xs, ys = [last, last, 0.0, 0.0], [-_HALF_HEIGHT, _PATH, _PATH, stack[-1][1] - stack[-1][2] - _GAP]
        rates.append((xs, ys, total, _FORWARD, f"{gates[-1].metrics.name} → sentinels"))
    most = max((rate for _, _, rate, _, _ in rates if not math.isnan(rate)), default=0.0)
    return [_arrow(*one, most) for one in rates]


def _hop(start: float, end: float, y: float) -> tuple[list[float], list[float]]:
    step = math.copysign(_HALF_WIDTH, end - start)
    return [start + step, end - step], [y, y]


def _arrow(xs: list[float], ys: list[float], rate: float, color: str, label: str, most: float) -> tuple[Any, ...]:
    share = 0.0 if math.isnan(rate) or not most else rate / most
    width = 1 + 7 * share
    # Triangles point up; the last piece of every path is level or goes up.
    angle = 0.0 if xs[-1] == xs[-2] else math.copysign(math.pi / 2, xs[-2] - xs[-1])
    shade = color if share else EMPTY
    return xs, ys, width, shade, xs[-1], ys[-1], angle, 8 + width, label, f"{_count(rate)} samples/s"
