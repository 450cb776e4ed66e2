"""A classifier for scikit-learn."""

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import ClassifierMixin
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets

from akkordeon_dask import nn
from akkordeon_dask.sklearn._estimator import Estimator
from akkordeon_dask.tree import Array

__all__ = ["AkkordeonClassifier"]


def _knows_probabilities(estimator: "AkkordeonClassifier") -> bool:
    return estimator.loss is None or isinstance(estimator.loss, nn.SoftmaxCrossEntropy)


class AkkordeonClassifier(ClassifierMixin, Estimator):  # type: ignore[misc]
    """A classifier of scikit-learn whose network is trained by actors on a Dask cluster.

    Parameters
    ----------
    network
        the spec, with an output for each class, and its own optimizers; None: a perceptron of `hidden_layer_sizes`.
    hidden_layer_sizes
        widths of the hidden layers of that, a gate each, with rectifiers.
    optimizer, lr
        makes the optimizer of each gate from a learning rate; and that rate.
    max_epochs
        passes over the samples.
    batch_size, concurrency
        samples of a batch; batches in flight at once. With more than one the network trains faster on several cores or
        workers, and two runs with one seed differ.
    loss
        an `nn.Loss` of labels; None: `nn.SoftmaxCrossEntropy()`.
    warm_start
        `fit` goes on with the parameters of the fit before.
    random_state
        seed of the first parameters and of the order of samples.
    dtype
        `"float32"` or `"float64"`.
    verbose
        show progress.

    Attributes
    ----------
    classes_ : (classes,)
        the labels.
    parameters_
        of each gate, by its name.
    history_
        the reports of all passes.
    client
        of the cluster that trains: set it before `fit`. None: the process's default client, else a cluster in this
        process for each fit.

    Examples
    --------
    >>> import numpy as np
    >>> x, y = np.array([[0.0], [1.0]] * 50), np.array(["no", "yes"] * 50)
    >>> AkkordeonClassifier(random_state=0).fit(x, y).predict([[0.1], [0.9]])
    array(['no', 'yes'], dtype='<U3')
    """

    classes_: Array

    @property
    def _default_loss(self) -> nn.Loss:
        return nn.SoftmaxCrossEntropy()

    def _targets(self, y: Array, *, first: bool) -> tuple[Array, int]:
        check_classification_targets(y)
        if first:
            self.classes_ = np.unique(y)
        if len(strange := np.setdiff1d(y, self.classes_)):
            raise ValueError(f"class {strange[0]!r} is none of {self.classes_!r}, the known ones")
        return np.searchsorted(self.classes_, y), len(self.classes_)

    def partial_fit(self, X: ArrayLike, y: ArrayLike, classes: ArrayLike | None = None) -> "AkkordeonClassifier":  # noqa: N803
        """Make one more pass, over these samples.

        Parameters
        ----------
        X : (samples, features)
        y : (samples,)
        classes
            all labels there are, in the first call; None: those in `y`.
        """
        again = hasattr(self, "parameters_")
        if not again and classes is not None:
            self.classes_ = np.unique(classes)
        self._fit(X, y, 1, again=again, known=classes is not None)
        return self

    def predict(self, X: ArrayLike) -> Array:  # noqa: N803
        """(samples,): the label of each sample."""
        outputs = self._outputs(X)
        labels: Array = self.classes_[outputs.argmax(axis=1)]
        return labels

    @available_if(_knows_probabilities)  # type: ignore[untyped-decorator]
    def predict_proba(self, X: ArrayLike) -> Array:  # noqa: N803
        """(samples, classes): the probability of each class, in the order of `classes_`."""
        outputs = self._outputs(X)
        said: Array = np.exp(outputs - outputs.max(axis=1, keepdims=True))
        said /= said.sum(axis=1, keepdims=True)
        return said
