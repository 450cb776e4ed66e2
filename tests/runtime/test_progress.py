"""The output of `wait` and `evaluate`: passes as lines, and bars where standard output is a terminal."""

import asyncio
import os
import pty
import re
import select
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from unittest.mock import Mock

import pytest
from distributed import Client

from akkordeon_dask import Sentinel, connect, data, deploy
from akkordeon_dask.console import pass_line
from akkordeon_dask.errors import SentinelError, SpecError
from tests.support.programs import PATIENCE, environment
from tests.support.small_networks import NETWORK, numbers, rating, train
from tests.support.terminal_screen import lines_left

FIGURES = re.compile(r"(test0 pass 1/1|validate0 pass 1) .* loss \d\.\d{4} .*/s")
TERMINAL = []
"""Standard output of the test that runs."""


@pytest.fixture
def output(monkeypatch):
    """Called in the test: standard output is a terminal, or a file; gives what it is told."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "200")

    def begin(*, terminal):
        written = StringIO()
        TERMINAL[:] = [written]
        written.isatty = lambda: terminal
        monkeypatch.setattr(sys, "stdout", written)
        return written

    return begin


def until_it_is_drawn():
    """A stream that stops in the middle until its figures are on the terminal."""
    x, y = numbers(16)
    for number in range(20):
        end = time.monotonic() + PATIENCE
        while number == 10 and not FIGURES.search(TERMINAL[0].getvalue()):
            assert time.monotonic() < end
            threading.Event().wait(0.01)
        yield x, y


class Torn:
    """Batches of one pass; the next one ends with an error when the first is on the terminal."""

    def __init__(self):
        self._passes = 0

    def __call__(self):
        self._passes += 1
        yield from [numbers(16)] * 3
        if self._passes > 1:
            end = time.monotonic() + PATIENCE
            while "epoch:" not in TERMINAL[0].getvalue():
                assert time.monotonic() < end
                threading.Event().wait(0.01)
            raise OSError("the tape is torn")


def lines(passes):
    return [pass_line(report) for report in passes]


def test_a_pipe_gets_nothing_by_default_and_all_passes_once_somebody_asks(running, output):
    written = output(terminal=False)
    running.attach(train(epochs=2))
    running.wait()
    running.evaluate(rating())
    assert written.getvalue() == ""
    running.attach(train(epochs=3))
    history = running.wait(progress=True)
    assert written.getvalue().splitlines() == lines(history)


def test_each_pass_is_one_line_through_all_waits(running, output):
    written = output(terminal=False)
    running.attach(Sentinel.validate(data.arrays(*numbers(), shuffle=False), batch_size=16, every="10ms"))
    running.attach(train())
    for _ in range(3):
        running.wait(epochs=2, progress=True)
    running.evaluate(rating(), progress=True)
    told = written.getvalue().splitlines()
    assert len(told) == len(set(told)) >= 6 + 1 + 1
    assert told == lines(running.history)[: len(told)]


def test_a_terminal_shows_the_network_once_and_keeps_the_passes_alone(running, output):
    written = output(terminal=True)
    running.attach(train(epochs=3))
    history = running.wait()
    report = running.evaluate(rating())
    head, *rest = lines_left(written.getvalue())
    assert head.startswith(f"network {running.name}: 2 gates, 53 parameters")
    assert rest == lines([*history, report])


def test_a_reader_who_comes_late_is_shown_the_newest_passes(output):
    with deploy(NETWORK) as running:
        running.attach(train(epochs=150))
        running.wait(progress=False)
        written = output(terminal=True)
        history = running.wait()
        assert lines_left(written.getvalue())[1:] == ["50 passes before, see history", *lines(history[50:])]


def test_passes_of_others_before_this_client_connected_are_not_shown(output):
    with (
        Client(processes=False, dashboard_address=":0") as owner,
        Client(owner.scheduler.address, set_as_default=False) as client,
        deploy(NETWORK, owner, name="net") as running,
    ):
        running.attach(train(epochs=2))
        earlier = running.wait()
        written = output(terminal=False)
        with connect("net", client) as guest:
            guest.evaluate(rating(name="mine"), progress=True)
            guest.attach(train(name="later", epochs=1))
            history = guest.wait(progress=True)
            assert len(history) == len(earlier) + 2
            assert written.getvalue().splitlines() == lines(history[-2:])


def test_a_client_of_another_thread_shows_too(output):
    written = output(terminal=True)
    with deploy(NETWORK) as running:
        running.attach(train(epochs=3))
        waiting = threading.Thread(target=running.wait)
        waiting.start()
        waiting.join(PATIENCE)
        assert lines_left(written.getvalue())[1:] == lines(running.history)


def test_a_pass_in_flight_is_drawn_with_its_figures(running, output):
    written = output(terminal=True)
    report = running.evaluate(Sentinel.test(data.stream(until_it_is_drawn), batch_size=16))
    assert lines_left(written.getvalue())[1:] == lines([report])


def test_a_validation_that_takes_its_time_is_drawn_until_it_has_ended(running, output):
    written = output(terminal=True)
    validate = running.attach(Sentinel.validate(data.stream(until_it_is_drawn), batch_size=16, every="1h"))
    running.attach(train())
    end = time.monotonic() + PATIENCE
    while not validate.reports:
        assert time.monotonic() < end
        running.wait(epochs=50)
    running.evaluate(rating())
    (line,) = [line for line in lines_left(written.getvalue()) if line.startswith("validate0")]
    assert line == pass_line(validate.reports[0])


def test_a_terminal_that_goes_away_does_not_end_the_run(user, output, monkeypatch, caplog):
    written = output(terminal=True)

    def write(text):
        if "epoch:" in written.getvalue():
            raise OSError("went away")
        return StringIO.write(written, text)

    monkeypatch.setattr(written, "write", write)
    with user.deploy(NETWORK) as running:
        running.attach(train(epochs=300))
        assert len(running.wait()) == 300
        assert any("not shown any more: OSError('went away')" in told for told in caplog.messages)
        assert running.evaluate(rating()).samples == len(numbers()[0])


def test_a_pipe_that_is_closed_is_an_error_for_who_asked_for_lines(output, monkeypatch):
    written = output(terminal=False)
    monkeypatch.setattr(written, "write", Mock(side_effect=BrokenPipeError("closed")))
    with deploy(NETWORK) as running:
        running.attach(train(epochs=1))
        with pytest.raises(BrokenPipeError):
            running.wait(progress=True)


def test_an_asynchronous_wait_needs_none_of_the_loops_threads(output):
    written = output(terminal=True)

    async def story():
        async with (
            Client(processes=False, dashboard_address=":0", asynchronous=True) as client,
            await deploy(NETWORK, client) as running,
        ):
            await running.attach(train(epochs=2))
            taken, free = ThreadPoolExecutor(1), threading.Event()
            asyncio.get_running_loop().set_default_executor(taken)
            busy = taken.submit(free.wait, PATIENCE)
            try:
                history = await running.wait()
                assert not busy.done()
                assert lines_left(written.getvalue())[1:] == lines(history)
            finally:
                free.set()

    asyncio.run(story())


def test_an_error_is_raised_after_the_passes_before_it_are_shown(running, output):
    written = output(terminal=True)

    running.attach(Sentinel.train(data.stream(Torn()), batch_size=16), epochs=5)
    with pytest.raises(SentinelError, match="torn"):
        running.wait()
    assert sys.stdout is written
    assert lines_left(written.getvalue())[1:] == lines(running.history) and len(running.history) == 1


def test_an_asynchronous_wait_that_is_cancelled_leaves_the_terminal_as_it_was(output, eventually):
    written = output(terminal=True)

    async def story():
        async with (
            Client(processes=False, dashboard_address=":0", asynchronous=True) as client,
            await deploy(NETWORK, client) as running,
        ):
            await running.attach(train())
            waiting = asyncio.create_task(running.wait(epochs=10**6))
            await asyncio.to_thread(eventually, lambda: "pass 1" in written.getvalue())
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            assert sys.stdout is written
            told = written.getvalue()
            assert told.rindex("\x1b[?25h") > told.rindex("\x1b[?25l")

    asyncio.run(story())


@pytest.mark.parametrize("progress", [1, "yes", 0])
def test_progress_is_a_switch(progress):
    with deploy(NETWORK) as running:
        for verb in (lambda: running.wait(progress=progress), lambda: running.evaluate(rating(), progress=progress)):
            with pytest.raises(SpecError, match="progress is True, False or None"):
                verb()


def test_a_listener_can_be_taken_away(running):
    heard = []
    silence = running.plain.subscribe(heard.append)
    running.attach(train(epochs=1))
    running.wait()
    silence()
    silence()
    running.evaluate(rating())
    assert [report.sentinel for report in heard] == ["train0"]


PROGRAM = """
import signal

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell has its background jobs ignore it
from akkordeon_dask import deploy
from tests.support.small_networks import NETWORK, train

with deploy(NETWORK) as running:
    running.attach(train())
    try:
        running.wait(epochs=10**6)
    except KeyboardInterrupt:
        print("interrupted")
"""


WHILE_IT_DRAWS = """
import itertools
import os
from rich.console import Console

calls, enter = itertools.count(), Console.__enter__


def enter_and_interrupt(console):
    entered = enter(console)
    if next(calls) == 50:
        os.kill(os.getpid(), signal.SIGINT)
    return entered


Console.__enter__ = enter_and_interrupt
"""
"""Put before the program: the interrupt comes where rich holds back what it is told to write."""


@pytest.mark.parametrize("when", ["while it waits", "while it draws"])
def test_an_interrupt_in_a_terminal_takes_the_bars_away(when):
    ours, its = pty.openpty()
    more = environment(TERM="xterm-256color", COLUMNS="100", PYTHONPATH=os.pathsep.join(sys.path))
    text = PROGRAM if when == "while it waits" else PROGRAM.replace("\nfrom", f"{WHILE_IT_DRAWS}\nfrom", 1)
    with subprocess.Popen([sys.executable, "-c", text], stdin=its, stdout=its, stderr=its, env=more) as program:
        os.close(its)
        try:
            said = _read(ours, until=lambda said: "train0 pass " in said and "epoch:" in said)
            if when == "while it waits":
                program.send_signal(signal.SIGINT)
            said += _read(ours)
            assert program.wait(PATIENCE) == 0
        finally:
            program.kill()
            os.close(ours)
    head, *passes, last = lines_left(said)
    assert head.startswith("network ") and last == "interrupted"
    assert passes and all(line.startswith("train0     epoch:") for line in passes)
    assert said.rindex("\x1b[?25h") > said.rindex("\x1b[?25l")


def _read(terminal, until=lambda said: False):
    """The output of a terminal, until the condition holds or the output ends."""
    said = b""
    while not until(said.decode(errors="replace")):
        assert select.select([terminal], [], [], PATIENCE)[0], f"nothing came any more after {said[-500:]!r}"
        try:
            said += os.read(terminal, 65536)
        except OSError:  # Linux says so of a terminal that nobody has open any more
            break
    return said.decode(errors="replace")  # the first part may end inside a letter
