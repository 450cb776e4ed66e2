from datetime import timedelta

import click
import dask.config
import numpy as np
import pytest
from dask.utils import parse_timedelta, timedelta_sizes
from hypothesis import given
from hypothesis import strategies as st

from akkordeon_dask import Sentinel, config, data, plan
from akkordeon_dask._durations import parse_duration
from akkordeon_dask.cli import akkordeon
from akkordeon_dask.errors import DataError, SpecError
from akkordeon_dask.runtime._arguments import check_timeout
from akkordeon_dask.runtime.recovery._gate_factory import snapshot_policy
from tests.support.small_networks import NETWORK

SPELLINGS = [
    ("20s", 20), ("1.5min", 90), ("2 minutes", 120), ("100ms", 0.1), (" 1 H ", 3600), ("3.0", 3), ("1e-1 s", 0.1),
    (3.0, 3), (0.5, 0.5), (np.float32(0.5), 0.5), (timedelta(minutes=2), 120), (np.timedelta64(1500, "ms"), 1.5),
]  # fmt: skip
"""Of times, with their seconds; none is a whole number, which for snapshots counts updates."""


def configured(value):
    with dask.config.set({"akkordeon.timeouts.control": value}):
        return config.seconds("timeouts.control")


def option(command, name):
    """The value of an option of a command as the command gets it."""
    (found,) = (one for one in akkordeon.commands[command].params if f"--{name}" in one.opts)
    return lambda value: found.process_value(click.Context(akkordeon.commands[command]), value)


TAKERS = {
    "Sentinel(every=)": lambda value: Sentinel.validate(data.mnist_sample("test"), every=value).every,
    "deploy(snapshot_every=)": lambda value: snapshot_policy(value, 3).seconds,
    "wait(timeout=)": check_timeout,
    "dask.config": configured,
    "demo --validate-every": option("demo", "validate-every"),
    "sentinel --every": option("sentinel", "every"),
    "network --snapshot-every": option("network", "snapshot-every"),
    "network --wait": option("network", "wait"),
    "top --interval": option("top", "interval"),
}


@pytest.mark.parametrize(("value", "seconds"), [*SPELLINGS, ("3", 3), (3, 3), (np.int64(2), 2)], ids=repr)
def test_a_time_is_parsed_in_every_spelling(value, seconds):
    parsed = parse_duration("every", value)
    assert parsed == pytest.approx(seconds) and type(parsed) is float


@pytest.mark.parametrize("taker", TAKERS)
def test_every_argument_option_and_setting_takes_a_time_in_every_spelling(taker):
    text_only = " --" in taker
    for value, seconds in SPELLINGS:
        if isinstance(value, str) or not text_only:
            assert TAKERS[taker](value) == pytest.approx(seconds), value
    with pytest.raises((SpecError, click.BadParameter), match="a time above zero"):
        TAKERS[taker]("soon")


def test_a_plan_refuses_a_timeout_that_is_no_time_before_it_asks_the_cluster():
    with pytest.raises(SpecError, match="timeout is a time above zero"):
        plan(NETWORK, None, timeout="soon")


@given(st.floats(1e-6, 8e5), st.sampled_from([("ms", 1e-3), ("s", 1), ("min", 60), ("m", 60), ("h", 3600)]))
def test_a_unit_is_a_factor(number, unit):
    word, factor = unit
    assert parse_duration("every", f"{number!r}{word}") == number * factor


@pytest.mark.parametrize("unit", sorted(timedelta_sizes))
def test_all_units_of_dask_mean_the_same_here(unit):
    assert parse_duration("every", f"3{unit}") == pytest.approx(parse_timedelta(f"3{unit}"))


@pytest.mark.parametrize(
    "value",
    ["", "s", "soon", "1.2.3s", "3 fortnights", "-3s", "1e400s", "0s", 0, -1, True, float("nan"), np.inf, None, [1],
     timedelta(0), timedelta(seconds=-1), np.timedelta64(1, "M"), np.timedelta64("NaT", "s")],
    ids=repr,
)  # fmt: skip
def test_a_value_that_is_no_time_above_zero_is_quoted(value):
    with pytest.raises(SpecError) as caught:
        parse_duration("every", value)
    assert "every is a time above zero" in str(caught.value) and repr(value)[:80] in str(caught.value)


def test_an_error_is_of_the_class_that_is_asked_for():
    with pytest.raises(DataError):
        parse_duration("x", "soon", error=DataError)
