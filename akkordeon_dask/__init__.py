"""Neural networks as actors on a Dask cluster.

>>> from akkordeon_dask import Gate, Sentinel, data, deploy, nn, optim
>>> network = (
...     Gate(nn.Scale(mean=33.3, std=78.6) >> nn.Linear(784, 50) >> nn.ReLU(), optim.DCASGDa(2e-2))
...     | Gate(nn.Linear(50, 10), optim.DCASGDa(1e-2))
... )
>>> network.parameter_count
39760

The layers, from top to bottom; each imports only those below it:

    cli | sklearn                              commands of `dask akkordeon`; estimators
    runtime                                    the client's side: deploy, the verbs of `Running`, recovery
    actors | dashboard | console               on workers, on the scheduler, on the terminal
    telemetry                                  what the scheduler knows
    placement | simulation | jax | torch       plans; training in one loop; layers of other libraries
    network                                    specs
    nn | optim | data | snapshots | callbacks  numbers, files and reactions to passes, without Dask
    messages, errors, config, tree ...         what all of them share
"""

from akkordeon_dask import callbacks, console, data, errors, nn, optim
from akkordeon_dask._version import __version__ as __version__
from akkordeon_dask.messages import PassReport
from akkordeon_dask.network import Gate, Network, Sentinel, beside
from akkordeon_dask.runtime import (
    Attached,
    History,
    Running,
    adopt,
    connect,
    deploy,
    pause,
    plan,
    resume,
    status,
    stop,
)
from akkordeon_dask.simulation import Simulation, simulate
from akkordeon_dask.telemetry import LiveGate, LiveSentinel, NetworkStatus

__all__ = [
    "Attached",
    "Gate",
    "History",
    "LiveGate",
    "LiveSentinel",
    "Network",
    "NetworkStatus",
    "PassReport",
    "Running",
    "Sentinel",
    "Simulation",
    "adopt",
    "beside",
    "callbacks",
    "connect",
    "console",
    "data",
    "deploy",
    "errors",
    "nn",
    "optim",
    "pause",
    "plan",
    "resume",
    "simulate",
    "status",
    "stop",
]
