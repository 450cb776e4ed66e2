"""Events of a network as lines: what the error of a command says is not said before it, too."""

import json
from contextlib import nullcontext
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from akkordeon_dask.cli import _events, _output
from akkordeon_dask.cli import akkordeon as group
from akkordeon_dask.cli._output import JsonOutput, Output
from akkordeon_dask.cli.commands import _sentinel
from akkordeon_dask.errors import ClosedError, DataError
from akkordeon_dask.messages import TOPIC

FAILED = {"event": "failed", "network": "n", "sentinel": "train0", "text": "sentinel 'train0': has no data"}
LINE = "failed      sentinel 'train0': has no data\n"


class Sender:
    """Stands for a client: a test sends events through it."""

    status = "running"

    def subscribe_topic(self, topic, handler):
        assert topic == TOPIC
        self.handler = handler

    def unsubscribe_topic(self, topic):
        assert topic == TOPIC

    def send(self, **fields):
        self.handler((0.0, fields))


@pytest.fixture
def running(monkeypatch):
    monkeypatch.setattr(_output, "worker_names", lambda client: {})
    return SimpleNamespace(client=Sender(), name="n")


def train0(sentinel):
    return sentinel == "train0"


def shown(output, running, events, end=None, **options):
    """Have the output show these events of a command that ends with this error."""

    def command():
        with output.events(running, **options):
            for fields in events:
                running.client.send(**fields)
            if end is not None:
                raise end

    if end is None:
        command()
    else:
        with pytest.raises(type(end)):
            command()


def test_a_failure_with_which_the_command_ends_is_said_by_its_error_alone(running, capsys):
    end = DataError(f"{FAILED['text']}. The others go on")
    shown(Output(), running, [FAILED], end, own=train0)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("end", [None, ClosedError("network 'n' was stopped"), KeyboardInterrupt()])
def test_a_failure_that_the_end_does_not_tell_is_a_line(running, capsys, end):
    shown(Output(), running, [FAILED], end, own=train0)
    assert capsys.readouterr().out == LINE


def test_failures_of_others_are_lines_though_an_error_says_the_same(running, capsys):
    shown(Output(), running, [FAILED], DataError(FAILED["text"]))
    assert capsys.readouterr().out == LINE


def test_a_sentinel_that_goes_on_after_a_failure_has_all_its_lines_in_their_order(running, capsys):
    restarted = {"event": "restarted", "network": "n", "sentinel": "train0", "text": "from pass 2"}
    shown(Output(), running, [FAILED, restarted], DataError(FAILED["text"]), own=train0)
    assert capsys.readouterr().out == f"{LINE}restarted   sentinel 'train0': from pass 2\n"


def test_a_failure_with_which_the_command_does_not_end_is_a_line_meanwhile(running, capsys, monkeypatch, eventually):
    monkeypatch.setattr(_events, "_HELD_S", 0.01)
    out = ""

    def is_said():
        nonlocal out
        out += capsys.readouterr().out
        return out == LINE

    with Output().events(running, train0):
        running.client.send(**FAILED)
        eventually(is_said)
    assert capsys.readouterr().out == ""


def test_programs_get_every_failure_and_people_the_error(running, capsys):
    shown(JsonOutput(), running, [FAILED], DataError(FAILED["text"]), own=train0)
    said = capsys.readouterr()
    assert said.err == ""
    assert json.loads(said.out)["event"] == "failed"


def test_a_sentinel_that_fails_is_one_line_of_its_command_which_detaches_it(monkeypatch, running):
    detached = []

    def attach(spec, *, resume):
        running.client.send(**FAILED)
        return SimpleNamespace(
            name="train0", worker="tcp://w", sentinel=spec, progress=None, reports=SimpleNamespace(seen=0)
        )

    def wait_for(attached, *, progress):
        raise DataError(FAILED["text"])

    running.attach, running.wait_for, running.detach = attach, wait_for, lambda one: detached.append(one.name)
    monkeypatch.setattr(_sentinel, "client_at", lambda where: nullcontext(running.client))
    monkeypatch.setattr(_sentinel, "wait_for_network", lambda name, client, patience: nullcontext(running))
    train = ["sentinel", "n", "--mode", "train", "--data", "mnist", "--scheduler", "tcp://127.0.0.1:1"]
    ended = CliRunner(env={"AKKORDEON_DEBUG": ""}).invoke(group, train)
    assert ended.exit_code == 1
    assert ended.output == f"sentinel    train0 on tcp://w works on network 'n'\nError: {FAILED['text']}\n"
    assert detached == ["train0"]
