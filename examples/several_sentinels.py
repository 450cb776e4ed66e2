"""Three training sentinels share a network: one has all of the data, two have half of it.

Each goes at its own pace; a validation sentinel rates the network every so often. With MNIST they have 60 000,
30 000 and 30 000 samples, as in botkop/akkordeon.
"""

import argparse

from akkordeon_dask import Gate, Sentinel, data, deploy, nn, optim

SETS = {
    "mnist-sample": (data.mnist_sample, 10_000),
    "mnist": (data.mnist, 60_000),
    "fashion-mnist": (data.fashion_mnist, 60_000),
}

network = (
    Gate(nn.Scale(mean=33.3, std=78.6) >> nn.Linear(784, 50) >> nn.ReLU(), optim.DCASGDa(2e-2))
    | Gate(nn.Linear(50, 20) >> nn.ReLU(), optim.DCASGDa(2e-2))
    | Gate(nn.Linear(20, 10), optim.DCASGDa(2e-2))
)


def main() -> None:
    """Train with all of them at once, then say how well the network does on the test data."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", choices=SETS, default="mnist-sample", help="(%(default)s)")
    parser.add_argument("--epochs", type=int, default=5, help="of each training sentinel (%(default)s)")
    parser.add_argument("--every", default="1s", help="time from one validation to the next (%(default)s)")
    args = parser.parse_args()
    images, samples = SETS[args.data]

    with deploy(network) as running:
        print("dashboard:", running.dashboard_link)
        running.attach(Sentinel.validate(images("test"), batch_size=1000, every=args.every))
        for seed, take in enumerate([samples, samples // 2, samples // 2]):
            running.attach(
                Sentinel.train(images("train", take=take, seed=seed), batch_size=64, concurrency=2), epochs=args.epochs
            )
        running.wait(progress=True)
        report = running.evaluate(Sentinel.test(images("test"), batch_size=1000))
    print(f"test accuracy {report.scores['accuracy']:.4f}")


if __name__ == "__main__":
    main()
