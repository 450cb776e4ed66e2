"""Grafana's dashboard, the configuration of Prometheus and the table of names: they name what is exposed, all of it."""

import json
import re

import pytest
import yaml

from akkordeon_dask.actors.transport._metrics import collect_workers
from akkordeon_dask.telemetry._metrics import collect_sentinels
from tests.support.metrics_pages import exposed_names

_DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
_NAME = re.compile(r"\bakkordeon_\w+")
_KINDS = {"_total": "counter", "_bucket": "histogram", "_count": "histogram", "_sum": "histogram"}


@pytest.fixture(scope="module")
def dashboard(deploy_folder):
    return json.loads((deploy_folder / "grafana.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def targets(dashboard):
    return [target for panel in dashboard["panels"] for target in panel["targets"]]


@pytest.fixture(scope="module")
def families():
    return [*collect_workers(()), *collect_sentinels(())]


@pytest.fixture(scope="module")
def labels(families):
    """The labels of each name that can be asked for."""
    return {
        name: {*family._labelnames, *(["le"] if name.endswith("_bucket") else [])}
        for family in families
        for name in exposed_names([family])
    }


def variables(dashboard):
    return {variable["name"]: variable for variable in dashboard["templating"]["list"]}


def test_every_name_that_it_asks_for_is_exposed_and_every_family_is_asked_for(dashboard, targets, families):
    told = [target["expr"] for target in targets] + [variables(dashboard)["network"]["definition"]]
    asked = {name for text in told for name in _NAME.findall(text)}
    assert asked <= exposed_names(families)
    assert [one.name for one in families if not exposed_names([one]) & asked] == []


def test_every_label_that_it_asks_for_is_one_of_the_family(targets, labels):
    for target in targets:
        expr = target["expr"]
        there = set.intersection(*(labels[name] for name in _NAME.findall(expr)))
        kept = {label for group in re.findall(r"\bby \(([^)]*)\)", expr) for label in group.split(", ")}
        chosen = set(re.findall(r'(\w+)(?:=~|!=|=)"', expr))
        assert kept | chosen <= there | {"le"}
        assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= kept


def test_counters_are_rates_and_gauges_are_not(targets):
    for target in targets:
        for function, name in re.findall(r"(\w*)\((akkordeon_\w+)", target["expr"]):
            counts = any(name.endswith(suffix) for suffix in _KINDS)
            assert (function in ("rate", "increase")) == counts, target["expr"]


def test_metrics_with_a_network_label_are_filtered_by_the_chosen_networks(targets, labels):
    for target in targets:
        for name, chosen in re.findall(r"(akkordeon_\w+)(\{[^}]*\})?", target["expr"]):
            assert ('network=~"$network"' in chosen) == ("network" in labels[name])


def test_data_source_and_networks_are_chosen_on_the_page(dashboard, targets):
    known = variables(dashboard)
    assert known["datasource"]["query"] == "prometheus" and known["network"]["multi"]
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(dashboard)))
    assert used == {*known, "__rate_interval", "__range", "__all"}
    assert all(one["datasource"] == _DATASOURCE for one in [*dashboard["panels"], *targets, known["network"]])


def test_every_panel_has_a_title_a_word_on_it_a_unit_and_a_place_of_its_own(dashboard):
    taken = []
    for panel in dashboard["panels"]:
        assert panel["title"] and panel["description"] and panel["fieldConfig"]["defaults"]["unit"]
        if panel["type"] == "timeseries":
            assert panel["fieldConfig"]["defaults"]["custom"]["axisLabel"]
        x, y, w, h = (panel["gridPos"][side] for side in "xywh")
        assert 0 <= x < x + w <= 24
        taken += [(x + right, y + down) for right in range(w) for down in range(h)]
    assert len(set(taken)) == len(taken)
    for one in ("title", "id"):
        assert len({panel[one] for panel in dashboard["panels"]}) == len(dashboard["panels"])


def test_it_asks_nothing_twice_and_belongs_to_no_installation(dashboard, targets):
    assert len({target["expr"] for target in targets}) == len(targets)
    assert dashboard["id"] is None and dashboard["uid"] == "akkordeon"


def test_the_prometheus_configuration_scrapes_a_scheduler_and_workers(deploy_folder):
    told = yaml.safe_load((deploy_folder / "prometheus.yml").read_text(encoding="utf-8"))
    jobs = {job["job_name"]: job for job in told["scrape_configs"]}
    assert jobs.keys() == {"akkordeon-scheduler", "akkordeon-workers"}
    for job in jobs.values():
        (group,) = job["static_configs"]
        assert all(re.fullmatch(r"[\w.]+:\d+", target) for target in group["targets"])
        assert "metrics_path" not in job  # /metrics, as Dask has it


def test_the_readme_has_a_table_of_all_names_with_their_kinds_and_labels(deploy_folder, families):
    section = (deploy_folder / "README.md").read_text(encoding="utf-8").partition("## Prometheus and Grafana\n")[2]
    section = section.partition("\n## ")[0]
    rows = re.findall(r"^\| `(akkordeon_\w+)` \| (\w+) \| ([\w, ]+) \| [^|]+ \|$", section, re.MULTILINE)
    wanted = {
        (one.name + ("_total" if one.type == "counter" else ""), one.type, ", ".join(one._labelnames))
        for one in families
    }
    assert set(rows) == wanted and len(rows) == len(wanted)
    for file in ("`grafana.json`", "`prometheus.yml`", "How it was tested: "):
        assert file in section
