"""Make the files of `data.mnist_sample` from the whole MNIST: `python -m akkordeon_dask.data._make_sample DEST`.

The same MNIST yields the same sample: the choice is seeded, and stratified by class.
"""

import gzip
import sys
from pathlib import Path

import numpy as np

from akkordeon_dask.data._idx import idx_bytes
from akkordeon_dask.data._images import ARCHIVES
from akkordeon_dask.data._mnist import mnist
from akkordeon_dask.data._mnist_sample import SAMPLES
from akkordeon_dask.tree import Array

__all__ = ["choose", "make"]

_SEED = 1998


def choose(labels: Array, samples: int, seed: int) -> Array:
    """Rows (samples,) int64, ascending, in which each class has the share that it has in `labels`.

    Samples that rounding leaves over go to the classes that it took most from.
    """
    rng = np.random.default_rng(seed)
    classes, counts = np.unique(labels, return_counts=True)
    shares = counts * samples / len(labels)
    sizes = np.floor(shares).astype(int)
    sizes[np.argsort(sizes - shares, kind="stable")[: samples - sizes.sum()]] += 1
    chosen = [
        rng.choice(np.flatnonzero(labels == label), size, replace=False)
        for label, size in zip(classes, sizes, strict=True)
    ]
    return np.sort(np.concatenate(chosen))


def make(folder: Path) -> list[Path]:
    """Write the four files into `folder`, gzipped; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for split, samples in SAMPLES.items():
        source = mnist(split, shuffle=False).open()
        assert source.samples is not None
        x, y, *_ = next(source.batches(1, source.samples))
        assert y is not None
        rows = choose(y, samples, _SEED)
        images = x[rows].reshape(-1, 28, 28)
        for name, array in zip(ARCHIVES[split], (images, y[rows].astype(np.uint8)), strict=True):
            path = folder / name
            path.write_bytes(gzip.compress(idx_bytes(array), compresslevel=9, mtime=0))
            written.append(path)
    return written


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m akkordeon_dask.data._make_sample DEST")
    for path in make(Path(sys.argv[1])):
        sys.stdout.write(f"{path}: {path.stat().st_size} bytes\n")
