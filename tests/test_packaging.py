import fnmatch
import importlib
import importlib.util
import inspect
import re
import tomllib
from pathlib import Path
from types import ModuleType

import yaml
from importlinter.cli import lint_imports
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.for_each import for_each

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "akkordeon_dask"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
CONDA_NAMES = {
    "msgpack-python": "msgpack",
    "dask-core": "dask",
    "python-build": "build",
    "python-confluent-kafka": "confluent-kafka",
}
"""conda-forge's names that differ: its `dask` is a bundle, `dask-core` is what pip calls dask."""

FILES = sorted(path for path in PACKAGE.rglob("*.py") if path.name != "__main__.py")
if importlib.util.find_spec("torch") is None:
    FILES = [path for path in FILES if not path.is_relative_to(PACKAGE / "torch")]
if importlib.util.find_spec("jax") is None:
    FILES = [path for path in FILES if not path.is_relative_to(PACKAGE / "jax")]


def module_name(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = [module_name(path) for path in FILES]
PACKAGES = [module_name(path) for path in FILES if path.name == "__init__.py"]


def bounds(requirements):
    return {canonicalize_name(need.name): need.specifier for need in map(Requirement, requirements)}


def shipped_as_data(path):
    """Whether a file beside the code matches a pattern of `package-data`."""
    declared = PROJECT["tool"]["setuptools"]["package-data"]
    return any(
        fnmatch.fnmatch(path.relative_to(ROOT).as_posix(), f"{package.replace('.', '/')}/{pattern}")
        for package, patterns in declared.items()
        for pattern in patterns
    )


def conda_bounds(requirements):
    named = bounds(need for need in requirements if isinstance(need, str))
    return {CONDA_NAMES.get(name, name): bound for name, bound in named.items()}


def conda_file(name):
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def test_conda_and_pip_install_the_same_environment():
    project = PROJECT["project"]
    pip = bounds(project["dependencies"] + project["optional-dependencies"]["test"])
    pip |= bounds([f"python{project['requires-python']}", "pip"])
    assert conda_bounds(conda_file("environment.yml")["dependencies"]) == pip


def test_the_recipe_of_conda_forge_needs_what_the_project_needs():
    recipe, project = conda_file("recipe/meta.yaml"), PROJECT["project"]
    python = [f"python{project['requires-python']}"]
    assert recipe["package"] == {"name": project["name"], "version": importlib.import_module(PACKAGE.name).__version__}
    assert conda_bounds(recipe["requirements"]["run"]) == bounds(project["dependencies"] + python)
    assert conda_bounds(recipe["requirements"]["host"]) == bounds(
        PROJECT["build-system"]["requires"] + [*python, "pip"]
    )
    assert (recipe["about"]["license"], recipe["about"]["summary"]) == (project["license"], project["description"])


@for_each("name", PACKAGES)
def test_all_is_what_a_package_exports(name):
    package = importlib.import_module(name)
    exported = {key for key, value in vars(package).items() if key[0] != "_" and not isinstance(value, ModuleType)}
    names = [key for key in getattr(package, "__all__", ()) if key[0] != "_"]
    assert sorted(key for key in names if not isinstance(getattr(package, key), ModuleType)) == sorted(exported)


@for_each("name", MODULES)
def test_every_public_name_is_there_and_documented(name):
    module = importlib.import_module(name)
    assert inspect.getdoc(module)
    names = getattr(module, "__all__", ())  # a room of a package exports nothing
    assert len(names) == len(set(names)) and (names or Path(module.__file__).name == "__init__.py")
    for public in (getattr(module, key) for key in names):
        if inspect.isclass(public):
            methods = [(key, getattr(public, key)) for key in vars(public) if key[0] != "_"]
            bare = [key for key, value in methods if inspect.isroutine(value) and not inspect.getdoc(value)]
            assert not bare, f"{public.__qualname__} has methods without a docstring, its own or its base's"


def test_the_package_ships_its_types_and_defaults():
    for name in ("py.typed", "akkordeon.yaml"):
        assert shipped_as_data(PACKAGE / name)
        assert (PACKAGE / name).is_file()


def test_every_file_beside_the_code_ships():
    beside = [path for path in PACKAGE.rglob("*") if path.is_file() and path.suffix not in {".py", ".pyc"}]
    assert [path for path in beside if not shipped_as_data(path)] == []


def test_every_folder_with_code_is_a_package():
    folders = {path.parent for path in PACKAGE.rglob("*.py")}
    assert [folder for folder in folders if not (folder / "__init__.py").is_file()] == []


def test_the_license_is_the_one_declared():
    assert PROJECT["project"]["license"] == "BSD-3-Clause"
    assert (ROOT / "LICENSE").read_text(encoding="utf-8").startswith("BSD 3-Clause License")


def test_the_import_contracts_hold(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    # It would disable all loggers there are, for the tests to come.
    monkeypatch.setattr("logging.config.dictConfig", lambda config: None)
    code = lint_imports(config_filename="pyproject.toml", no_cache=True)
    assert code == 0, capsys.readouterr().out


def make_commands(markdown):
    """The targets of the `make` commands in fenced blocks and inline code."""
    code = "\n".join(re.findall(r"```.*?```|`[^`\n]+`", markdown, re.DOTALL))
    return set(re.findall(r"\bmake (?:-\S+ )*([a-z]+(?:-[a-z]+)*)", code))


def test_every_command_of_the_readme_is_in_the_makefile():
    assert make_commands("make haste: `make -s demo ARGS=x`\n```\n$ make test\n```\n") == {"demo", "test"}
    told = make_commands((ROOT / "README.md").read_text(encoding="utf-8"))
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert told
    assert told <= set(re.findall(r"^([a-z-]+):.* ## ", makefile, re.MULTILINE))
