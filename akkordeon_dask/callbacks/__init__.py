"""Callbacks: reactions to finished passes, such as early stopping.

`running.wait(callbacks=[...])` takes them for as long as it waits, `running.add_callback` from now on. A plain function
of a `PassReport` is a callback too.
"""

from akkordeon_dask.callbacks._callback import Callback, Training, Weights
from akkordeon_dask.callbacks._early_stopping import EarlyStopping
from akkordeon_dask.callbacks._function import as_callback, as_callbacks
from akkordeon_dask.callbacks._model_checkpoint import ModelCheckpoint
from akkordeon_dask.callbacks._monitored import Monitored
from akkordeon_dask.callbacks._reduce_lr_on_plateau import ReduceLROnPlateau

__all__ = [
    "Callback",
    "EarlyStopping",
    "ModelCheckpoint",
    "Monitored",
    "ReduceLROnPlateau",
    "Training",
    "Weights",
    "as_callback",
    "as_callbacks",
]
