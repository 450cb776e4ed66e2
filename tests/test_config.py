import os
import subprocess
import sys
from pathlib import Path

import dask.config
import pytest
import yaml

from akkordeon_dask import config
from akkordeon_dask.errors import SpecError
from tests.support.patience import PATIENCE


def in_a_fresh_process(expression, **environment):
    """The text of `expression` in a process that imports the package with these settings and no others."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("DASK_AKKORDEON__")}
    run = subprocess.run(
        [sys.executable, "-c", f"from akkordeon_dask import config; print(({expression}))"],
        env=plain | environment,
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    return run.stdout.strip()


@pytest.mark.parametrize("key", ["deploy", "first-batch", "control", "close", "connect"])
def test_every_remote_wait_has_a_default_deadline(key):
    assert config.seconds(f"timeouts.{key}") > 0


def test_defaults_are_loaded_with_their_units():
    assert config.get("batch.max-attempts") == 5
    assert config.seconds("batch.min-deadline") == 2
    assert config.seconds("link.retry") == 0.1
    assert config.nbytes("link.max-unsent") == 256 * 1024**2
    assert config.choice("link.local", ("auto", "never")) == "auto"
    assert config.whole("link.threads", 1) == 1
    assert config.nbytes("pool.capacity") == 512 * 1024**2
    assert config.get("embedded.dashboard-address") == ":8787"


def test_a_setting_holds_inside_its_block():
    with dask.config.set({"akkordeon.batch.max-attempts": 2, "akkordeon.timeouts.control": "1500ms"}):
        assert config.get("batch.max-attempts") == 2
        assert config.seconds("timeouts.control") == 1.5
    assert config.get("batch.max-attempts") == 5


def test_a_bare_number_is_in_seconds_or_bytes():
    with dask.config.set({"akkordeon.timeouts.close": 3, "akkordeon.pool.capacity": 4096}):
        assert config.seconds("timeouts.close") == 3
        assert config.nbytes("pool.capacity") == 4096


def test_the_environment_overrides_the_defaults():
    said = in_a_fresh_process(
        "config.get('batch.max-attempts'), config.seconds('timeouts.deploy'), config.seconds('timeouts.close')",
        DASK_AKKORDEON__BATCH__MAX_ATTEMPTS="7",
        DASK_AKKORDEON__TIMEOUTS__DEPLOY="2m",
    )
    assert said == "(7, 120.0, 10.0)"


def test_a_file_of_the_user_overrides_the_defaults(tmp_path):
    (tmp_path / "mine.yaml").write_text("akkordeon:\n  link:\n    max-unsent: 1MiB\n")
    said = in_a_fresh_process(
        "config.nbytes('link.max-unsent'), config.seconds('link.retry')", DASK_CONFIG=str(tmp_path)
    )
    assert said == "(1048576, 0.1)"


@pytest.mark.parametrize("value", ["soon", None, "-1s", 0, "nan", ["1s"], "3 bananas"])
def test_a_value_that_is_no_time_is_named(value):
    with dask.config.set({"akkordeon.timeouts.control": value}), pytest.raises(SpecError) as caught:
        config.seconds("timeouts.control")
    assert "akkordeon.timeouts.control" in str(caught.value)
    assert repr(value) in str(caught.value)


@pytest.mark.parametrize("value", ["much", None, "-1MiB", 0, [1]])
def test_a_value_that_is_no_size_is_named(value):
    with dask.config.set({"akkordeon.pool.capacity": value}), pytest.raises(SpecError, match=r"akkordeon\.pool"):
        config.nbytes("pool.capacity")


def test_an_unknown_key_is_an_error():
    with pytest.raises(KeyError, match="max-atempts"):
        config.get("batch.max-atempts")


@pytest.mark.parametrize("bad", [0, -1, 2.5, "5", True, None])
def test_a_value_that_is_no_count_is_an_error_with_its_key(bad):
    with dask.config.set({"akkordeon.batch.max-attempts": bad}):
        with pytest.raises(SpecError, match=r"akkordeon\.batch\.max-attempts in .* at least 1, not ") as caught:
            config.whole("batch.max-attempts", 1)
        assert repr(bad) in str(caught.value)


@pytest.mark.parametrize("bad", [0, -1, float("nan"), "8", True, None])
def test_a_value_that_is_no_factor_is_an_error_with_its_key(bad):
    with dask.config.set({"akkordeon.batch.deadline-factor": bad}):
        with pytest.raises(SpecError, match=r"akkordeon\.batch\.deadline-factor in .* above 0, not ") as caught:
            config.number("batch.deadline-factor")
        assert repr(bad) in str(caught.value)


NO_TIME = ["soon", "", None, "-1s", 0, -1, "nan", "inf", "1e400s", "1e11s", float("nan"), True, ["1s"], {}]
NO_COUNT = [-1, 2.5, float("nan"), "three", "5", True, [1], {}]
NO_SIZE = ["much", "", None, "-1MiB", 0, 0.5, -1, float("nan"), float("inf"), "1e400", True, [1], {}]
NO_NUMBER = [0, -1, float("nan"), float("inf"), "8", "three", True, None, [1], {}]
NO_ADDRESS = [None, 8787, True, "", "8787", "host:", "host:many", ":65536", ":-1", ":8_7", "a b:1", [":1"], {}]
BAD = {
    "threads": [*NO_COUNT, 0],
    "messages-per-turn": [*NO_COUNT, 0, None],
    "batch.deadline-factor": NO_NUMBER,
    "batch.max-attempts": [*NO_COUNT, 0, None],
    "link.max-unsent": NO_SIZE,
    "link.local": ["sometimes", "", None, True, 1, ["auto"], {}],
    "link.threads": [*NO_COUNT, 0, None],
    "embedded.dashboard-address": NO_ADDRESS,
    "dashboard.interval": [*NO_TIME, "1us"],
    "pool.capacity": NO_SIZE,
    "snapshots.lease": [None, "yes", "", 1, 0, [], {}],
    "supervision.recover": ["both", "", None, True, 1, ["gate"], {}],
    "supervision.restarts": [*NO_COUNT, None],
    "supervision.stuck": [value for value in NO_TIME if value is not None],
    "supervision.stuck-restart": [None, "", "yes", "true", 0, 1, 0.5, [True], {}],
    "batch.max-lost": [-1, 1.5, float("nan"), float("inf"), "8", True, None, [1], {}],
}
"""Values that are none, by setting; a setting that is not here is a time."""


def leaves(tree, *path):
    """The keys of a nested mapping, `"batch.max-attempts"`."""
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from leaves(value, *path, key)
        else:
            yield ".".join((*path, key))


def test_every_default_is_checked_and_every_check_has_a_default():
    shipped = yaml.safe_load(Path(config.__file__).with_name("akkordeon.yaml").read_text())
    assert set(config.SETTINGS) == set(leaves(shipped["akkordeon"])) >= set(BAD)


def test_the_defaults_pass_their_checks():
    config.check()


@pytest.mark.parametrize(
    ("key", "value"), [(key, value) for key in config.SETTINGS for value in BAD.get(key, NO_TIME)], ids=repr
)
def test_a_bad_setting_is_refused_with_its_key_its_value_and_what_is_allowed(key, value):
    with dask.config.set({f"akkordeon.{key}": value}), pytest.raises(SpecError) as caught:
        config.check()
    text = str(caught.value)
    assert text.startswith(f"akkordeon.{key} ")
    assert repr(value) in text or value == {}  # Dask merges an empty mapping away
    assert any(word in text for word in (" is a ", " is None or a ", "set it to "))


@pytest.mark.parametrize("group", sorted({key.split(".")[0] for key in config.SETTINGS if "." in key}))
@pytest.mark.parametrize("value", [None, 5, "off", [], {}])
def test_a_group_that_is_no_mapping_is_refused_by_name(group, value):
    with (
        dask.config.set({f"akkordeon.{group}": value}),
        pytest.raises(SpecError, match=f"akkordeon.{group} is ") as caught,
    ):
        config.check()
    assert repr(value) in str(caught.value)


@pytest.mark.parametrize(("text", "key"), [("akkordeon: 5", "akkordeon"), ("akkordeon: {batch: 5}", "akkordeon.batch")])
def test_a_value_in_the_place_of_a_group_in_a_file_is_not_replaced_by_the_defaults(tmp_path, text, key):
    (tmp_path / "mine.yaml").write_text(text)
    assert in_a_fresh_process(f"config.dask.config.get({key!r})", DASK_CONFIG=str(tmp_path)) == "5"


def test_a_value_in_the_place_of_all_settings_is_refused():
    with dask.config.set({"akkordeon": 5}), pytest.raises(SpecError, match="where akkordeon is 5: it is a mapping"):
        config.check()


@pytest.mark.parametrize("key", ["akordeon", "akkordeon_batch.max-attempts", "akkordeon-dask"])
def test_settings_beside_those_of_the_package_are_refused(key):
    with dask.config.set({key: 3}), pytest.raises(SpecError) as caught:
        config.check()
    name = key.partition(".")[0].replace("_", "-")
    assert str(caught.value).replace("_", "-").startswith(f"{name} in Dask's configuration is not read")


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("supervision.restart", "supervision.restarts"),
        ("batch.max_attempt", "batch.max-attempts"),
        ("thread", "threads"),
        ("supervison.recover", "supervision.recover"),
    ],
)
def test_a_key_that_is_no_setting_is_refused_with_the_one_that_is_like_it(key, meant):
    with dask.config.set({f"akkordeon.{key}": 3}), pytest.raises(SpecError) as caught:
        config.check()
    assert f"akkordeon.{key.replace('_', '-')} in Dask's configuration is no setting" in str(caught.value)
    assert f"akkordeon.{meant} meant" in str(caught.value)


def test_a_setting_may_be_written_with_low_lines():
    with dask.config.set({"akkordeon.batch.max_attempts": 3}):
        config.check()
        assert config.SETTINGS["batch.max-attempts"]("batch.max-attempts") == 3
