"""A program that saves and loads a network with a large gate, and prints by how many bytes its memory has grown.

Its arguments: the scheduler's address, the number of features of the gate, a file.
"""

import resource
import sys

from distributed import Client

from akkordeon_dask import Gate, deploy, nn, optim
from tests.support.patience import PATIENCE


def peak() -> int:
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main(address: str, features: int, file: str) -> None:
    network = Gate(nn.Linear(features, features), optim.SGD(0.1)) | Gate(nn.Linear(features, 2), optim.SGD(0.1))
    with Client(address, timeout=PATIENCE) as client, deploy(network, client) as running:
        before = peak()
        running.save(file)
        saved = peak()
        running.load(file)
        sys.stdout.write(f"{saved - before} {peak() - saved}")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
