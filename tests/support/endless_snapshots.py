"""Write snapshots for ever, with growing numbers, and print each number once it is written.

`python endless_snapshots.py FOLDER`: continues after the newest snapshot there.
"""

import sys

import numpy as np

from akkordeon_dask.snapshots import Store


def tree(number):
    """The content of snapshot `number`: half a megabyte."""
    return {"w": np.full((250, 256), number, "f8"), "state": (number, [np.full(7, number, "f4")])}


def main():
    store = Store(sys.argv[1], keep=2)
    saved = store.load("g0")
    number = saved.number if saved else 0
    while True:
        number += 1
        store.save("g0", tree(number), number=number, facts={"at": number})
        # One write of one line: a reader sees all of it or nothing.
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
