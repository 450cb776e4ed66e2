"""Pages of `/metrics`, read as Prometheus reads them."""

import re
from collections.abc import Callable, Iterable
from typing import Any
from urllib.request import urlopen

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

from tests.support.patience import PATIENCE

OURS = "akkordeon_"
"""The prefix of our names."""


class Page:
    """A page: `value(name, **labels)` is that of the one sample which has these labels."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.families = [one for one in text_string_to_metric_families(text) if one.name.startswith(OURS)]
        self.samples = [sample for family in self.families for sample in family.samples]

    @property
    def names(self) -> set[str]:
        """Of all our samples."""
        return {sample.name for sample in self.samples}

    @property
    def heads(self) -> dict[str, int]:
        """How many lines `# HELP` and `# TYPE` there are, by what they begin with."""
        found = re.findall(rf"^(# (?:HELP|TYPE) {OURS}\w+) .", self.text, re.MULTILINE)
        return {head: found.count(head) for head in found}

    def find(self, name: str, **labels: str) -> list[Any]:
        """All samples of a name that have these labels, among others."""
        return [one for one in self.samples if one.name == name and labels.items() <= one.labels.items()]

    def value(self, name: str, **labels: str) -> float:
        """The value of the only sample of a name that has these labels."""
        (sample,) = self.find(name, **labels)
        return float(sample.value)

    def says_all_once(self) -> bool:
        """Every family is there once, with HELP and TYPE, and no two samples are of one series."""
        names = [family.name + ("_total" if family.type == "counter" else "") for family in self.families]
        heads = {f"# {kind} {name}": 1 for kind in ("HELP", "TYPE") for name in names}
        series = [(sample.name, *sorted(sample.labels.items())) for sample in self.samples]
        return self.heads == heads and len(set(names)) == len(names) and len(set(series)) == len(series)


class _Fixed:
    """A collector of sources that stay."""

    def __init__(self, read: Callable[[tuple[Any, ...]], Iterable[Metric]], sources: tuple[Any, ...]) -> None:
        self.collect = lambda: read(sources)


def shown(read: Callable[[tuple[Any, ...]], Iterable[Metric]], *sources: Any) -> Page:
    """The page of these sources alone."""
    registry = CollectorRegistry()
    registry.register(_Fixed(read, sources))
    return Page(generate_latest(registry).decode())


def fetched(url: str) -> Page:
    """The page that a server answers."""
    with urlopen(url, timeout=PATIENCE) as answer:
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        return Page(answer.read().decode())


def exposed_names(families: Iterable[Metric]) -> set[str]:
    """The names under which samples of these families can be asked for."""
    suffixes = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}
    return {family.name + suffix for family in families for suffix in suffixes[family.type]}
