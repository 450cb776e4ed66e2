"""How late gradients may come: one loop simulates delays, with the plain optimizer and with policies around it."""

import argparse
from dataclasses import replace

from akkordeon_dask import Gate, Network, data, nn, optim, simulate

SETS = {"mnist-sample": data.mnist_sample, "mnist": data.mnist, "fashion-mnist": data.fashion_mnist}


def network(optimizer: optim.Optimizer) -> Network:
    """Two affine layers, in a gate each."""
    front = nn.Scale(mean=33.3, std=78.6) >> nn.Linear(784, 128) >> nn.ReLU()
    return Gate(front, optimizer) | Gate(nn.Linear(128, 10), optimizer)


def main() -> None:
    """Print the accuracy of each policy at each delay."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", choices=SETS, default="mnist-sample", help="(%(default)s)")
    parser.add_argument(
        "--delays", type=int, nargs="+", default=[0, 2, 8], help="updates by which gradients are late (%(default)s)"
    )
    parser.add_argument("--epochs", type=int, default=3, help="of each simulation (%(default)s)")
    parser.add_argument("--lr", type=float, default=0.03, help="learning rate (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the weights and the order of the data (%(default)s)")
    args = parser.parse_args()

    momentum = optim.SGD(optim.WarmUp(50, args.lr), momentum=0.9)
    predicted = optim.WeightPrediction(momentum)
    latest = Network(replace(gate, backward="latest") for gate in network(momentum))
    policies = (momentum, predicted, optim.GapAware(momentum), optim.GapAware(predicted))
    networks = {"backward='latest'": latest} | {repr(policy): network(policy) for policy in policies}
    train, test = SETS[args.data]("train", seed=args.seed), SETS[args.data]("test")
    for name, spec in networks.items():
        print(name)
        for delay in args.delays:
            found = simulate(spec, train, delays=delay, epochs=args.epochs, validation=test, seed=args.seed)
            said = "diverged" if found.diverged else f"{found.epochs[-1].validation_scores['accuracy']:.4f}"
            print(f"  late by {delay:2} updates: {said}")


if __name__ == "__main__":
    main()
