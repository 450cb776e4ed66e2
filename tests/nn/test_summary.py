"""A chain and a network as tables."""

import numpy as np
import pytest

from akkordeon_dask import Gate, nn, optim
from akkordeon_dask.errors import ShapeError
from akkordeon_dask.tree import size

SGD = optim.SGD(0.1)
NETWORK = (
    Gate(nn.Scale(33.3, 78.6) >> nn.Linear(784, 50) >> nn.ReLU(), SGD)
    | Gate(nn.Chain([nn.Linear(50, 20) >> nn.Tanh(), nn.DropConnect(20, 20, 0.5, bias=False)]), SGD, name="middle")
    | Gate(nn.Linear(20, 10), SGD)
)
CHAINS = [gate.chain for gate in NETWORK] + [nn.Chain(gate.chain for gate in NETWORK)]
IMAGES = nn.Scale(0.5, 2) >> nn.Flatten() >> nn.Linear(6, 5) >> nn.ReLU()


class Watching(nn.ReLU):
    """Three numbers are trained, four are observed."""

    def init(self, rng, dtype=np.float32):
        return {"gain": np.ones(3, dtype), "statistics": {"mean": np.zeros(4, dtype)}}


def table(text) -> dict[str, list[str]]:
    """The cells of each row by its index, cut where the header says."""
    header, *lines = text.splitlines()
    layer, shape = header.index("layer"), header.index("output shape")
    behind = header.index("parameters") + len("parameters")
    rows = {}
    for line in lines:
        said, parameters = line[shape:behind].rsplit(maxsplit=1)
        rows[line[:layer].strip()] = [line[layer:shape].rstrip(), said.rstrip(), parameters, line[behind:].strip()]
    return rows


def number(cell) -> int:
    return int(cell.replace(",", ""))


@pytest.mark.parametrize("chain", CHAINS, ids=repr)
def test_the_total_is_that_of_the_chain_and_of_its_layers(chain):
    rows = table(chain.summary())
    params = chain.init(np.random.default_rng(0))
    total = rows.pop("total")
    assert number(total[2]) == size(params) == sum(number(rows[str(position)][2]) for position in range(len(chain)))
    costs = [number(rows[str(position)][3]) for position in range(len(chain))]
    assert number(total[3]) == chain.multiply_adds(None) == sum(costs)
    assert total[1] == str(chain.output_shape(chain.input_shape))


def test_a_row_has_the_layer_as_written_and_its_output_shape():
    rows = table(NETWORK[0].chain.summary())
    assert rows["1"] == ["nn.Linear(784, 50)", "(50,)", "39,250", "39,200"]
    assert rows["2"] == ["nn.ReLU()", "(50,)", "0", "50"]
    assert list(rows) == ["0", "1", "2", "total"]


def test_a_network_groups_its_layers_by_gates():
    rows = table(NETWORK.summary())
    assert " ".join(rows) == ("g0 g0.0 g0.1 g0.2 middle middle.0 middle.0.0 middle.0.1 middle.1 g2 g2.0 total")
    for name, gate, cost in zip(NETWORK.names, NETWORK, NETWORK.multiply_adds(), strict=True):
        assert number(rows[name][2]) == size(gate.chain.init(np.random.default_rng(0)))
        assert number(rows[name][3]) == cost
    assert number(rows["total"][2]) == NETWORK.parameter_count
    assert number(rows["total"][3]) == sum(NETWORK.multiply_adds())


def test_a_chain_in_a_chain_is_a_line_with_its_layers_indented():
    rows = table(NETWORK[1].chain.summary())
    assert [rows[index][0] for index in ("0", "0.0", "0.1", "1")] == [
        "2 layers", "  nn.Linear(50, 20)", "  nn.Tanh()", "nn.DropConnect(20, 20, 0.5, bias=False)",
    ]  # fmt: skip
    assert rows["0"][1:] == ["(20,)", "1,020", "1,020"]


def test_an_entry_that_depends_on_an_unknown_extent_is_a_question_mark():
    rows = table(IMAGES.summary())
    assert [rows[index][1] for index in rows] == ["?", "?", "(5,)", "(5,)", "(5,)"]
    assert [rows[index][3] for index in rows] == ["?", "?", "30", "5", "35 + ?"]
    assert table(nn.Chain([nn.Chain([nn.ReLU()])]).summary())["0"] == ["1 layer", "?", "0", "?"]


def test_a_given_shape_fills_in_the_question_marks():
    rows = table(IMAGES.summary((2, 3)))
    assert [rows[index][1] for index in rows] == ["(2, 3)", "(6,)", "(5,)", "(5,)", "(5,)"]
    assert number(rows["total"][3]) == IMAGES.multiply_adds((2, 3)) == 6 + 30 + 5
    gates = Gate(IMAGES[:2], SGD) | Gate(IMAGES[2:], SGD)
    assert table(gates.summary((2, 3)))["total"] == rows["total"]


def test_only_what_is_trained_is_counted():
    rows = table((nn.Linear(3, 3) >> Watching()).summary())
    assert (rows["1"][2], rows["total"][2]) == ("3", "15")


def test_long_layers_are_cut_and_the_columns_stay_straight():
    chain = nn.Linear(10_000, 3, initializer=nn.Normal(0.123456789)) >> nn.Linear(3, 1_000)
    lines = chain.summary().splitlines()
    assert len({len(line) for line in lines}) == 1
    assert "nn.Linear(10000, 3, initializer=nn.Normal(std..." in lines[1]
    assert {line.index("(") for line in lines[1:3]} == {lines[1].index("(")}


def test_a_shape_that_does_not_fit_is_refused():
    with pytest.raises(ShapeError, match="takes 6 features, not 8"):
        IMAGES.summary((2, 4))
    with pytest.raises(ShapeError, match=r"^gate 'g0' cannot work on 7 features"):
        NETWORK.summary((7,))
