"""Start a cluster over SSH, train a network with its gates on two of the machines, and end the cluster.

The first host gets the scheduler, the others a worker each. Every machine has the package, in a Python at the same
path, and lets this user in by a key. Needs asyncssh: .venv/bin/pip install asyncssh.
"""
# ruff: noqa: T201 - an example shows what it does

import argparse
import importlib.util
import sys
from pathlib import Path

import dask
from distributed import Client, Security, SSHCluster

from akkordeon_dask import Gate, Sentinel, data, deploy, nn, optim

CONFIGURATION = Path(__file__).resolve().parents[1] / "dask.yaml"


def configure(tls: str | None) -> None:
    """Read dask.yaml, and TLS files that lie at the same path everywhere: SSHCluster hands its configuration on."""
    dask.config.update(dask.config.config, dask.config.merge(*dask.config.collect_yaml([str(CONFIGURATION)])))
    if tls is not None:
        pair = {"cert": f"{tls}/cert.pem", "key": f"{tls}/key.pem"}
        roles = dict.fromkeys(("scheduler", "worker", "client"), pair)
        dask.config.set({"distributed.comm.require-encryption": True})
        dask.config.set({"distributed.comm.tls.ca-file": f"{tls}/ca.pem"})
        dask.config.set({f"distributed.comm.tls.{role}": files for role, files in roles.items()})


def main() -> None:
    """Train, and say how well the network does on the test data."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("hosts", nargs="+", metavar="HOST", help="of the scheduler, then of two workers or more")
    parser.add_argument("--python", default=sys.executable, help="path of Python on every host [this one's]")
    parser.add_argument("--username", help="for SSH [yours]")
    parser.add_argument("--port", type=int, default=22, help="of SSH [22]")
    parser.add_argument("--tls", metavar="FOLDER", help="with ca.pem, cert.pem and key.pem, here and on every host")
    parser.add_argument("--epochs", type=int, default=10)
    args = parser.parse_args()
    if len(args.hosts) < 3:
        parser.error(f"one host for the scheduler and two for workers, not {len(args.hosts)}: a host may come twice")
    if importlib.util.find_spec("asyncssh") is None:
        sys.exit(f"asyncssh is missing: {sys.executable} -m pip install asyncssh")
    configure(args.tls)

    # asyncssh compares the hosts' keys with ~/.ssh/known_hosts, as ssh does.
    login = {"port": args.port} | ({"username": args.username} if args.username else {})
    with (
        SSHCluster(
            args.hosts,
            connect_options=login,
            remote_python=args.python,
            worker_options={"memory_limit": 0.8},
            scheduler_options={"dashboard_address": "127.0.0.1:8787"},
            security=Security(),
        ) as cluster,
        Client(cluster) as client,
    ):
        client.wait_for_workers(len(args.hosts) - 1, timeout=60)
        front, back = sorted(client.nthreads())[:2]
        network = Gate(
            nn.Scale(mean=33.3, std=78.6) >> nn.Linear(784, 50) >> nn.ReLU(), optim.DCASGDa(2e-2), workers=front
        ) | Gate(nn.Linear(50, 20) >> nn.ReLU() >> nn.Linear(20, 10), optim.DCASGDa(2e-2), workers=back)
        with deploy(network, client) as running:
            running.attach(Sentinel.train(data.mnist_sample("train"), batch_size=64, concurrency=5), epochs=args.epochs)
            running.wait(progress=True)
            report = running.evaluate(Sentinel.test(data.mnist_sample("test"), batch_size=1000))
    print(f"test accuracy {report.scores['accuracy']:.4f}")


if __name__ == "__main__":
    main()
