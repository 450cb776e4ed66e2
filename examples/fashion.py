"""Fashion-MNIST: a dense network, or a convolutional one with `--net convolutional`, in one process."""

import argparse

from akkordeon_dask import Gate, Network, Sentinel, data, deploy, nn, optim

SETS = {"mnist-sample": (data.mnist_sample, 10_000), "fashion-mnist": (data.fashion_mnist, 60_000)}
BATCH, RATE = 128, 0.05
IMAGES = nn.Scale(mean=72.9, std=90.0)


def dense(optimizer: optim.Optimizer) -> Network:
    """Three affine layers in two gates."""
    front = IMAGES >> nn.Linear(784, 512) >> nn.ReLU() >> nn.Dropout(0.2)
    back = nn.Linear(512, 128) >> nn.ReLU() >> nn.Dropout(0.2) >> nn.Linear(128, 10)
    return Gate(front, optimizer) | Gate(back, optimizer)


def convolutional(optimizer: optim.Optimizer) -> Network:
    """Two convolutions in a gate each, and two affine layers in the third."""
    first = nn.Reshape((1, 28, 28)) >> IMAGES >> nn.Conv2d(1, 16, 3, padding=1) >> nn.ReLU() >> nn.MaxPool2d(2)
    second = nn.Conv2d(16, 32, 3, padding=1) >> nn.ReLU() >> nn.MaxPool2d(2) >> nn.Flatten()
    back = nn.Linear(32 * 7 * 7, 128) >> nn.ReLU() >> nn.Dropout(0.3) >> nn.Linear(128, 10)
    return Gate(first, optimizer) | Gate(second, optimizer) | Gate(back, optimizer)


NETS = {"dense": dense, "convolutional": convolutional}


def main() -> None:
    """Deploy, train, and say how well the network does on the test data."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--net", choices=NETS, default="dense", help="(%(default)s)")
    parser.add_argument("--data", choices=SETS, default="mnist-sample", help="the sample only shows that it runs")
    parser.add_argument("--epochs", type=int, default=15, help="of the training sentinel (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the weights and the order of the data (%(default)s)")
    args = parser.parse_args()
    images, samples = SETS[args.data]
    updates = args.epochs * samples // BATCH
    schedule = optim.WarmUp(updates // 20, optim.Cosine(RATE, updates - updates // 20))
    network = NETS[args.net](optim.SGD(schedule, momentum=0.9, weight_decay=5e-4))
    print(network.summary())

    provider = images("train", seed=args.seed)
    if args.net == "convolutional":
        provider = data.augment(provider, flip=True, shape=(28, 28), seed=args.seed)
    with deploy(network, seed=args.seed) as running:
        print("dashboard:", running.dashboard_link)
        running.attach(Sentinel.validate(images("test"), batch_size=500, every="10s"))
        running.attach(Sentinel.train(provider, batch_size=BATCH, concurrency=4), epochs=args.epochs)
        running.wait(progress=True)
        report = running.evaluate(Sentinel.test(images("test"), batch_size=500))
    print(f"test accuracy {report.scores['accuracy']:.4f}")


if __name__ == "__main__":
    main()
