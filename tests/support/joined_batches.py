"""The trainer that synchronous updates compare with: a loop over large batches, each joined of several small ones."""

import numpy as np
from threadpoolctl import threadpool_limits


@threadpool_limits.wrap(limits=1, user_api="blas")
def train_jointly(network, steps, batches, *, loss, seed):
    """The parameters of each gate, by name, after one update with all samples of each step.

    Parameters
    ----------
    steps
        the batches of each, as keys of `batches`.
    batches
        their inputs and targets.
    seed
        of the network's first parameters.
    """
    gates = dict(zip(network.names, network.gates, strict=True))
    params = network.init(seed)
    states = {name: gate.optimizer.init(params[name]) for name, gate in gates.items()}
    for step in steps:
        y = np.concatenate([batches[one][0] for one in step])
        contexts = {}
        for name, gate in gates.items():
            y, contexts[name] = gate.chain.forward(params[name], y, train=True)
        _, dy = loss(y, np.concatenate([batches[one][1] for one in step]))
        for name, gate in reversed(gates.items()):
            dy, grads = gate.chain.backward(contexts[name], dy)
            now = params[name]
            params[name], states[name] = gate.optimizer.update(grads, states[name], now, stale_params=now)
    return params
