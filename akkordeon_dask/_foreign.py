"""What to write instead of an object that is none of ours, where users often give it."""

__all__ = ["instead"]

_TORCH = (
    ("torch.optim.optimizer.Optimizer", "write akkordeon_dask.torch.TorchOptimizer(torch.optim.AdamW, lr=0.001)"),
    ("torch.nn.modules.loss._Loss", "losses are those of akkordeon_dask.nn, or a subclass of nn.Loss"),
    ("torch.utils.data.dataset.TensorDataset", "write data.arrays(*dataset.tensors), or give a DataLoader of it"),
    ("torch.utils.data.dataset.Dataset", "give a loader, torch.utils.data.DataLoader(dataset, batch_size=32)"),
    ("torch.utils.data.dataloader._BaseDataLoaderIter", "give the DataLoader itself, without iter()"),
    ("torch.nn.modules.module.Module", "write akkordeon_dask.torch.TorchModule(module), which is a layer"),
)
"""The name of a class of PyTorch, which is not imported for this, and the remedy; the first that suits."""


def instead(value: object) -> str:
    """What to write instead of a value, after a colon; empty where nothing is known of it.

    Examples
    --------
    >>> instead(dict)
    ': a class is called first, dict(...)'
    >>> instead(1)
    ''
    """
    kind = value if isinstance(value, type) else type(value)
    if getattr(value, "__module__", None) == "torch.nn.functional" and not isinstance(value, type):
        return ": losses are those of akkordeon_dask.nn, e.g. nn.SoftmaxCrossEntropy() for cross_entropy"
    names = [f"{base.__module__}.{base.__qualname__}" for base in kind.__mro__]
    for name, remedy in _TORCH:
        if name in names:
            return f": {remedy}"
    return f": a class is called first, {kind.__name__}(...)" if isinstance(value, type) else ""
