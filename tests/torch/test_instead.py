"""Who gives what is PyTorch's where ours is taken reads what to write."""

import pickle

import pytest
import torch
from torch.utils.data import DataLoader, Subset, TensorDataset

from akkordeon_dask import Gate, Sentinel, data, nn, optim
from akkordeon_dask._foreign import instead
from akkordeon_dask.errors import DataError, SpecError
from akkordeon_dask.torch import TorchOptimizer


class OfAUser(torch.nn.Linear):
    """A subclass, as users write them."""


def adam():
    return torch.optim.Adam(MODULE.parameters())


MODULE = OfAUser(4, 3)
SAMPLES = TensorDataset(torch.zeros(4, 2), torch.zeros(4))
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
        (
            lambda: TorchOptimizer(torch.optim.Adam, MODULE.parameters()),
            r"TorchOptimizer\(torch\.optim\.Adam\) takes options by their names.*given by its gate",
        ),
        (lambda: TorchOptimizer(torch.optim.Adam, params=[]), "given by its gate"),
        (lambda: TorchOptimizer(torch.optim.Adam, lr=lambda count: 0.1), r"a Schedule .* optim\.Cosine\("),
        (
            lambda: TorchOptimizer(torch.optim.Adam, lr=torch.optim.lr_scheduler.StepLR(adam(), 3)),
            r"a Schedule .* optim\.Cosine\(",
        ),
        (
            lambda: Sentinel("train", TRAIN, loss=torch.nn.functional.cross_entropy),
            r"a sentinel's loss .*nn\.SoftmaxCrossEntropy\(\)",
        ),
        (lambda: Sentinel("train", TRAIN, loss=torch.nn.MSELoss()), r"a sentinel's loss .*of akkordeon_dask\.nn"),
    ],
)
def test_the_error_names_what_takes_it(call, said):
    with pytest.raises(SpecError, match=said):
        call()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Sentinel.train(SAMPLES), r"data\.arrays\(\*dataset\.tensors\)"),
        (lambda: data.stream(Subset(SAMPLES, [0])), r"torch\.utils\.data\.DataLoader\(dataset"),
        (lambda: pickle.dumps(data.stream(iter(DataLoader(SAMPLES)))), r"the DataLoader itself, without iter\(\)"),
    ],
)
def test_the_error_of_a_dataset_names_its_loader(make, said):
    with pytest.raises(DataError, match=said):
        make()


def test_of_anything_else_nothing_is_said():
    assert [instead(value) for value in (torch.ones(2), 1, "relu", None, nn.ReLU())] == [""] * 5
