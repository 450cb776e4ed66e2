"""What a classifier and a regressor have in common: they train a network on a cluster, and predict in this process."""

import tempfile
from abc import abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from distributed import Client, default_client
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from akkordeon_dask import data, optim
from akkordeon_dask.network import Network, Sentinel
from akkordeon_dask.nn import Loss
from akkordeon_dask.runtime import History, Running, deploy
from akkordeon_dask.runtime._checkpoint import write
from akkordeon_dask.sklearn._perceptron import perceptron
from akkordeon_dask.tree import Array, Tree

__all__ = ["Estimator"]

_ROWS = 4096
"""Samples that are predicted at a time."""


class Estimator(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """The base of both estimators, which explain their parameters."""

    parameters_: dict[str, Tree]
    history_: History
    n_features_in_: int

    def __init__(
        self,
        network: Network | None = None,
        *,
        hidden_layer_sizes: Sequence[int] = (50, 20),
        optimizer: Callable[[float], optim.Optimizer] = optim.Adam,
        lr: float = 1e-3,
        max_epochs: int = 100,
        batch_size: int = 64,
        concurrency: int = 1,
        loss: Loss | None = None,
        warm_start: bool = False,
        random_state: int | np.random.RandomState | None = None,
        dtype: str = "float32",
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
        self.warm_start = warm_start
        self.random_state = random_state
        self.dtype = dtype
        self.verbose = verbose

    @property
    def client(self) -> Client | None:
        """The client of the cluster that trains; None: the process's default one, else a cluster in this process.

        It is no parameter: neither cloned nor pickled.
        """
        found: Client | None = getattr(self, "_client", None)
        return found

    @client.setter
    def client(self, client: Client | None) -> None:
        self._client = client

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__()
        return {name: value for name, value in state.items() if name != "_client"}

    @property
    @abstractmethod
    def _default_loss(self) -> Loss: ...

    @abstractmethod
    def _targets(self, y: Array, *, first: bool) -> tuple[Array, int]:
        """The targets that the loss compares with, and the number of the network's outputs."""

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:  # noqa: N803  # scikit-learn's name
        """Train on samples.

        Parameters
        ----------
        X : (samples, features), numbers
            an array or frame.
        y : (samples,), or (samples, outputs) for a regressor

        Returns
        -------
        the estimator itself
        """
        again = self.warm_start and hasattr(self, "parameters_")
        return self._fit(X, y, self.max_epochs, again=again)

    def _fit(self, X: ArrayLike, y: ArrayLike, epochs: int, *, again: bool, known: bool = False) -> Self:  # noqa: N803
        samples, raw = validate_data(self, X, y, dtype=self.dtype, reset=not again, **self._checks)
        targets, outputs = self._targets(raw, first=not again and not known)
        seed = int(check_random_state(self.random_state).randint(2**31))
        provider = data.arrays(samples, targets, seed=seed)
        if not again:
            self.network_ = self._made_network(samples.shape[1], outputs)
        sentinel = Sentinel.train(
            provider,
            batch_size=min(self.batch_size, len(samples)),
            concurrency=self.concurrency,
            loss=self._default_loss if self.loss is None else self.loss,
        )
        with deploy(self.network_, self.client or _default_client(), seed=seed) as running:
            if again:
                _hand_over(running, self.network_, self.parameters_)
            running.attach(sentinel, epochs=epochs)
            running.wait(progress=bool(self.verbose))
            self.parameters_, self.history_ = running.parameters(), running.history
        self.n_iter_ = len(self.history_)
        return self

    @property
    def _checks(self) -> dict[str, Any]:
        return {}

    def _made_network(self, features: int, outputs: int) -> Network:
        if self.network is not None:
            return self.network.named()
        return perceptron(
            features, self.hidden_layer_sizes, outputs, lambda: self.optimizer(self.lr), self.dtype
        ).named()

    def _outputs(self, X: ArrayLike) -> Array:  # noqa: N803
        """(samples, outputs), computed in this process."""
        check_is_fitted(self, "parameters_")
        x = validate_data(self, X, dtype=self.dtype, reset=False)
        return np.concatenate([self._forward(x[start : start + _ROWS]) for start in range(0, len(x), _ROWS)])

    def _forward(self, x: Array) -> Array:
        for gate, name in zip(self.network_.gates, self.network_.names, strict=True):
            x, _ = gate.chain.forward(self.parameters_[name], x)
        return x


def _default_client() -> Client | None:
    try:
        client: Client = default_client()
    except ValueError:
        return None
    return client


def _hand_over(running: Running, network: Network, parameters: dict[str, Tree]) -> None:
    """Go on with parameters that another run has trained."""
    with tempfile.TemporaryDirectory() as folder:
        target = str(Path(folder) / "parameters.safetensors")
        write(target, network, parameters)
        running.load(target)
