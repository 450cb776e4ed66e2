"""Products in bfloat16 with parameters in float32."""

import pickle

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from torch import nn as tnn

from akkordeon_dask.errors import SpecError
from akkordeon_dask.torch import TorchModule
from akkordeon_dask.tree import leaves
from tests.support.for_each import for_each
from tests.torch.modules import Case, Recurrent, SelfAttention, Tied, block, trained_leaves


def has_narrow_lstm():
    """oneDNN has it on processors with AVX512 alone."""
    try:
        with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
            tnn.LSTM(3, 4)(torch.zeros(1, 5, 3))
    except RuntimeError:
        return False
    return True


CASES = [
    Case(TorchModule(tnn.Linear, 4, 3, dtype="bfloat16"), (4,)),
    Case(TorchModule(block, dtype="bfloat16"), (2, 4, 4)),
    Case(TorchModule(tnn.LayerNorm, 6, dtype="bfloat16"), (6,)),
    Case(TorchModule(Recurrent, tnn.LSTM if has_narrow_lstm() else tnn.RNN, 3, 4, dtype="bfloat16"), (5, 3)),
    Case(TorchModule(SelfAttention, 4, 2, dropout=0.3, dtype="bfloat16"), (3, 4)),
    Case(TorchModule(tnn.TransformerEncoderLayer, 4, 2, dim_feedforward=6, batch_first=True, dtype="bfloat16"), (3, 4)),
    Case(TorchModule(Tied, dtype="bfloat16"), (3,), words=7),
]


def passed(case, params, **options):
    y, context = case.forward(params, case.x(5, np.float32), **options)
    return (y, *case.layer.backward(context, case.dy(5, np.float32)))


@for_each("case", CASES)
@for_each("train", [True, False])
def test_everything_that_leaves_the_module_is_float32_and_the_same_each_time(case, train):
    params = case.params(np.float32)
    y, dx, grads = passed(case, params, train=train)
    assert {array.dtype for array in (y, *trained_leaves(grads))} == {np.dtype(np.float32)}
    assert dx.dtype == np.float32
    again, dx_again, grads_again = passed(case, params, train=train)
    for one, other in zip(
        (y, dx, *trained_leaves(grads)), (again, dx_again, *trained_leaves(grads_again)), strict=True
    ):
        assert_array_equal(one, other)


@for_each("case", CASES)
def test_the_numbers_are_those_of_float32_up_to_bfloat16s_digits(case):
    layer, params = case.layer, case.params(np.float32)
    wide = Case(TorchModule(layer.factory, *layer.args, **layer.kwargs), case.shape, case.words)
    assert layer != wide.layer
    for one, other in zip(passed(case, params, train=False), passed(wide, params, train=False), strict=True):
        for narrow, exact in zip(leaves(one, statistics=False), leaves(other, statistics=False), strict=True):
            assert_allclose(narrow, exact, atol=0.1 * max(1, np.abs(exact).max()))


class Lacking(tnn.Linear):
    def forward(self, x):
        raise RuntimeError("could not create a primitive")


def test_a_module_that_the_processor_lacks_in_bfloat16_says_what_to_do():
    layer = TorchModule(Lacking, 4, 3, dtype="bfloat16")
    with pytest.raises(RuntimeError) as caught:
        layer.forward(layer.init(np.random.default_rng(0)), np.zeros((2, 4), np.float32))
    assert "not every processor has for every module: leave dtype= out" in "".join(caught.value.__notes__)


def test_a_product_is_torchs_in_bfloat16_bit_for_bit():
    case = CASES[0]
    params = case.params(np.float32)
    y, dx, grads = passed(case, params)
    x = torch.from_numpy(case.x(5, np.float32).copy()).requires_grad_()
    w, b = (torch.from_numpy(params[name].copy()).requires_grad_() for name in ("weight", "bias"))
    expected = tnn.functional.linear(x.bfloat16(), w.bfloat16(), b.bfloat16())
    assert not torch.equal(expected.float(), tnn.functional.linear(x, w, b))
    expected.float().backward(torch.from_numpy(case.dy(5, np.float32).copy()))
    for found, tensor in ((y, expected.float()), (dx, x.grad), (grads["weight"], w.grad), (grads["bias"], b.grad)):
        assert_array_equal(found, tensor.detach().numpy())


def test_the_dtype_is_a_part_of_the_value():
    layer = TorchModule(tnn.Linear, 4, 3, dtype="bfloat16")
    assert repr(layer) == "TorchModule(torch.nn.Linear, 4, 3, dtype='bfloat16')"
    assert pickle.loads(pickle.dumps(layer)) == layer != TorchModule(tnn.Linear, 4, 3)


@pytest.mark.parametrize("dtype", ["float16", torch.bfloat16, "int8"], ids=str)
def test_another_dtype_is_refused(dtype):
    with pytest.raises(SpecError, match="TorchModule's dtype is 'bfloat16' or None, not"):
        TorchModule(tnn.Linear, 4, 3, dtype=dtype)
