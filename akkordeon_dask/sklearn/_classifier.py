"""A classifier for scikit-learn."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import log_softmax, softmax
from sklearn.base import ClassifierMixin
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from akkordeon_dask import nn, optim
from akkordeon_dask.callbacks import Callback
from akkordeon_dask.errors import SpecError
from akkordeon_dask.messages import PassReport
from akkordeon_dask.network import Network
from akkordeon_dask.runtime.collections import as_labels, class_numbers, comparable, count_labels, distinct_labels
from akkordeon_dask.sklearn._estimator import Estimator
from akkordeon_dask.sklearn._inputs import check_classes
from akkordeon_dask.tree import Array

__all__ = ["AkkordeonClassifier"]


def _knows_probabilities(estimator: "AkkordeonClassifier") -> bool:
    loss = estimator._loss_of_outputs
    return loss is None or isinstance(loss, nn.SoftmaxCrossEntropy)


def _knows_margins(estimator: "AkkordeonClassifier") -> bool:
    return not _knows_probabilities(estimator)


class AkkordeonClassifier(ClassifierMixin, Estimator):  # type: ignore[misc]
    """A classifier of scikit-learn whose network is trained by actors on a Dask cluster.

    Parameters
    ----------
    network
        the spec, with an output for each class, and its own optimizers; None: a perceptron of `hidden_layer_sizes`.
        One that begins with `nn.Scale` or `nn.Embedding` takes the numbers of X with all their digits, others take
        them as `dtype`.
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
        an `nn.Loss` of labels; None: `nn.SoftmaxCrossEntropy()`.
    class_weight
        of the classes in the loss: a mapping of labels to weights, where labels that are missing weigh 1;
        `"balanced"`: inversely to the number of their samples; None: all weigh 1.
    early_stopping
        hold `validation_fraction` of the samples out, of each class its share, and validate after each pass: training
        ends when the loss there has not fallen by more than `tol` for `n_iter_no_change` passes, and the parameters
        of the best pass stay.
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
    classes_ : (classes,)
        the labels.
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
        by `fit`, when `network` cannot take the samples, or has not an output for each class.
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
    >>> x, y = np.array([[0.0], [1.0]] * 50), np.array(["no", "yes"] * 50)
    >>> AkkordeonClassifier(random_state=0).fit(x, y).predict([[0.1], [0.9]])
    array(['no', 'yes'], dtype='<U3')
    """

    classes_: Array

    def __init__(
        self,
        network: Network | None = None,
        *,
        hidden_layer_sizes: Sequence[int] | int = (50, 20),
        optimizer: Callable[[float], optim.Optimizer] = optim.Adam,
        lr: float = 1e-3,
        max_epochs: int = 100,
        batch_size: int = 64,
        concurrency: int = 1,
        loss: nn.Loss | None = None,
        class_weight: Mapping[Any, float] | Literal["balanced"] | None = None,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        tol: float = 1e-4,
        callbacks: Sequence[Callback | Callable[[PassReport], object]] | None = None,
        warm_start: bool = False,
        random_state: int | np.random.RandomState | None = None,
        dtype: str = "float32",
        snapshots: str | None = None,
        verbose: bool = False,
    ) -> None:
        super().__init__(
            network,
            hidden_layer_sizes=hidden_layer_sizes,
            optimizer=optimizer,
            lr=lr,
            max_epochs=max_epochs,
            batch_size=batch_size,
            concurrency=concurrency,
            loss=loss,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            n_iter_no_change=n_iter_no_change,
            tol=tol,
            callbacks=callbacks,
            warm_start=warm_start,
            random_state=random_state,
            dtype=dtype,
            snapshots=snapshots,
            verbose=verbose,
        )
        self.class_weight = class_weight

    @property
    def _default_loss(self) -> nn.Loss:
        return nn.SoftmaxCrossEntropy()

    def _targets(self, y: Array, *, first: bool) -> tuple[Array, int]:
        values, _ = distinct_labels("y", as_labels("y", y))
        check_classes(values)
        if first:
            self.classes_ = values
        labels, known = comparable(np.asarray(y), self.classes_)
        if len(strange := np.setdiff1d(labels, known)):
            raise ValueError(f"class {strange[0]!r} is none of {self.classes_!r}, the known ones")
        return np.searchsorted(known, labels), len(known)

    def _lazy_targets(self, y: Any, weights: Any, *, first: bool) -> tuple[Any, int, Sequence[float] | None]:
        if y.ndim != 1:
            raise ValueError(f"y should be a 1d array, got a collection of {y.ndim} axes: give one label for each row")
        sums = np.zeros(0)
        if first or self._is_balanced:
            found, sums = count_labels(y, weights, self.training_client)
            if not len(found):
                raise ValueError("y has no rows: look at what it was made of")
            check_classes(found)
            if first:
                self.classes_ = found
            sums = self._sums_of_classes(found, sums)
        return class_numbers(y, self.classes_), len(self.classes_), self._weights_of_classes(sums)

    def _sums_of_classes(self, labels: Array, sums: Array) -> Array:
        """The sums of some labels, for all classes: (classes,)."""
        labels, known = comparable(labels, self.classes_)
        if len(strange := np.setdiff1d(labels, known)):
            raise ValueError(f"class {strange[0]!r} is none of {self.classes_!r}, the known ones")
        its = np.zeros(len(known))
        its[np.searchsorted(known, labels)] = sums
        return its

    def _class_weights(self, targets: Array, weights: Array | None) -> Sequence[float] | None:
        return self._weights_of_classes(np.bincount(targets, weights, minlength=len(self.classes_)))

    def _weights_of_classes(self, sums: Array) -> Sequence[float] | None:
        """The weight of each class, of which there are so many samples, each counted by its weight."""
        if self.class_weight is None:
            return None
        if self._is_balanced:
            its = sums.sum() / (np.count_nonzero(sums) * np.where(sums, sums, np.inf))
        else:
            its = self._mapped_weights()
        weights_of_classes: list[float] = its.tolist()
        return weights_of_classes

    def _mapped_weights(self) -> Array:
        """(classes,): those of the mapping, and 1 for others."""
        if not isinstance(self.class_weight, Mapping):
            given: Any = self.class_weight
            raise SpecError(
                "class_weight is a mapping of labels to weights, 'balanced' or None, not "
                f"{repr(given) if isinstance(given, str) else f'a {type(given).__name__}'}: a Series becomes a "
                "mapping by .to_dict()"
            )
        mapping, classes = dict(self.class_weight), self.classes_
        if classes.dtype.kind in "mM":  # one moment is written in many ways
            moments = np.array(list(mapping), classes.dtype).view(np.int64).tolist()
            mapping, classes = dict(zip(moments, mapping.values(), strict=True)), classes.view(np.int64)
        known = set(classes.tolist())
        if (strange := set(mapping) - known) and known - set(mapping):
            raise SpecError(
                f"class_weight has a weight for {min(map(repr, strange))}, and the classes of y are "
                f"{self.classes_.tolist()!r:.200}: name those"
            )
        weights: Array = compute_class_weight(mapping, classes=classes, y=classes)
        return weights

    @property
    def _is_balanced(self) -> bool:
        return isinstance(self.class_weight, str) and self.class_weight == "balanced"

    def partial_fit(
        self,
        X: ArrayLike,  # noqa: N803
        y: ArrayLike,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> "AkkordeonClassifier":
        """Make one more pass, over these samples.

        Parameters
        ----------
        X : (samples, features)
        y : (samples,)
        classes
            all labels there are, in the first call; None: those in `y`. Later calls give the same, or None.
        sample_weight : (samples,), at least 0
            as `fit` takes it.

        Raises
        ------
        ValueError
            where `class_weight` is `"balanced"`: the samples of one call do not tell how rare a class is; where
            `early_stopping` is set; where `classes` are none, or not those of the first call.
        """
        if self._is_balanced:
            raise ValueError(
                'class_weight="balanced" needs all samples at once: give partial_fit a mapping, for which '
                'sklearn.utils.compute_class_weight("balanced", ...) computes the weights'
            )
        again = self._begin_partial()
        known = None if classes is None else distinct_labels("classes", as_labels("classes", classes))[0]
        if known is not None and not len(known):
            raise ValueError(f"classes={classes!r} names no class: give all labels there are, or None for those in y")
        if again and known is not None and not np.array_equal(known, self.classes_):
            raise ValueError(
                f"classes={known!r} are not {self.classes_!r}, those that the network has outputs for: give the first "
                "call of partial_fit all of them"
            )
        self._fit(X, y, sample_weight, 1, again=again, classes=known)
        return self

    def predict(self, X: ArrayLike) -> Array:  # noqa: N803
        """(samples,): the label of each sample; of a collection of Dask a lazy array."""
        check_is_fitted(self, "classes_")
        labels: Array = self._mapped(X, "_labels", self.classes_.dtype, None)
        return labels

    def _labels(self, outputs: Array) -> Array:
        labels: Array = self.classes_[outputs.argmax(axis=1)]
        return labels

    @available_if(_knows_probabilities)  # type: ignore[untyped-decorator]
    def predict_proba(self, X: ArrayLike) -> Array:  # noqa: N803
        """(samples, classes): the probability of each class, in the order of `classes_`; lazy for collections."""
        check_is_fitted(self, "classes_")
        found: Array = self._mapped(X, "_probabilities", self.dtype, len(self.classes_))
        return found

    @available_if(_knows_probabilities)  # type: ignore[untyped-decorator]
    def predict_log_proba(self, X: ArrayLike) -> Array:  # noqa: N803
        """(samples, classes): the logarithm of the probability of each class; finite, also where that is 0."""
        check_is_fitted(self, "classes_")
        found: Array = self._mapped(X, "_log_probabilities", self.dtype, len(self.classes_))
        return found

    @available_if(_knows_margins)  # type: ignore[untyped-decorator]
    def decision_function(self, X: ArrayLike) -> Array:  # noqa: N803
        """(samples, classes): the network's outputs, for a loss that gives no probabilities, as `nn.Hinge`.

        With two classes (samples,): by how much the output of the second is above that of the first.
        """
        check_is_fitted(self, "classes_")
        many = None if len(self.classes_) == 2 else len(self.classes_)
        found: Array = self._mapped(X, "_margins", self.dtype, many)
        return found

    def _margins(self, outputs: Array) -> Array:
        said: Array = outputs[:, 1] - outputs[:, 0] if outputs.shape[1] == 2 else outputs
        return said

    def _log_probabilities(self, outputs: Array) -> Array:
        said: Array = log_softmax(outputs, axis=1)
        return said

    def _probabilities(self, outputs: Array) -> Array:
        said: Array = softmax(outputs, axis=1)
        return said
