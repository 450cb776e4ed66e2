"""Partly known shapes: shapes that cannot fit are refused when they are written, unknown ones never."""

import pytest

from akkordeon_dask import Gate, nn, optim
from akkordeon_dask.errors import ShapeError
from tests.support.for_each import for_each

SGD = optim.SGD(0.1)
LENET = (
    nn.Conv2d(1, 6, 5, padding=2) >> nn.Tanh() >> nn.MaxPool2d(2)
    >> nn.Conv2d(6, 16, 5) >> nn.BatchNorm2d(16) >> nn.ReLU() >> nn.AvgPool2d(2)
    >> nn.Flatten() >> nn.Linear(400, 120) >> nn.ReLU() >> nn.Linear(120, 10)
)  # fmt: skip


class Halved(nn.ReLU):
    """A user's layer that knows shapes in full or not at all."""

    def output_shape(self, shape):
        return None if shape is None else (shape[0], shape[1] // 2, shape[2] // 2)

    def multiply_adds(self, shape):
        return 0 if shape is None else shape[0] * shape[1] * shape[2]


class Tiled(nn.Conv2d):
    """A user's layer around one of ours, of which it expects the same."""

    def output_shape(self, shape):
        behind = super().output_shape(shape)
        return None if behind is None else (behind[0], behind[1] * behind[2])


class Wrong(nn.ReLU):
    """A user's mistake."""

    def output_shape(self, shape):
        return None if shape is None else (shape[0] + "1",)


def gate(layers, **options):
    return Gate(layers, SGD, **options)


def branches(one, other):
    """From 3 channels to 6, and to 5, with a layer behind each convolution."""
    return [nn.Conv2d(3, 6, 1) >> one, nn.Conv2d(3, 5, 3, padding=1) >> other]


@for_each("write, said", [
    (lambda: nn.Conv2d(1, 6, 5) >> nn.Conv2d(5, 16, 5),
     r"^layer 1 nn\.Conv2d\(5, 16, 5\) cannot follow nn\.Conv2d\(1, 6, 5\): .* takes 5 channels, not 6 .*\?\)\)$"),
    (lambda: nn.Conv2d(1, 6, 5) >> nn.ReLU() >> nn.MaxPool2d(2) >> nn.Dropout(0.1) >> nn.Conv2d(5, 16, 5),
     r"^layer 4 nn\.Conv2d\(5, 16, 5\) cannot follow nn\.Dropout\(0\.1\): .* takes 5 channels, not 6"),
    (lambda: nn.Conv2d(1, 6, 5) >> nn.BatchNorm2d(5), r"takes samples of shape \(5, \?, \?\), not \(6, \?, \?\)$"),
    (lambda: nn.BatchNorm2d(5) >> nn.Conv2d(6, 2, 3), r"takes 6 channels, not 5"),
    (lambda: nn.Conv2d(1, 6, 5) >> nn.BatchNorm1d(6), r"takes samples of shape \(6,\), not \(6, \?, \?\)$"),
    (lambda: nn.Conv2d(1, 6, 5) >> nn.LayerNorm((5, 8, 8)), r"shape \(5, 8, 8\), not \(6, \?, \?\)$"),
    (lambda: nn.BatchNorm2d(6) >> nn.LayerNorm((6, 8, 8)) >> nn.MaxPool2d(9), r"larger than images of 8 x 8"),
    (lambda: nn.Conv2d(1, 6, 5) >> nn.Linear(6, 2), r"6 features, not samples of shape \(6, \?, \?\): put nn\.Flatten"),
    (lambda: nn.Conv2d(1, 6, 5) >> nn.GlobalAvgPool2d() >> nn.Linear(5, 2), r"takes 5 features, not 6$"),
    (lambda: nn.GlobalAvgPool2d().output_shape((None, None)), r"put nn\.Reshape.* samples have shape \(\?, \?\)$"),
    (lambda: nn.MaxPool2d(5).output_shape((3, None, 4)), r"a window that is larger than images of \? x 4"),
    (lambda: nn.Linear(3, 2) >> nn.Conv2d(3, 2, 1), r"put nn\.Reshape.* samples have shape \(2,\)$"),
    (lambda: nn.Residual(nn.Conv2d(1, 6, 1)), r"gives \(6, \?, \?\), its input is \(1, \?, \?\): give a projection$"),
    (lambda: nn.Residual(nn.Conv2d(1, 6, 1), nn.Conv2d(1, 5, 1)), r"the projection gives \(5, \?, \?\)$"),
    (lambda: nn.Residual(nn.Conv2d(1, 6, 1), nn.Conv2d(2, 6, 1)), r"what goes into nn\.Conv2d\(1, .* channels, not 1"),
    (lambda: nn.Parallel(branches(nn.ReLU(), nn.MaxPool2d(3))),
     r"branch 0 gives \(6, \?, \?\), branch 1 gives \(5, \?, \?\), which cannot be added$"),
    (lambda: nn.Parallel(branches(nn.ReLU(), nn.GlobalAvgPool2d()), "concatenate"),
     r"branch 0 gives \(6, \?, \?\), branch 1 gives \(5,\), which cannot be concatenated along axis 0$"),
    (lambda: nn.Parallel(branches(nn.ReLU(), nn.Tanh()), "concatenate", 1), r"be concatenated along axis 1$"),
    (lambda: nn.Parallel(branches(nn.ReLU(), nn.Tanh()), "concatenate", 3), r"\(6, \?, \?\), which have no axis 3$"),
    (lambda: nn.Parallel(branches(nn.ReLU(), nn.Tanh()), "concatenate") >> nn.Conv2d(6, 1, 1), r"channels, not 11"),
])  # fmt: skip
def test_shapes_that_cannot_fit_are_refused_when_they_are_written(write, said):
    with pytest.raises(ShapeError, match=said):
        write()


def test_extents_that_different_branches_know_are_held_against_one_another():
    with pytest.raises(ShapeError, match=r"branch 1 gives \(2, 3, 4\), branch 2 gives \(2, 3, 5\), .* added"):
        nn.Parallel([nn.Conv2d(2, 2, 1), nn.Reshape((2, 3, 4)), nn.Reshape((2, 3, 5))])
    side_by_side = nn.Parallel([nn.BatchNorm2d(2), nn.LayerNorm((2, 3, 4))], "concatenate")
    assert side_by_side.input_shape == (2, 3, 4) and side_by_side.output_shape((2, None, 4)) == (4, 3, 4)


@pytest.mark.parametrize(("front", "behind", "said"), [
    (nn.Conv2d(1, 6, 5), nn.Conv2d(5, 16, 5),
     r"^gate 'b' takes samples of shape \(5, \?, \?\), gate 'a' gives samples of shape \(6, \?, \?\): .* 5 channels"),
    (nn.Conv2d(1, 6, 5), nn.MaxPool2d(2) >> nn.Conv2d(5, 16, 5),
     r"^gate 'b' cannot follow, gate 'a' gives samples of shape \(6, \?, \?\): layer 1 .* takes 5 channels, not 6"),
    (nn.Conv2d(1, 6, 5) >> nn.GlobalAvgPool2d(), nn.Linear(5, 2), r"^gate 'b' takes 5 features, gate 'a' gives 6: "),
    (nn.Conv2d(1, 6, 5), nn.Linear(6, 2), r"^gate 'b' takes 6 features, gate 'a' gives samples of shape \(6, \?, \?\)"),
])  # fmt: skip
def test_gates_that_cannot_follow_one_another_are_named(front, behind, said):
    with pytest.raises(ShapeError, match=said):
        gate(front, name="a") | gate(behind, name="b")


@for_each("layer, takes, gives", [
    (nn.Conv2d(1, 6, 5), (1, None, None), (6, None, None)),
    (nn.BatchNorm2d(6), (6, None, None), (6, None, None)),
    (nn.ReLU() >> nn.BatchNorm2d(6) >> nn.Conv2d(6, 2, 1), (6, None, None), (2, None, None)),
    (nn.BatchNorm2d(6) >> nn.LayerNorm((6, 4, 4)) >> nn.AvgPool2d(2), (6, 4, 4), (6, 2, 2)),
    (nn.MaxPool2d(2), None, None),
    (nn.GlobalAvgPool2d(), None, None),
    (nn.Conv2d(1, 6, 5) >> nn.GlobalAvgPool2d(), (1, None, None), (6,)),
    (nn.Conv2d(1, 6, 5) >> nn.Flatten(), (1, None, None), None),
    (nn.Conv2d(1, 6, 5) >> nn.Flatten() >> nn.Linear(7, 2), (1, None, None), (2,)),
    (nn.Conv2d(1, 6, 5) >> nn.Reshape((3, 7)), (1, None, None), (3, 7)),
    (nn.Residual(nn.Conv2d(6, 6, 3, padding=1) >> nn.BatchNorm2d(6)), (6, None, None), (6, None, None)),
    (nn.Parallel([nn.Conv2d(3, 6, 1), nn.MaxPool2d(1), nn.LayerNorm((3, 4, 4))], "concatenate"), (3, 4, 4), (12, 4, 4)),
    (nn.Parallel([nn.Conv2d(3, 6, 1), nn.Conv2d(3, 6, 1)], "concatenate", 1), (3, None, None), (6, None, None)),
    (nn.Parallel([nn.Conv2d(3, 6, 1), nn.Conv2d(3, 5, 3)], "concatenate"), (3, None, None), (11, None, None)),
    (LENET, (1, None, None), (10,)),
])  # fmt: skip
def test_an_unknown_shape_stays_unknown(layer, takes, gives):
    assert layer.input_shape == takes and layer.output_shape(None) == gives


def test_a_pool_keeps_the_side_that_is_known():
    assert nn.MaxPool2d(2).output_shape((6, None, 9)) == (6, None, 4)
    assert nn.AvgPool2d(2).output_shape((None, 8, None)) == (None, 4, None)
    assert nn.GlobalAvgPool2d().output_shape((None, 8, 8)) == (None,)
    assert nn.Linear(3, 1).output_shape((None,)) == (1,) and nn.Embedding(9, 2).output_shape((None,)) == (None, 2)


def test_costs_that_depend_on_unknown_extents_are_open():
    network = gate(LENET[:4]) | gate(LENET[4:])
    assert network.input_shape == (1, None, None)
    assert network.multiply_adds() == (0, 400 * 120 + 120 + 120 * 10)
    lines = network.summary().splitlines()
    assert [line.rsplit("  ", 1)[-1].strip() for line in lines[1:6]] == ["?"] * 5
    assert "(16, ?, ?)" in lines[5] and lines[-1].endswith(" 49,320 + ?")
    assert "?" not in network.summary((1, 28, 28))


def test_a_layer_that_knows_whole_shapes_only_says_unknown_for_others():
    beside = nn.Parallel([Halved(), nn.Conv2d(6, 6, 2, stride=2)])
    assert beside.output_shape(None) == (6, None, None) and beside.multiply_adds(None) == 0
    for layer in (Halved(), beside, nn.Residual(nn.Chain([Halved()]), nn.MaxPool2d(2))):
        chain = nn.Conv2d(1, 6, 5) >> layer >> nn.Conv2d(6, 2, 3)
        assert chain.output_shape((1, 12, 12)) == (2, 2, 2) and chain.output_shape(None) == (2, None, None)
        assert chain.multiply_adds(None) == 0 < chain.multiply_adds((1, 12, 12)) and "?" in chain.summary()
    tiled = Tiled(1, 6, 5) >> nn.Flatten() >> nn.Linear(6 * 64, 2)
    assert tiled.output_shape((1, 12, 12)) == tiled.output_shape(None) == (2,)


def test_a_mistake_with_a_whole_shape_is_not_hidden():
    chain = nn.Conv2d(1, 6, 5) >> Wrong()
    with pytest.raises(TypeError):
        chain.output_shape((1, 12, 12))
