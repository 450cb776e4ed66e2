"""The example of a language model, in small."""

import os
import re
import signal

import psutil
import pytest

from tests.support.programs import LINE, PATIENCE, run, started
from tests.test_examples import EXAMPLES

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

SMALL = (EXAMPLES / "language_model.py", "--width", 16, "--batch-size", 64)
PROGRAM = """
import runpy, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have had it ignored
sys.argv.pop(0)
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_it_learns_from_two_books_and_writes(tmp_path):
    book = tmp_path / "book.txt"
    book.write_text("the cat sat on the mat, and " * 500, encoding="utf-8")
    done = run(*SMALL, "--text", book, "--epochs", 3, "--rate", 0.01, "--length", 2, "--prompt", "the")
    assert done.returncode == 0, done.stderr
    passes = [found["sentinel"] for found in LINE.finditer(done.stdout)]
    assert (passes.count("book0"), passes.count("book1")) == (3, 3)
    bits = [float(found) for found in re.findall(r"^after [\d,]+ characters: (\S+) bits", done.stdout, re.MULTILINE)]
    assert float(done.stdout.splitlines()[-1].removeprefix("bits a character ")) < 0.9 * bits[0]
    written = re.findall(r"^    'the(.*)'$", done.stdout, re.MULTILINE)
    assert written and all(len(its) == 2 and set(its) <= set("the cat sat on the mat, and ") for its in written)


def test_an_interrupt_ends_all_that_it_started():
    with started("-c", PROGRAM, *SMALL, "--epochs", 10_000, "--length", 1) as process:
        next(line for line in process.stdout if line.startswith("book0"))
        children = psutil.Process(process.pid).children(recursive=True)
        assert len(children) >= 3
        os.killpg(process.pid, signal.SIGINT)  # as a terminal sends it
        _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert said.splitlines()[-1] == "Interrupted: all that was started has ended."
    assert psutil.wait_procs(children, timeout=PATIENCE)[1] == []


def test_too_short_a_text_is_refused(tmp_path):
    book = tmp_path / "book.txt"
    book.write_text("a word", encoding="utf-8")
    done = run(*SMALL, "--text", book)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "the shorter one of the two books has 3 characters: give at least 2560\n"


def test_a_number_below_one_is_refused():
    done = run(*SMALL, "--concurrency", 0)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith("error: --concurrency is at least 1, not 0\n")
