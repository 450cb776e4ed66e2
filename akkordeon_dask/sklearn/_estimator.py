"""The base of a classifier and a regressor, which train a network on a cluster and predict in this process."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
from distributed import Client
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, is_classifier
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from akkordeon_dask import data, optim
from akkordeon_dask._numbers import check_flag, check_int, check_number
from akkordeon_dask.callbacks import Callback, EarlyStopping, Monitored, as_callbacks
from akkordeon_dask.errors import SpecError
from akkordeon_dask.messages import PassReport
from akkordeon_dask.network import Network, Sentinel
from akkordeon_dask.nn import Loss
from akkordeon_dask.runtime import History
from akkordeon_dask.sklearn._client import default_client
from akkordeon_dask.sklearn._collections import (
    as_features,
    check_collections,
    check_table,
    columns_of,
    is_collection,
    lazily,
)
from akkordeon_dask.sklearn._inputs import check_plain, columns_named, plain_labels, provider_of, rows_that_count
from akkordeon_dask.sklearn._networks import dtype_for, made_network
from akkordeon_dask.sklearn._outputs import ROWS, outputs_of
from akkordeon_dask.sklearn._training import Former, Training, train
from akkordeon_dask.tree import Array, Tree

__all__ = ["Estimator"]

_VALID = "valid"
"""The name of the sentinel that validates."""


class Estimator(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """The base of both estimators, which explain their parameters."""

    network_: Network
    parameters_: dict[str, Tree]
    rated_parameters_: dict[str, Tree]
    history_: History
    n_features_in_: int

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
        loss: Loss | None = None,
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
        self.network = network
        self.hidden_layer_sizes = hidden_layer_sizes
        self.optimizer = optimizer
        self.lr = lr
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.concurrency = concurrency
        self.loss = loss
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.callbacks = callbacks
        self.warm_start = warm_start
        self.random_state = random_state
        self.dtype = dtype
        self.snapshots = snapshots
        self.verbose = verbose

    @property
    def client(self) -> Client | None:
        """The client of the cluster that trains; None: the process's default one, else a cluster in this process.

        In a task of Dask, as searches make them, None is a cluster in this process. It is no parameter: neither cloned
        nor pickled.
        """
        found: Client | None = getattr(self, "_client", None)
        return found

    @client.setter
    def client(self, client: Client | None) -> None:
        self._client = client

    @property
    def training_client(self) -> Client | None:
        """The one that `fit` uses; None: a cluster in this process.

        Raises
        ------
        SpecError
            when it is an asynchronous one, which cannot be waited for here.
        """
        client = self.client or default_client()
        if client is not None and client.asynchronous:
            raise SpecError(f"fit waits, and {client!r} is asynchronous: set estimator.client = Client(ADDRESS)")
        return client

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__()
        return {name: value for name, value in state.items() if name != "_client"}

    @property
    @abstractmethod
    def _default_loss(self) -> Loss: ...

    @property
    def _stops_early(self) -> bool:
        """Samples are held out, and the fit ends where they are predicted no better any more."""
        return check_flag("early_stopping", self.early_stopping)

    @property
    def _loss_of_outputs(self) -> Loss | None:
        """The loss that tells what the outputs mean: that of the fit, whatever `loss` was set to since."""
        found: Loss | None = getattr(self, "_trained_loss", self.loss)
        return found

    @abstractmethod
    def _targets(self, y: Array, *, first: bool) -> tuple[Array, int]:
        """The targets that the loss compares with, and the number of the network's outputs."""

    @abstractmethod
    def _lazy_targets(self, y: Any, weights: Any, *, first: bool) -> tuple[Any, int, Sequence[float] | None]:
        """The same of a collection of Dask, which stays one; and the weight of each class in the loss."""

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:  # noqa: N803  # its name
        """Train on samples.

        Parameters
        ----------
        X : (samples, features), numbers
            an array or frame; also of Dask, as `y` then is: partitions stay on their workers, a sentinel on each.
        y : (samples,), or (samples, outputs) for a regressor
        sample_weight : (samples,), at least 0
            a sample of weight 2 counts as two equal ones in a batch, one of weight 0 is left out; None: all weigh 1. Of
            collections of Dask it is one too, with their partitions.

        Returns
        -------
        the estimator itself
        """
        again = check_flag("warm_start", self.warm_start) and hasattr(self, "parameters_")
        return self._fit(X, y, sample_weight, self.max_epochs, again=again)

    def _fit(
        self,
        X: ArrayLike,  # noqa: N803
        y: ArrayLike,
        sample_weight: ArrayLike | None,
        epochs: int,
        *,
        again: bool,
        classes: Array | None = None,
    ) -> Self:
        """Fit, or leave everything as it was: also where an error or Ctrl-C cuts a fit short."""
        before = self._fitted_attributes()
        try:
            if classes is not None:
                self.__dict__["classes_"] = classes
            return self._fit_samples(X, y, sample_weight, epochs, again=again, known=classes is not None)
        except BaseException:
            for name in self._fitted_attributes():
                delattr(self, name)
            self.__dict__.update(before)
            raise

    def _fitted_attributes(self) -> dict[str, Any]:
        """All that are no parameters."""
        parameters = self.get_params(deep=False)
        return {name: value for name, value in vars(self).items() if name not in parameters}

    def _fit_samples(
        self,
        X: ArrayLike,  # noqa: N803
        y: ArrayLike,
        sample_weight: ArrayLike | None,
        epochs: int,
        *,
        again: bool,
        known: bool,
    ) -> Self:
        if is_collection(X) or is_collection(y):
            return self._fit_collections(X, y, sample_weight, epochs, again=again, known=known)
        samples, labels, weights = self._checked(X, y, sample_weight, reset=not again)
        targets, outputs = self._targets(labels, first=not again and not known)
        seed = self._drawn_seed()
        callbacks = self._made_callbacks()
        split = self._split(targets, callbacks, seed)
        network = self._made_network(samples.shape[1], outputs)
        sentinels = self._sentinels(samples, targets, weights, split, seed)
        return self._train(network, Training(*sentinels, callbacks, epochs, seed), again=again)

    def _checked(
        self,
        X: ArrayLike,  # noqa: N803
        y: ArrayLike,
        sample_weight: ArrayLike | None,
        *,
        reset: bool,
    ) -> tuple[Array, Array, Array | None]:
        """Samples, labels and weights in memory, checked; without the rows that weigh nothing."""
        for name, value in (("X", X), ("y", y), ("sample_weight", sample_weight)):
            check_plain(name, value, labels=name == "y" and is_classifier(self))
        if is_classifier(self):
            y = plain_labels(y)
        with columns_named(X=X) if is_classifier(self) else columns_named(X=X, y=y):
            dtype = dtype_for(self.network, self.dtype)
            samples, labels = validate_data(self, X, y, dtype=dtype, reset=reset, **self._checks)
        if sample_weight is None:
            return samples, labels, None
        weights = _check_sample_weight(sample_weight, samples, dtype=np.float64, ensure_non_negative=True)
        return rows_that_count(samples, labels, weights)

    def _drawn_seed(self) -> int:
        return int(check_random_state(self.random_state).randint(2**31))

    def _sentinels(
        self, samples: Array, targets: Array, weights: Array | None, split: tuple[Array, Array], seed: int
    ) -> tuple[Sentinel, Sentinel | None]:
        """The sentinels that train on some rows and validate with others; None: no rows are held out for that."""
        rows, held_out = split
        class_weight = self._class_weights(targets, weights)
        training = self._sentinel(
            Sentinel.train,
            provider_of(samples, targets, weights, rows, seed=seed),
            class_weight,
            batch_size=min(check_int("batch_size", self.batch_size, 1), len(rows)),
            concurrency=self.concurrency,
            name="train",
        )
        if not len(held_out):
            return training, None
        held = provider_of(samples, targets, weights, held_out, seed=None)
        size = min(ROWS, len(held_out))
        return training, self._sentinel(
            Sentinel.validate, held, class_weight, batch_size=size, every="epoch", name=_VALID
        )

    def _sentinel(
        self,
        make: Callable[..., Sentinel],
        provider: data.Provider,
        class_weight: Sequence[float] | None,
        **options: Any,
    ) -> Sentinel:
        """A sentinel with the loss of the estimator, as `Sentinel.train` or `Sentinel.validate` makes it."""
        loss = self._default_loss if self.loss is None else self.loss
        return make(provider, loss=loss, class_weight=class_weight, **options)

    def _train(self, network: Network, work: Training, *, again: bool) -> Self:
        trained = train(
            network,
            self.training_client,
            work,
            former=Former(self.network_, self.parameters_) if again else None,
            snapshots=self.snapshots,
            progress=bool(self.verbose),
        )
        self.network_, self.parameters_, self.history_ = network, trained.parameters, trained.history
        self.rated_parameters_ = trained.rated_parameters
        self._trained_loss = self.loss
        self.n_iter_ = sum(one.mode == "train" for one in self.history_)
        return self

    def _fit_collections(
        self,
        X: Any,  # noqa: N803
        y: Any,
        sample_weight: ArrayLike | None,
        epochs: int,
        *,
        again: bool,
        known: bool,
    ) -> Self:
        self._check_collections(X, y, sample_weight)
        features, names = columns_of(X)
        samples = as_features(X, dtype_for(self.network, self.dtype), always=self.network is None)
        if not again:
            self._keep_features(features, names)
        self._check_features(X)
        targets, outputs, class_weight = self._lazy_targets(y, sample_weight, first=not again and not known)
        seed = self._drawn_seed()
        network = self._made_network(features, outputs)
        sentinel = self._sentinel(
            Sentinel.train,
            data.from_dask(samples, targets, sample_weight, seed=seed),
            class_weight,
            batch_size=self.batch_size,
            concurrency=self.concurrency,
            name="train",
        )
        return self._train(network, Training(sentinel, None, self._made_callbacks(), epochs, seed), again=again)

    def _check_collections(self, x: Any, y: Any, sample_weight: ArrayLike | None) -> None:
        """Check that all are collections of Dask, and that nothing asks for rows that are held out of them.

        Raises
        ------
        ValueError
            when they are not, or something does: with the remedy.
        """
        check_collections(X=x, y=y, **({} if sample_weight is None else {"sample_weight": sample_weight}))
        if self._stops_early or _monitors_validation(self._made_callbacks()):
            raise ValueError(
                "no rows of a collection of Dask are held out for validation: monitor 'train.loss', or train with "
                "akkordeon_dask.deploy and a validating sentinel of samples of your own"
            )

    def _keep_features(self, features: int, names: Array | None) -> None:
        self.n_features_in_ = features
        if names is not None:
            self.feature_names_in_ = names
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_

    def _check_features(self, x: Any) -> None:
        features, names = columns_of(x)
        if features != self.n_features_in_:
            raise ValueError(
                f"X has {features} features, but {type(self).__name__} is expecting {self.n_features_in_} features "
                "as input"
            )
        known = getattr(self, "feature_names_in_", None)
        if names is not None and known is not None and names.tolist() != known.tolist():
            raise ValueError(f"X has the columns {names.tolist()!r:.200}, the fit had {known.tolist()!r:.200}")

    def _class_weights(self, targets: Array, weights: Array | None) -> Sequence[float] | None:
        """The weight of each class in the loss; None: there are no classes, or all weigh 1."""
        return None

    def _made_callbacks(self) -> list[Callback]:
        made = as_callbacks(self.callbacks)
        if self._stops_early:
            made.append(EarlyStopping(f"{_VALID}.loss", patience=self.n_iter_no_change, min_delta=self.tol))
        return made

    def _split(self, targets: Array, callbacks: Sequence[Callback], seed: int) -> tuple[Array, Array]:
        """The rows that train, and those that validate where a callback monitors them."""
        rows = np.arange(len(targets))
        if not _monitors_validation(callbacks):
            return rows, rows[:0]
        share = check_number("validation_fraction", self.validation_fraction, above=0, below=1)
        classes = targets if is_classifier(self) else None
        try:
            train, held_out = train_test_split(rows, test_size=share, random_state=seed, stratify=classes)
        except ValueError as error:
            raise ValueError(
                f"validation_fraction={share:g} of {len(rows):,} samples cannot be held out: {error}: give more of "
                "each class, another validation_fraction, or monitor 'train.loss'"
            ) from error
        return np.sort(train), np.sort(held_out)

    def _begin_partial(self) -> bool:
        """Whether there are parameters to go on with.

        Raises
        ------
        ValueError
            where a pass on some samples makes no sense.
        """
        if self._stops_early:
            raise ValueError("partial_fit makes one pass: early_stopping=True is for fit")
        return hasattr(self, "parameters_")

    @property
    def _checks(self) -> dict[str, Any]:
        return {}

    def _made_network(self, features: int, outputs: int) -> Network:
        return made_network(
            self.network,
            features,
            outputs,
            hidden=self.hidden_layer_sizes,
            optimizer=self.optimizer,
            lr=self.lr,
            dtype=self.dtype,
        )

    def _outputs(self, X: ArrayLike) -> Array:  # noqa: N803
        """(samples, outputs), computed in this process."""
        check_is_fitted(self, "parameters_")
        check_plain("X", X)
        with columns_named(X=X):
            x = validate_data(self, X, dtype=dtype_for(self.network_, self.dtype), reset=False)
        return self.forward_rows(x)

    def _mapped(self, x: Any, method: str, dtype: Any, width: int | None) -> Any:
        """A method of the outputs for samples; a lazy array of Dask where they are a collection."""
        if not is_collection(x):
            return getattr(self, method)(self._outputs(x))
        check_is_fitted(self, "parameters_")
        check_table("X", x)
        self._check_features(x)
        return lazily(self, x, method, dtype, width)

    def as_taken(self, x: Array) -> Array:
        """Rows of numbers in the dtype in which the network takes them."""
        if dtype_for(self.network_, self.dtype) == "numeric":
            return x
        with np.errstate(over="ignore"):
            return np.asarray(x, self.dtype)

    def forward_rows(self, x: Array) -> Array:
        """(rows, outputs) of rows in memory, which are not checked: the work of a task.

        Raises
        ------
        DataError
            when an output is not finite: no class and no number can be given then.
        """
        return outputs_of(self.network_, self.rated_parameters_, x)


def _monitors_validation(callbacks: Sequence[Callback]) -> bool:
    return any(isinstance(one, Monitored) and one.monitor.startswith(f"{_VALID}.") for one in callbacks)
