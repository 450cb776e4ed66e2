"""A network on a cluster that runs already: one gate on one worker, two on another, each asked for by its name."""

import argparse

from distributed import Client

from akkordeon_dask import Gate, Sentinel, data, deploy, nn, optim

SETS = {"mnist-sample": data.mnist_sample, "mnist": data.mnist, "fashion-mnist": data.fashion_mnist}


def main() -> None:
    """Deploy, train, and say how well the network does on the test data."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scheduler", help="address of the scheduler, tcp://HOST:8786")
    parser.add_argument(
        "--workers", nargs=2, metavar="NAME", default=["alice", "bob"], help="names of two workers (%(default)s)"
    )
    parser.add_argument("--data", choices=SETS, default="mnist-sample", help="(%(default)s)")
    parser.add_argument("--epochs", type=int, default=10, help="of the training sentinel (%(default)s)")
    args = parser.parse_args()
    images, (front, back) = SETS[args.data], args.workers

    network = (
        Gate(nn.Scale(mean=33.3, std=78.6) >> nn.Linear(784, 50) >> nn.ReLU(), optim.DCASGDa(2e-2), workers=front)
        | Gate(nn.Linear(50, 20) >> nn.ReLU(), optim.DCASGDa(2e-2), workers=back)
        | Gate(nn.Linear(20, 10), optim.DCASGDa(2e-2), workers=back)
    )

    with Client(args.scheduler) as client, deploy(network, client, name="mnist") as running:
        print("dashboard:", running.dashboard_link)
        for gate, worker in running.placement.items():
            print(f"gate {gate} on {worker}")
        running.attach(Sentinel.validate(images("test"), batch_size=1000, every="1s"))
        running.attach(Sentinel.train(images("train"), batch_size=64, concurrency=5), epochs=args.epochs)
        running.wait(progress=True)
        report = running.evaluate(Sentinel.test(images("test"), batch_size=1000))
    print(f"test accuracy {report.scores['accuracy']:.4f}")


if __name__ == "__main__":
    main()
