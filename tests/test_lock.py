"""The locked versions: what pyproject.toml asks for, exactly and with hashes."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
ASKED = {
    "package.txt": PROJECT["dependencies"],
    "test.txt": PROJECT["dependencies"] + PROJECT["optional-dependencies"]["test"],
}


def locked(name):
    """Each locked requirement, with the lines of its hashes."""
    text = re.sub(r"^ *#.*\n", "", (ROOT / "requirements" / name).read_text(), flags=re.MULTILINE)
    for entry in text.replace("\\\n", " ").splitlines():
        requirement, *hashes = entry.split(" --hash=")
        yield Requirement(requirement), [one.strip() for one in hashes]


@pytest.mark.parametrize("name", ASKED)
def test_every_version_is_exact_and_has_its_hashes(name):
    entries = list(locked(name))
    assert entries
    for requirement, hashes in entries:
        assert [one.operator for one in requirement.specifier] == ["=="], requirement
        assert hashes and all(re.fullmatch("sha256:[0-9a-f]{64}", one) for one in hashes), requirement


@pytest.mark.parametrize("name", ASKED)
def test_what_the_project_asks_for_is_locked_at_a_version_that_it_takes(name):
    found = {}
    for requirement, _ in locked(name):
        (version,) = (one.version for one in requirement.specifier)
        found.setdefault(canonicalize_name(requirement.name), []).append(version)
    for wanted in map(Requirement, ASKED[name]):
        versions = found.get(canonicalize_name(wanted.name), [])
        assert versions and all(wanted.specifier.contains(version) for version in versions), wanted
