"""MODULE:NAME and FILE.py:NAME on the command line as Python objects."""

import importlib
import importlib.util
import os
import sys
import sysconfig
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from akkordeon_dask._files import expand
from akkordeon_dask.errors import SpecError

__all__ = ["call_named", "import_object"]

T = TypeVar("T")

_PACKAGE = Path(__file__).parents[1]
_PYTHON = Path(sysconfig.get_path("stdlib")).resolve()


def import_object(target: str, example: str) -> object:
    """The value of that name.

    A module is imported, here and on the workers that need it. A file is run, and so are modules beside it that
    it imports. Their definitions belong to no importable module, so cloudpickle sends them by value to workers.

    Parameters
    ----------
    target
        `package.module:name` or `path/to/file.py:name`.
    example
        a name for the errors: `"network"`.

    Raises
    ------
    SpecError
        when there is no such name, or its module fails.
    """
    source, _, name = target.rpartition(":")
    if not (source and name):
        raise SpecError(
            f"{target!r} does not say which name of which module: write MODULE:{example} or FILE.py:{example}"
        )
    module = _run(Path(expand("the file", source))) if source.endswith(".py") else _imported(source, name)
    if not hasattr(module, name):
        there = ", ".join(key for key in vars(module) if key[0] != "_") or "nothing"
        raise SpecError(f"{source} has no {name!r}, it has {there}: write one of those behind the colon")
    found: object = getattr(module, name)
    return found


def call_named(function: Callable[[], T], target: str) -> T:
    """The result of a function named on the command line.

    Raises
    ------
    SpecError
        when it fails.
    """
    with _user_errors(target):
        return function()


def _imported(module: str, name: str) -> ModuleType:
    try:
        with _user_errors(module):
            return importlib.import_module(module)
    except SpecError as error:
        file = f"{module.replace('.', os.sep)}.py"
        if isinstance(error.__cause__, ModuleNotFoundError) and os.path.isfile(file):
            raise SpecError(f"{error}; there is a file: write {file}:{name}") from error.__cause__
        raise


def _run(path: Path) -> ModuleType:
    if not os.path.isfile(path):
        raise SpecError(f"there is no file {str(path)!r:.300}: check the path, which begins at {str(Path.cwd())!r}")
    # A name that cannot be imported, or unpickling would import a module of that name.
    spec = importlib.util.spec_from_file_location(f"_akkordeon_file_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with _importable_from(path.resolve().parent), _user_errors(str(path)):
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
    return module


@contextmanager
def _importable_from(folder: Path) -> Iterator[None]:
    """Modules of this folder can be imported meanwhile; afterwards they are out of `sys.modules`."""
    known = set(sys.modules)
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        for name in sys.modules.keys() - known:
            file = getattr(sys.modules[name], "__file__", None)
            if file is not None and folder in Path(file).parents and "site-packages" not in Path(file).parts:
                del sys.modules[name]


@contextmanager
def _user_errors(source: str) -> Iterator[None]:
    """Turn an exception of the user's code into a SpecError that names its line."""
    try:
        yield
    except (Exception, SystemExit, GeneratorExit) as error:
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_users(frame.filename)]
        at = f" ({frames[-1].filename}, line {frames[-1].lineno})" if frames else ""
        raise SpecError(f"{source}: {type(error).__name__}: {error}{at}") from error


def _is_users(file: str) -> bool:
    """Whether a file is neither Python's, nor ours, nor installed."""
    path = Path(file)
    ours = _PACKAGE in path.parents or _PYTHON in path.resolve().parents
    return os.path.isfile(path) and "site-packages" not in path.parts and not ours
