"""A regressor for scikit-learn."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit
from sklearn.base import RegressorMixin
from sklearn.utils.validation import check_is_fitted, column_or_1d

from akkordeon_dask import nn
from akkordeon_dask.sklearn._collections import as_columns
from akkordeon_dask.sklearn._estimator import Estimator
from akkordeon_dask.tree import Array

__all__ = ["AkkordeonRegressor"]


class AkkordeonRegressor(RegressorMixin, Estimator):  # type: ignore[misc]
    """A regressor of scikit-learn whose network is trained by actors on a Dask cluster.

    Its parameters, attributes and errors are those of `AkkordeonClassifier`, but for those of classes. The loss is one
    of values, by default `nn.MeanSquaredError()`. With `nn.PoissonNLL()` it predicts the expected counts, whose
    logarithms are the network's outputs, and with `nn.BinaryCrossEntropyWithLogits()` probabilities. A network of your
    own has an output for each column of `y`.

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
        self._check_width(1 if self._flat else y.shape[1], first=first)
        with np.errstate(over="ignore"):
            columns = y.reshape(len(y), -1).astype(self.dtype)
        if not (there := np.isfinite(columns)).all():
            row, column = np.argwhere(~there)[0]
            raise ValueError(
                f"y has {y.reshape(len(y), -1)[row, column]} in sample {row}, too large for {self.dtype}: scale it, or "
                'give dtype="float64"'
            )
        return columns, columns.shape[1]

    def _lazy_targets(self, y: Any, weights: Any, *, first: bool) -> tuple[Any, int, Sequence[float] | None]:
        columns = as_columns(y, self.dtype)
        self._flat = columns.shape[1] == 1
        self._check_width(int(columns.shape[1]), first=first)
        return columns, int(columns.shape[1]), None

    def _check_width(self, columns: int, *, first: bool) -> None:
        if not first and columns != self._width:
            raise ValueError(
                f"y has {columns} columns, and the fit before had {self._width}: give as many, or begin anew, "
                "sklearn.base.clone(estimator)"
            )

    def partial_fit(
        self,
        X: ArrayLike,  # noqa: N803
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
    ) -> "AkkordeonRegressor":
        """Make one more pass, over these samples.

        Parameters
        ----------
        X : (samples, features)
        y : (samples,), or (samples, outputs)
        sample_weight : (samples,), at least 0
            as `fit` takes it.

        Raises
        ------
        ValueError
            where `early_stopping` is set: it is for `fit`.
        """
        self._fit(X, y, sample_weight, 1, again=self._begin_partial())
        return self

    def predict(self, X: ArrayLike) -> Array:  # noqa: N803
        """(samples,), or (samples, outputs) where `y` had several: the numbers of each sample; lazy for collections."""
        check_is_fitted(self, "parameters_")
        numbers: Array = self._mapped(X, "_values", self.dtype, None if self._flat else self._width)
        return numbers

    @property
    def _width(self) -> int:
        shape = self.network_.output_shape((self.n_features_in_,))
        assert shape is not None and shape[0] is not None
        return shape[0]

    def _values(self, outputs: Array) -> Array:
        values = outputs[:, 0] if self._flat else outputs
        if isinstance(self._loss_of_outputs, nn.PoissonNLL):
            values = np.exp(values)
        elif isinstance(self._loss_of_outputs, nn.BinaryCrossEntropyWithLogits):
            values = expit(values)
        return values
