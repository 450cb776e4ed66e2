"""Laws of partly known shapes: known extents are right, however few they are."""

from itertools import product

from hypothesis import assume, given
from hypothesis import strategies as st

from akkordeon_dask import nn
from akkordeon_dask.errors import ShapeError
from tests.support.for_each import for_each
from tests.support.layer_cases import CASES

REFUSED = "refused"
few, sizes = st.integers(1, 3), st.integers(1, 8)
plain = st.one_of(
    st.builds(nn.Conv2d, few, few, few, stride=few, padding=st.integers(0, 1)),
    st.builds(nn.MaxPool2d, few, stride=st.none() | few),
    st.builds(nn.AvgPool2d, st.tuples(few, few)),
    st.builds(nn.BatchNorm2d, few),
    st.builds(nn.BatchNorm1d, few),
    st.builds(nn.LayerNorm, st.tuples(few, sizes, sizes) | few),
    st.builds(nn.Linear, sizes, sizes),
    st.builds(nn.Reshape, st.just((1, -1)) | st.tuples(few, few, few)),
    st.builds(nn.Embedding, sizes, few),
    st.sampled_from([nn.ReLU(), nn.Softmax(), nn.GlobalAvgPool2d(), nn.Flatten()]),
)
shapes = st.tuples(few, sizes, sizes) | st.tuples(sizes)


def shape_behind(layers, shape):
    """Layer by layer, as no chain can be asked that was refused."""
    try:
        for layer in layers:
            shape = layer.output_shape(shape)
    except ShapeError:
        return REFUSED
    return shape


def compatible(known, shape):
    if known is None:
        return True
    return len(known) == len(shape) and all(a in (None, b) for a, b in zip(known, shape, strict=True))


def hidden(shape):
    """The shape with none, some and all of its extents unknown; and unknown."""
    yield None
    yield from product(*((extent, None) for extent in shape))


@st.composite
def layers(draw, inner=plain):
    """A layer, or several in one; those that cannot be written are left out."""
    several = draw(st.lists(inner, min_size=1, max_size=3))
    kind = draw(st.sampled_from([nn.Chain, lambda some: nn.Residual(*some[:2]), nn.Parallel, side_by_side]))
    try:
        return kind(several)
    except ShapeError:
        return several[0]


def side_by_side(some):
    return nn.Parallel(some, "concatenate", len(some) % 2)


def completed(layer, shape):
    """The shape, completed by the one that the layer asks for."""
    asks = layer.input_shape
    return shape if asks is None else tuple(n or m for n, m in zip(asks, (*shape, 4, 4), strict=False))


@given(plain | layers() | layers(layers()), shapes, st.sampled_from([completed, lambda _, shape: shape]))
def test_known_extents_of_an_output_are_right_and_refused_shapes_never_fit(layer, shape, aim):
    shape = aim(layer, shape)
    behind = shape_behind([layer], shape)
    assume(behind != REFUSED)
    assert compatible(layer.input_shape, shape)
    for known in hidden(shape):
        seen = shape_behind([layer], known)
        assert seen != REFUSED and compatible(seen, behind)
        assert 0 <= layer.multiply_adds(known) <= layer.multiply_adds(shape)


@given(st.lists(plain | layers(), min_size=2, max_size=4), shapes)
def test_a_chain_that_is_refused_when_written_fits_no_shape(several, shape):
    shape = completed(several[0], shape)
    try:
        chain = nn.Chain(several)
    except ShapeError:
        assert shape_behind(several, shape) == REFUSED
        return
    behind = shape_behind(several, shape)
    assert behind == REFUSED or compatible(chain.output_shape(None), behind)


@for_each("case", CASES)
def test_a_layer_never_knows_less_of_its_output_for_more_of_its_input(case):
    behind = case.layer.output_shape(case.shape)
    for known in hidden(case.shape):
        assert compatible(case.layer.output_shape(known), behind)
        assert 0 <= case.layer.multiply_adds(known) <= case.layer.multiply_adds(case.shape)
    assert compatible(case.layer.input_shape, case.shape)
