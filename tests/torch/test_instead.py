"""Who gives what is PyTorch's where ours is taken reads what to write."""

import pytest
import torch

from akkordeon_dask import Gate, Sentinel, data, nn, optim
from akkordeon_dask._foreign import instead
from akkordeon_dask.errors import SpecError


class OfAUser(torch.nn.Linear):
    """A subclass, as users write them."""


MODULE = OfAUser(4, 3)
TRAIN = data.arrays([[0.0]], [0])


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: nn.Flatten() >> MODULE, r"nn\.Flatten\(\) >> takes a layer, not .*TorchModule\("),
        (lambda: MODULE >> nn.Flatten(), r">> nn\.Flatten\(\) takes a layer, not .*TorchModule\("),
        (lambda: Gate(MODULE, optim.SGD(0.1)), r"a gate's layers .*TorchModule\("),
        (lambda: Gate(OfAUser, optim.SGD(0.1)), r"a gate's layers .*TorchModule\("),
        (lambda: nn.Chain([MODULE]), r"TorchModule\("),
        (lambda: nn.Residual(MODULE), r"TorchModule\("),
        (lambda: nn.Parallel([MODULE]), r"TorchModule\("),
        (lambda: Gate(nn.ReLU(), torch.optim.AdamW), r"a gate's optimizer .*TorchOptimizer\("),
        (lambda: Gate(nn.ReLU(), torch.optim.SGD(MODULE.parameters())), r"(?s)a gate's optimizer .*TorchOptimizer\("),
        (lambda: Sentinel("train", TRAIN, loss=torch.nn.MSELoss()), r"a sentinel's loss .*of akkordeon_dask\.nn"),
    ],
)
def test_the_error_names_what_takes_it(call, said):
    with pytest.raises(SpecError, match=said):
        call()


def test_of_anything_else_nothing_is_said():
    assert [instead(value) for value in (torch.ones(2), 1, "relu", None, nn.ReLU())] == [""] * 5
