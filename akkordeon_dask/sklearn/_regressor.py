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

    Parameters
    ----------
    network
        the spec, with an output for each column of `y`, and its own optimizers; None: a perceptron of
        `hidden_layer_sizes`. One that begins with `nn.Scale` or `nn.Embedding` takes the numbers of X with all their
        digits, others take them as `dtype`.
    hidden_layer_sizes
        widths of the hidden layers of that, each at least 1, a gate each, with rectifiers; a number is one layer.
    optimizer, lr
        makes the optimizer of each gate from a learning rate; and that rate, above 0.
    max_epochs
        passes over the samples, at least 1.
    batch_size, concurrency
        samples of a batch; batches in flight at once; both at least 1. With more than one in flight the network trains
        faster on several cores or workers, and two runs with one seed differ.
    loss
        an `nn.Loss` of values; None: `nn.MeanSquaredError()`. With `nn.PoissonNLL()` the estimator predicts the
        expected counts, whose logarithms are the network's outputs, and with `nn.BinaryCrossEntropyWithLogits()`
        probabilities.
    early_stopping
        hold `validation_fraction` of the samples out, and validate after each pass: training ends when the loss there
        has not fallen by more than `tol` for `n_iter_no_change` passes, and the parameters of the best pass stay.
    validation_fraction
        the share of the samples that is held out, in (0, 1).
    n_iter_no_change
        passes in a row without an improvement, at least 1, after which training ends.
    tol
        an improvement is greater than this, at least 0, in the loss's unit.
    callbacks
        `akkordeon_dask.callbacks`, or plain functions of a `PassReport`. Their figures are `"train.loss"`,
        `"valid.loss"`, and with the name of a score. Where one monitors `"valid..."`, samples are held out for that.
    warm_start
        `fit` goes on with the parameters of the fit before; optimizers begin anew, as `optimizer` and `lr` say by then.
    random_state
        seed of the first parameters and of the order of samples.
    dtype
        `"float32"` or `"float64"`.
    snapshots
        URL that all workers reach, where gates save their state every 30 s, each fit in a folder of its own: with it a
        gate whose worker is lost is restarted. None: a lost gate ends `fit` with an error; other workers may come and
        go all the same.
    verbose
        show progress.

    Attributes
    ----------
    network_
        the spec that was trained, every gate with its name.
    parameters_
        of each gate, by its name.
    rated_parameters_
        those that predict: the averages of gates with `optim.EMA`, else the same.
    history_
        the reports of all passes.
    n_iter_
        the number of passes over the samples.
    n_features_in_
        the number of columns of X.
    client
        of the cluster that trains: set it before `fit`. None: the process's default client, else a cluster in this
        process for each fit.

    Raises
    ------
    SpecError
        by `fit`, when a parameter is out of its range.
    ShapeError
        by `fit`, when `network` cannot take the samples, or has not an output for each column of `y`.
    DataError, ValueError
        when X, y or weights are not as `fit` and `predict` take them; by `fit`, when rows of a collection of Dask
        would have to be held out.
    AkkordeonError
        by `fit`, when the cluster cannot run the network, or training fails.
    sklearn.exceptions.NotFittedError
        by `predict`, before any `fit`.

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
        self._flat = y.ndim == 1
        columns = as_columns(y, self.dtype)
        return columns, int(columns.shape[1]), None

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
        if isinstance(self.loss, nn.PoissonNLL):
            values = np.exp(values)
        elif isinstance(self.loss, nn.BinaryCrossEntropyWithLogits):
            values = expit(values)
        return values
