"""The trainer that promise 1 compares with: a plain sequential loop, without actors, messages or threads."""

from threadpoolctl import threadpool_limits

from akkordeon_dask.messages import narrowed, widened
from akkordeon_dask.nn import Key


@threadpool_limits.wrap(limits=1, user_api="blas")  # as the gates have it: the number changes bits
def train_sequentially(network, provider, *, loss, batch_size, epochs, seed, sentinel):
    """The parameters of each gate, by name, after `epochs` epochs of batches one after the other.

    Parameters
    ----------
    network
        its layers and optimizers are used, and the format in which gates send, their policies are not.
    provider
        the data.
    loss
        what is minimised.
    batch_size, epochs
        as a sentinel's.
    seed
        the network's: of its first parameters and of all masks.
    sentinel
        the name of the sentinel that would train it; masks depend on it.
    """
    gates = [(name, gate.chain, gate.optimizer) for name, gate in zip(network.names, network.gates, strict=True)]
    wires = {name: gate.wire for name, gate in zip(network.names, network.gates, strict=True)}
    params = network.init(seed)
    states = {name: optimizer.init(params[name]) for name, _, optimizer in gates}
    source = provider.open()
    sequence = 0
    for epoch in range(1, epochs + 1):
        for x, target in source.batches(epoch, batch_size):
            y, contexts = x, {}
            for name, chain, _ in gates:
                key = Key((seed,)).fold(name).fold(sentinel, epoch, sequence)
                y, contexts[name] = chain.forward(params[name], y, train=True, key=key)
                y = widened(*narrowed(y, wires[name] if name != gates[-1][0] else None))
            _, dy = loss(y, target)
            for name, chain, optimizer in reversed(gates):
                dy, grads = chain.backward(contexts[name], dy, need_dx=name != gates[0][0])
                dy = dy if dy is None else widened(*narrowed(dy, wires[name]))
                now = params[name]
                updated, states[name] = optimizer.update(grads, states[name], now, stale_params=now)
                params[name] = chain.advance(updated, grads)
            sequence += 1
    source.close()
    return params
