"""Train a network on workers that are Slurm jobs.

Run it where jobs may be submitted from; the scheduler runs in this process, so it stays up as long as the training (in
tmux, or in a job of its own). Needs dask-jobqueue: .venv/bin/pip install dask-jobqueue.
"""
# ruff: noqa: T201 - an example shows what it does

import argparse
import sys
from pathlib import Path

import dask
from distributed import Client, Security

from akkordeon_dask import Gate, Sentinel, data, deploy, nn, optim

CONFIGURATION = Path(__file__).resolve().parents[1] / "dask.yaml"


def security_of(folder: str | None) -> Security | None:
    """TLS with the files of a folder that every node sees."""
    if folder is None:
        return None
    pairs = {f"tls_{role}_cert": f"{folder}/cert.pem" for role in ("scheduler", "worker", "client")}
    keys = {f"tls_{role}_key": f"{folder}/key.pem" for role in ("scheduler", "worker", "client")}
    return Security(require_encryption=True, tls_ca_file=f"{folder}/ca.pem", **pairs, **keys)


def options(args: argparse.Namespace) -> dict[str, object]:
    """The arguments of SLURMCluster; `print(cluster.job_script())` shows the job script that it makes of them."""
    return {
        "queue": args.partition,
        "account": args.account,
        "cores": args.cores,
        "memory": args.memory,
        "processes": 1,  # one worker a job: its gates share the cores
        "walltime": args.walltime,
        "interface": args.interface,
        "security": security_of(args.tls),
        # A minute before the job's time is over the worker gets SIGTERM, through the batch shell (B:), which
        # `exec` has made the worker itself: its gates go to other workers first.
        "job_extra_directives": ["--signal=B:TERM@60"],
        "python": f"exec {args.python}",
        "worker_extra_args": ["--dashboard-address", "127.0.0.1:0"],
        "job_script_prologue": [f"export DASK_CONFIG='{CONFIGURATION}'"],
        "scheduler_options": {"dashboard_address": "127.0.0.1:0"},
    }


def train(client: Client, epochs: int, save: str) -> None:
    """Two gates on two workers; a checkpoint each epoch, for the last job that ends takes all gates with it."""
    front, back = sorted(client.nthreads())[:2]
    network = Gate(
        nn.Scale(mean=33.3, std=78.6) >> nn.Linear(784, 50) >> nn.ReLU(), optim.DCASGDa(2e-2), workers=front
    ) | Gate(nn.Linear(50, 20) >> nn.ReLU() >> nn.Linear(20, 10), optim.DCASGDa(2e-2), workers=back)
    with deploy(network, client) as running:
        print(f"dashboard, on this machine: http://127.0.0.1:{client.scheduler_info()['services']['dashboard']}/status")
        if Path(save).exists():
            running.load(save)
            print("resumes from", save)
        running.attach(Sentinel.train(data.mnist_sample("train"), batch_size=64, concurrency=5))
        for _ in range(epochs):
            running.wait(epochs=1)
            running.save(save)
        report = running.evaluate(Sentinel.test(data.mnist_sample("test"), batch_size=1000))
    print(f"test accuracy {report.scores['accuracy']:.4f}, parameters in {save}")


def main() -> None:
    """Submit the jobs, train when the first two run, and cancel them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=2, help="jobs, one worker each, two at least [2]")
    parser.add_argument("--partition", help="of Slurm [its default]")
    parser.add_argument("--account", help="that pays [yours]")
    parser.add_argument("--cores", type=int, default=4, help="of a job [4]")
    parser.add_argument("--memory", default="8GB", help="of a job [8GB]")
    parser.add_argument("--walltime", default="01:00:00", help="of a job [01:00:00]")
    parser.add_argument("--interface", help="of the network between nodes, ib0 for example")
    parser.add_argument("--tls", metavar="FOLDER", help="with ca.pem, cert.pem and key.pem, seen by every node")
    parser.add_argument("--python", default=sys.executable, help="path of Python on the nodes [this one's]")
    parser.add_argument("--patience", type=int, default=3600, metavar="SECONDS", help="to wait in the queue [3600]")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--save", default="mnist.safetensors", help="checkpoint, loaded if it is there")
    args = parser.parse_args()
    if args.workers < 2:
        parser.error(f"the two gates need two workers, not {args.workers}")
    try:
        from dask_jobqueue import SLURMCluster
    except ImportError:
        sys.exit(f"dask-jobqueue is missing: {sys.executable} -m pip install dask-jobqueue")
    if args.tls is None:
        print("no --tls: everyone on this cluster can reach scheduler and workers and run code as you", file=sys.stderr)
    dask.config.update(dask.config.config, dask.config.merge(*dask.config.collect_yaml([str(CONFIGURATION)])))
    with SLURMCluster(**options(args)) as cluster, Client(cluster) as client:
        cluster.scale(jobs=args.workers)
        client.wait_for_workers(2, timeout=args.patience)
        train(client, args.epochs, args.save)


if __name__ == "__main__":
    main()
