"""One training run of an estimator's network on a cluster."""

import tempfile
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from distributed import Client

from akkordeon_dask import optim
from akkordeon_dask.callbacks import Callback
from akkordeon_dask.errors import AkkordeonError, CheckpointError
from akkordeon_dask.network import Network, Sentinel
from akkordeon_dask.runtime import History, Running, deploy, write_parameters
from akkordeon_dask.tree import Tree

__all__ = ["Former", "Trained", "Training", "train"]

_PLAIN = optim.Optimizer.rated_params


class Former(NamedTuple):
    """A fit that another one goes on from."""

    network: Network
    parameters: Mapping[str, Tree]


class Training(NamedTuple):
    """The work to do: sentinels, callbacks and the number of epochs."""

    train: Sentinel
    validate: Sentinel | None
    callbacks: Sequence[Callback]
    epochs: int
    seed: int


class Trained(NamedTuple):
    """The results of a run."""

    parameters: dict[str, Tree]
    rated_parameters: dict[str, Tree]
    """Those that predict: averages where the optimizer of a gate keeps some, else the same."""
    history: History


def train(
    network: Network,
    client: Client | None,
    work: Training,
    *,
    former: Former | None,
    snapshots: str | None,
    progress: bool,
) -> Trained:
    """Deploy a network, train it, and take its parameters.

    Parameters
    ----------
    client
        of the cluster; None: a cluster in this process.
    former
        the fit whose parameters it begins with; None: with parameters of its own.
    snapshots
        the URL below which this run has a folder of its own; None: it keeps none.
    """
    own = None if snapshots is None else f"{str(snapshots).rstrip('/')}/{uuid.uuid4().hex}"
    with deploy(network, client, seed=work.seed, snapshots=own) as running:
        if former is not None:
            _hand_over(running, former)
        for callback in work.callbacks:
            running.add_callback(callback)
        attached = [] if work.validate is None else [running.attach(work.validate)]
        attached.append(running.attach(work.train, epochs=work.epochs))
        try:
            running.wait(progress=progress)
        except AkkordeonError:
            for one in attached:
                if one.error is not None:  # the one that was raised adds a remedy for whoever has the network
                    raise one.error from one.error.__cause__
            raise
        parameters, history = running.parameters(), running.history
        averages = any(type(gate.optimizer).rated_params is not _PLAIN for gate in network.gates)
        return Trained(parameters, running.parameters(rated=True) if averages else parameters, history)


def _hand_over(running: Running, former: Former) -> None:
    """Go on with the parameters of a fit before, by way of a file: loading it checks their form and their dtypes.

    Raises
    ------
    ValueError
        when they are of a network of another form.
    """
    with tempfile.TemporaryDirectory() as folder:
        target = str(Path(folder) / "parameters.safetensors")
        write_parameters(target, former.network, former.parameters)
        try:
            running.load(target)
        except CheckpointError as error:
            raise ValueError(
                f"the parameters of the fit before, of {former.network!r}, do not fit the network that goes on with "
                "them: keep network, hidden_layer_sizes and dtype, or begin anew, sklearn.base.clone(estimator)"
            ) from error
