"""What a layer is written with is checked where it is written."""

import numpy as np
import pytest

from akkordeon_dask import nn
from akkordeon_dask.errors import SpecError
from tests.support.for_each import for_each


@for_each("call, said", [
    (lambda: nn.Linear(0, 3), r"nn\.Linear\(0, 3\): in_features is a whole number of at least 1, not 0"),
    (lambda: nn.Linear(3, 2.5), r"nn\.Linear\(3, 2\.5\): .* not 2\.5"),
    (lambda: nn.Linear(3, 2, initializer=0), r"initializer=0\): .* nn\.Zeros\(\), not 0"),
    (lambda: nn.DropConnect(3, -1, 0.5), r"nn\.DropConnect\(3, -1, 0\.5\): .* not -1"),
    (lambda: nn.DropConnect(3, 1, 1.5), r"nn\.DropConnect\(3, 1, 1\.5\): .* below 1"),
    (lambda: nn.Dropout(1), r"nn\.Dropout\(1\): .* at least 0 and below 1"),
    (lambda: nn.Dropout(-0.1), r"nn\.Dropout\(-0\.1\): "),
    (lambda: nn.Dropout(float("nan")), r"rate is a finite number of at least 0 and below 1, not nan"),
    (lambda: nn.Dropout("0.5"), r"rate is a finite number of at least 0 and below 1, not '0\.5'"),
    (lambda: nn.LeakyReLU(1), r"nn\.LeakyReLU\(slope=1\): .* below 1, not 1"),
    (lambda: nn.LeakyReLU(-0.5), r"not -0\.5"),
    (lambda: nn.Scale(0, 0), r"nn\.Scale\(0, 0\): std is a finite number above 0, not 0"),
    (lambda: nn.Scale(0, -1.5), r"std is a finite number above 0, not -1\.5"),
    (lambda: nn.Scale(float("inf"), 1), r"mean is a finite number, not inf"),
    (lambda: nn.Scale(np.zeros(3), 1), r"mean is a finite number, not array"),
    (lambda: nn.Normal(-1), r"nn\.Normal\(std=-1\): .* at least 0, not -1"),
    (lambda: nn.TopK(0), r"nn\.TopK\(0\): .* at least 1, not 0"),
    (lambda: nn.TopK(2.0), r"not 2\.0"),
])  # fmt: skip
def test_a_wrong_value_is_quoted(call, said):
    with pytest.raises(SpecError, match=said):
        call()


@for_each("layer, written", [
    (nn.Linear(4, 3), "nn.Linear(4, 3)"),
    (nn.Linear(4, 3, initializer=nn.Normal(0.1)), "nn.Linear(4, 3, initializer=nn.Normal(std=0.1))"),
    (nn.Linear(4, 3, bias=False, initializer=nn.HeNormal()), "nn.Linear(4, 3, bias=False)"),
    (nn.DropConnect(4, 3, 0.5), "nn.DropConnect(4, 3, 0.5)"),
    (nn.LeakyReLU(), "nn.LeakyReLU()"),
    (nn.Scale(mean=33.3, std=78.6), "nn.Scale(33.3, 78.6)"),
    (nn.Scale(mean=np.float64(33.3), std=np.float32(0.5)), "nn.Scale(33.3, 0.5)"),
    (nn.Scale(np.int64(2), 78), "nn.Scale(2, 78)"),
    (nn.Dropout(np.float64(0.25)), "nn.Dropout(0.25)"),
    (nn.TopK(5), "nn.TopK(5)"),
    (nn.SoftmaxCrossEntropy(), "nn.SoftmaxCrossEntropy()"),
])  # fmt: skip
def test_a_value_prints_as_it_was_written(layer, written):
    assert repr(layer) == written
    assert eval(written, {"nn": nn}) == layer


def test_a_value_cannot_be_changed():
    with pytest.raises(AttributeError):
        nn.Dropout(0.5).rate = 0.1
