"""LeNet-5 on two workers: the convolutions in a gate on one, the dense layers in a gate on the other.

With rectifiers, greatest pixels and logits in the place of what LeCun et al. (Proceedings of the IEEE 86(11), 1998)
had; every image is shifted by up to two pixels at the sentinel.
"""

import argparse

from distributed import Client, LocalCluster

from akkordeon_dask import Gate, Network, Sentinel, data, deploy, nn, optim

SETS = {"mnist-sample": (data.mnist_sample, 10_000), "mnist": (data.mnist, 60_000)}
BATCH, RATE = 128, 0.03


def lenet(updates: int) -> Network:
    """Images of 28 x 28 bytes to ten logits; `updates` is the length of the learning rate's schedule."""
    rate = optim.WarmUp(updates // 20, optim.Cosine(RATE, updates - updates // 20))
    optimizer = optim.GapAware(optim.WeightPrediction(optim.SGD(rate, momentum=0.9)))
    images = nn.Reshape((1, 28, 28)) >> nn.Scale(mean=33.3, std=78.6)
    first = nn.Conv2d(1, 6, 5, padding=2) >> nn.ReLU() >> nn.MaxPool2d(2)
    second = nn.Conv2d(6, 16, 5) >> nn.ReLU() >> nn.MaxPool2d(2) >> nn.Flatten()
    dense = nn.Linear(400, 120) >> nn.ReLU() >> nn.Linear(120, 84) >> nn.ReLU() >> nn.Linear(84, 10)
    front = Gate(images >> first >> second, optimizer, workers="0", name="convolutions")
    return front | Gate(dense, optimizer, workers="1", name="dense")


def main() -> None:
    """Deploy, train, and say how well the network does on the test data."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", choices=SETS, default="mnist-sample", help="(%(default)s)")
    parser.add_argument("--epochs", type=int, default=12, help="of the training sentinel (%(default)s)")
    parser.add_argument("--concurrency", type=int, default=3, help="batches in flight at once (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the weights and the order of the data (%(default)s)")
    args = parser.parse_args()
    images, samples = SETS[args.data]
    network = lenet(args.epochs * samples // BATCH)
    print(network.summary())

    shifted = data.augment(images("train", seed=args.seed), shift=2, shape=(28, 28), seed=args.seed)
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0") as cluster,
        Client(cluster) as client,
        deploy(network, client, seed=args.seed) as running,
    ):
        print("dashboard:", running.dashboard_link)
        running.attach(Sentinel.validate(images("test"), batch_size=500, every="10s"))
        running.attach(Sentinel.train(shifted, batch_size=BATCH, concurrency=args.concurrency), epochs=args.epochs)
        running.wait(progress=True)
        report = running.evaluate(Sentinel.test(images("test"), batch_size=500))
    print(f"test accuracy {report.scores['accuracy']:.4f}")


if __name__ == "__main__":
    main()
