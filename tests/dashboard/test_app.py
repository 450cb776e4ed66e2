"""Two ways to the page, on schedulers that run as programs: a preload, and the first network that is deployed."""

import json
from contextlib import ExitStack
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from akkordeon_dask import deploy
from tests.support.dashboard_clusters import PRELOAD, started_cluster, started_scheduler
from tests.support.patience import PATIENCE
from tests.support.small_networks import NETWORK, train

PANES = (
    *("graph", "progress", "throughput", "busy", "traffic", "delays", "in-flight", "versions", "loss", "scores"),
    *("passes", "troubles", "confusion", "mistakes"),
)
MENU = '<a href="akkordeon">Akkordeon</a>'
PREFIXES = pytest.mark.parametrize("prefix", ["", "/foo"], ids=["plain", "prefix"])


def fetched(scheduler, page):
    """The scheduler's answer, as text; a status other than 200 is an error."""
    with urlopen(scheduler.url(page), timeout=PATIENCE) as answer:
        return answer.read().decode()


def individual_plots(scheduler):
    """The names of our panes in the addresses that JupyterLab reads."""
    listed = json.loads(fetched(scheduler, "individual-plots.json"))
    return {address.removeprefix("/individual-akkordeon-") for address in listed.values() if "akkordeon-" in address}


def times_served(client):
    """How many of the dashboard's applications have the page."""
    return client.run_on_scheduler(
        lambda dask_scheduler: sum(
            "/akkordeon" in getattr(app, "app_paths", ()) for app in dask_scheduler.http_application.applications
        )
    )


def assert_shown(scheduler):
    """The page and its panes are there, and the menu of all pages has it once."""
    for page in ("akkordeon", "status"):
        assert fetched(scheduler, page).count(MENU) == 1
    for word in PANES:
        assert f"<title>Dask: Akkordeon {word}</title>" in fetched(scheduler, f"individual-akkordeon-{word}")


@PREFIXES
def test_a_preload_gives_the_page_its_menu_entry_and_its_panes_before_any_network(prefix):
    with started_scheduler(*PRELOAD, prefix=prefix) as scheduler:
        assert_shown(scheduler)
        assert individual_plots(scheduler) == set(PANES)


@PREFIXES
def test_the_first_network_adds_the_page_to_a_scheduler_that_runs_and_the_second_does_not(prefix):
    with started_cluster(workers=("alice",), prefix=prefix) as (scheduler, client):
        with pytest.raises(HTTPError, match="404"):
            fetched(scheduler, "akkordeon")
        assert MENU not in fetched(scheduler, "status")
        with deploy(NETWORK, client), deploy(NETWORK, client):
            assert_shown(scheduler)
            assert times_served(client) == 1


def test_a_network_on_a_scheduler_with_the_preload_adds_nothing():
    with started_cluster(*PRELOAD, workers=("alice",)) as (scheduler, client), deploy(NETWORK, client):
        assert_shown(scheduler)
        assert times_served(client) == 1


@pytest.mark.parametrize("options", [(), PRELOAD], ids=["deployed", "preload"])
def test_without_bokeh_networks_train_and_one_line_says_that_the_page_is_missing(options, tmp_path):
    (tmp_path / "bokeh").mkdir()
    (tmp_path / "bokeh" / "__init__.py").write_text('raise ImportError("No module named bokeh, here")')
    with ExitStack() as stack:
        cluster = started_cluster(*options, workers=("alice",), PYTHONPATH=str(tmp_path))
        scheduler, client = stack.enter_context(cluster)
        for _ in range(2):
            running = stack.enter_context(deploy(NETWORK, client))
            running.attach(train(epochs=2))
            assert [report.samples for report in running.wait(timeout=PATIENCE)] == [64, 64]
        with pytest.raises(HTTPError, match="404"):
            fetched(scheduler, "akkordeon")
    said = [line for line in scheduler.program.err if "no page /akkordeon" in line]
    assert len(said) == 1
    assert "No module named bokeh, here" in said[0]
    assert not [line for line in scheduler.program.err if "Traceback" in line or "ERROR" in line]


def test_a_scheduler_without_a_dashboard_trains():
    with ExitStack() as stack:
        scheduler, client = stack.enter_context(started_cluster("--no-dashboard", workers=("alice",)))
        running = stack.enter_context(deploy(NETWORK, client))
        running.attach(train(epochs=1))
        assert len(running.wait(timeout=PATIENCE)) == 1
        with pytest.raises(HTTPError, match="404"):
            fetched(scheduler, "akkordeon")
