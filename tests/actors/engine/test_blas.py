"""The BLAS threads of a process: one while gates compute in it, and the former number afterwards."""

import subprocess
import sys

from tests.support.patience import PATIENCE

PROGRAM = """
import threading
from concurrent.futures import ThreadPoolExecutor
from threadpoolctl import threadpool_info
from akkordeon_dask.actors.engine._blas import limit_blas, release_blas

import numpy

def told():
    print(*{pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"})

def helpers():
    print(*(thread.name for thread in threading.enumerate() if "helper" in thread.name))

with ThreadPoolExecutor(1) as loop, ThreadPoolExecutor(1) as gate:
    for _ in range(2):
        told()
        loop.submit(limit_blas, "g0").result()
        loop.submit(limit_blas, "g1").result()
        gate.submit(release_blas, "g0").result()
        told()
        gate.submit(release_blas, "g1").result()
        helpers()
told()
"""


def test_blas_has_one_thread_while_gates_live_and_its_own_number_again_whatever_threads_say_so():
    """A program of its own: what the tests before it did to BLAS is not seen."""
    program = subprocess.run(
        [sys.executable, "-c", PROGRAM], check=False, capture_output=True, text=True, timeout=PATIENCE
    )
    assert program.stderr == ""
    first, *later = program.stdout.splitlines()
    assert later == ["1", "", first, "1", "", first]


LIFTED = """
import logging
import threading

import numpy
from threadpoolctl import ThreadpoolController, threadpool_info

from akkordeon_dask.actors.engine import _blas

logging.basicConfig(format="%(message)s")
_blas._CHECK = 0.0
print(_blas.enforce_blas())
_blas.limit_blas("g0")
print(_blas.enforce_blas())
for library in ThreadpoolController().select(user_api="blas").lib_controllers:
    library.set_num_threads(2)
print(_blas.enforce_blas(), {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"})

# Two threads multiply at once, as in numpy#31618.
rng, wrong = numpy.random.default_rng(0), []
plain, flipped = rng.random((1 << 16, 4)), rng.random((2, 1 << 16)).T
wanted = plain @ numpy.ones((4, 2)), flipped @ numpy.ones((2, 2))

def multiply(x, w, y):
    wrong.extend(not numpy.array_equal(x @ w, y) for _ in range(50))

threads = [threading.Thread(target=multiply, args=(plain, numpy.ones((4, 2)), wanted[0])) for _ in range(4)]
threads += [threading.Thread(target=multiply, args=(flipped, numpy.ones((2, 2)), wanted[1])) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(len(wrong), any(wrong))
"""


def test_a_limit_that_somebody_lifted_is_set_anew_and_told_and_products_at_once_are_right():
    program = subprocess.run(
        [sys.executable, "-c", LIFTED], check=False, capture_output=True, text=True, timeout=PATIENCE
    )
    assert program.stdout.splitlines() == ["False", "False", "True {1}", "400 False"]
    assert program.stderr.startswith("BLAS was set to 2 threads while gates compute, and is on 1 again: ")
