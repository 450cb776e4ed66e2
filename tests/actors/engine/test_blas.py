"""The BLAS threads of a process: one while gates compute in it, and the former number afterwards."""

import subprocess
import sys

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
    program = subprocess.run([sys.executable, "-c", PROGRAM], check=False, capture_output=True, text=True, timeout=60)
    assert program.stderr == ""
    first, *later = program.stdout.splitlines()
    assert later == ["1", "", first, "1", "", first]
