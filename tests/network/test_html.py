"""A network in a notebook."""

import pytest

from akkordeon_dask import Gate, beside, nn, optim
from akkordeon_dask.network import Network
from tests.support.fake_heartbeats import HOSTILE
from tests.support.html_page import Page

SGD = optim.SGD(0.05)


def test_each_gate_has_a_row_as_it_was_written_with_numbers_and_shape():
    first = Gate(nn.Linear(784, 50) >> nn.ReLU(), SGD, workers="alice")
    page = Page((first | Gate(nn.Linear(50, 10), SGD, beside("g0"), resources={"GPU": 1}))._repr_html_())
    header, *rows = page.rows
    assert header == ["gate", "layers", "optimizer", "workers", "parameters", "output shape"]
    assert rows == [
        ["g0", "nn.Linear(784, 50) >> nn.ReLU()", "optim.SGD(0.05)", "alice", "39,250", "(50,)"],
        ["g1", "nn.Linear(50, 10)", "optim.SGD(0.05)", "beside('g0'), GPU 1", "510", "(10,)"],
    ]
    assert "2 gates, 39,760 parameters, takes (784,)" in page.text


def test_what_is_not_known_is_a_question_mark():
    page = Page(Network([Gate(nn.ReLU(), SGD)])._repr_html_())
    assert page.rows[1] == ["g0", "nn.ReLU()", "optim.SGD(0.05)", "any", "0", "?"]


@pytest.mark.parametrize("options", [{"name": HOSTILE}, {"workers": HOSTILE}])
def test_hostile_words_are_text(options):
    page = Page(Network([Gate(nn.Linear(2, 2), SGD, **options)])._repr_html_())
    assert "img" not in page.names
    assert HOSTILE in page.rows[1]


def test_the_rows_add_up_to_the_network():
    network = Gate(nn.Linear(6, 5) >> nn.BatchNorm1d(5), SGD) | Gate(nn.Linear(5, 3), SGD)
    assert sum(gate.parameter_count for gate in network) == network.parameter_count
