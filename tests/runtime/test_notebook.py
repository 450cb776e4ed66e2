"""A running network in a notebook: what the client knows, without asking anybody."""

import pytest
from distributed import Client

from akkordeon_dask import Gate, nn
from tests.support.fake_heartbeats import HOSTILE
from tests.support.html_page import Page
from tests.support.patience import PATIENCE
from tests.support.small_networks import NETWORK, SGD, train


@pytest.fixture
def alone(monkeypatch):
    """A function that reads a network's HTML while nobody can be asked."""

    def asks(*args, **options):
        raise AssertionError("somebody was asked")

    def read(running):
        with monkeypatch.context() as patch:
            patch.setattr(Client, "sync", asks)
            patch.setattr("distributed.client.sync", asks)
            return Page(running.plain._repr_html_())

    return read


def test_it_shows_gates_with_workers_and_sentinels_with_their_newest_pass(user, alone):
    with user.deploy(NETWORK, name="shown") as running:
        running.attach(train(epochs=2, name="tdp"))
        newest = running.wait(timeout=PATIENCE)[-1]
        page = alone(running)
        assert ["g0", running.placement["g0"]] in page.rows and ["g1", running.placement["g1"]] in page.rows
        (row,) = [row for row in page.rows if row[0] == "tdp"]
        assert (row[1], row[3], row[4], row[5]) == ("train", "resting", "2", f"{newest.loss:.6f}")
        assert "running, owner" in page.text
        (link,) = page.resources
        assert link.startswith("http://") and link.endswith("/akkordeon?network=shown")
    closed = alone(running)
    assert "closed" in closed.text and closed.resources == []


def test_a_guest_is_called_one_and_a_sentinel_without_a_pass_has_no_figures(user, alone):
    with user.deploy(NETWORK, name="shared"), user.connect("shared") as guest:
        assert "no sentinels" in alone(guest).text
        guest.attach(train(name="tdp", epochs=1))
        assert "guest" in alone(guest).text


def test_hostile_names_are_text_and_part_of_no_other_link(user, alone):
    name = f"{HOSTILE}&x=\"'"
    with user.deploy(Gate(nn.Linear(6, 3), SGD, name=HOSTILE), name=name) as running:
        running.attach(train(name=f"{HOSTILE}2"))
        page = alone(running)
    assert "img" not in page.names
    assert sorted(row[0] for row in page.rows) == sorted(["gate", HOSTILE, "sentinel", f"{HOSTILE}2"])
    assert name in page.text
    (link,) = page.resources
    assert link.endswith("?network=%3Cimg%20src%3Dx%20onerror%3Dalert%281%29%3E%26x%3D%22%27")
