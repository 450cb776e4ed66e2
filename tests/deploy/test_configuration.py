"""dask.yaml: every key is one of distributed's, also where it is commented out."""

import re
from importlib.resources import files

import pytest
import yaml

ENVIRONMENT = "distributed.nanny.pre-spawn-environ"
COMMENTED_OUT = re.compile(r"^( *)# ( *[a-z-]+:(?: .*)?)$", re.MULTILINE)


@pytest.fixture(scope="module")
def text(deploy_folder):
    return (deploy_folder / "dask.yaml").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def defaults():
    return yaml.safe_load((files("distributed") / "distributed.yaml").read_text(encoding="utf-8"))


def leaves(tree, above=""):
    """The values by their dotted names."""
    for key, value in tree.items():
        name = f"{above}{key}"
        if isinstance(value, dict):
            yield from leaves(value, f"{name}.")
        else:
            yield name, value


def value_of(tree, name):
    for key in name.split("."):
        tree = tree[key]
    return tree


def test_every_key_is_one_of_distributed(text, defaults):
    names = dict(leaves(yaml.safe_load(text)))
    assert "distributed.scheduler.worker-ttl" in names
    for name in names:
        value_of(defaults, name if not name.startswith(ENVIRONMENT) else ENVIRONMENT)


def test_every_key_that_is_commented_out_is_one_too(text, defaults):
    everything = dict(leaves(yaml.safe_load(COMMENTED_OUT.sub(r"\1\2", text))))
    more = everything.keys() - dict(leaves(yaml.safe_load(text))).keys()
    assert {name.removeprefix("distributed.") for name in more} == {
        "comm.require-encryption",
        "comm.tls.min-version",
        "comm.tls.ca-file",
        *(f"comm.tls.{role}.{file}" for role in ("scheduler", "worker", "client") for file in ("cert", "key")),
        *(f"scheduler.dashboard.tls.{file}" for file in ("ca-file", "cert", "key")),
    }
    for name in more:
        value_of(defaults, name)


def test_no_variable_that_dask_sets_for_workers_is_left_to_chance(text, defaults):
    ours, theirs = value_of(yaml.safe_load(text), ENVIRONMENT), value_of(defaults, ENVIRONMENT)
    assert ours.keys() - theirs.keys() == {"MALLOC_MMAP_THRESHOLD_"}
    assert theirs.keys() <= ours.keys()
    assert ours["MALLOC_TRIM_THRESHOLD_"] > ours["MALLOC_MMAP_THRESHOLD_"] > 2**20
    assert {ours[name] for name in ours if name.endswith("_NUM_THREADS")} == {1}
