"""PyTorch modules as layers, and its optimizers: `pip install 'akkordeon_dask[torch]'`."""

try:
    import torch as _torch
except ImportError as error:
    raise ImportError("akkordeon_dask.torch needs PyTorch: pip install 'akkordeon_dask[torch]'") from error

from akkordeon_dask.torch._module import TorchModule
from akkordeon_dask.torch._optimizer import TorchOptimizer
from akkordeon_dask.torch._random import torch_seed
from akkordeon_dask.torch._split import split_module
from akkordeon_dask.torch._state_dict import state_dict

__all__ = ["TorchModule", "TorchOptimizer", "split_module", "state_dict", "torch_seed"]

del _torch
