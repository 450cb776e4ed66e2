"""A regressor for scikit-learn."""

from typing import Any

from numpy.typing import ArrayLike
from sklearn.base import RegressorMixin
from sklearn.utils.validation import column_or_1d

from akkordeon_dask import nn
from akkordeon_dask.sklearn._estimator import Estimator
from akkordeon_dask.tree import Array

__all__ = ["AkkordeonRegressor"]


class AkkordeonRegressor(RegressorMixin, Estimator):  # type: ignore[misc]
    """A regressor of scikit-learn whose network is trained by actors on a Dask cluster.

    Its parameters are those of `AkkordeonClassifier`. The loss is one of values, by default `nn.MeanSquaredError()`. A
    network of your own has an output for each column of `y`.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.linspace(-1, 1, 100)[:, None]
    >>> fitted = AkkordeonRegressor(max_epochs=200, random_state=0).fit(x, 2 * x[:, 0])
    >>> fitted.predict([[0.5]]).round(1)
    array([1.], dtype=float32)
    """

    @property
    def _default_loss(self) -> nn.Loss:
        return nn.MeanSquaredError()

    @property
    def _checks(self) -> dict[str, Any]:
        return {"multi_output": True, "y_numeric": True}

    def _targets(self, y: Array, *, first: bool) -> tuple[Array, int]:
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        self._flat = y.ndim == 1
        columns = y.reshape(len(y), -1).astype(self.dtype)
        return columns, columns.shape[1]

    def partial_fit(self, X: ArrayLike, y: ArrayLike) -> "AkkordeonRegressor":  # noqa: N803
        """Make one more pass, over these samples."""
        self._fit(X, y, 1, again=hasattr(self, "parameters_"))
        return self

    def predict(self, X: ArrayLike) -> Array:  # noqa: N803
        """(samples,), or (samples, outputs) where `y` had several: the numbers of each sample."""
        outputs = self._outputs(X)
        return outputs[:, 0] if self._flat else outputs
