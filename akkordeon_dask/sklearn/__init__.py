"""Estimators for scikit-learn: `pip install 'akkordeon_dask[sklearn]'`."""

try:
    import sklearn as _sklearn
except ImportError as error:
    raise ImportError("akkordeon_dask.sklearn needs scikit-learn: pip install 'akkordeon_dask[sklearn]'") from error

from akkordeon_dask.sklearn._classifier import AkkordeonClassifier
from akkordeon_dask.sklearn._regressor import AkkordeonRegressor

__all__ = ["AkkordeonClassifier", "AkkordeonRegressor"]

del _sklearn
