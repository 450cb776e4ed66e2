"""What MODULE:NAME or FILE.py:NAME on the command line stands for."""

import importlib
import importlib.util
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from akkordeon_dask._files import expand
from akkordeon_dask.errors import SpecError

__all__ = ["call_named", "import_object"]

_PACKAGE = Path(__file__).parents[1]


def import_object(target: str, example: str) -> Any:
    """The value of that name.

    A module is imported, here and on the workers that need it. A file is run, and so are modules beside it that
    it imports; what they define is part of no module that could be imported: so it travels, by cloudpickle's rules,
    with all that uses it, to the workers and to whoever reads it there.

    Parameters
    ----------
    target
        `package.module:name` or `path/to/file.py:name`.
    example
        a name such as there should be, for errors.

    Raises
    ------
    SpecError
        when there is no such thing, or its module fails.
    """
    place, _, name = target.rpartition(":")
    if not (place and name):
        raise SpecError(
            f"{target!r} does not say which name of which module: write MODULE:{example} or FILE.py:{example}"
        )
    module = _run(Path(expand("the file", place))) if place.endswith(".py") else _imported(place, name)
    if not hasattr(module, name):
        there = ", ".join(key for key in vars(module) if key[0] != "_") or "nothing"
        raise SpecError(f"{place} has no {name!r}, it has {there}: write one of those behind the colon")
    return getattr(module, name)


def call_named(function: Callable[[], Any], target: str) -> Any:
    """What a function from the command line gives.

    Raises
    ------
    SpecError
        when it fails.
    """
    with _user_errors(target):
        return function()


def _imported(place: str, name: str) -> ModuleType:
    try:
        with _user_errors(place):
            return importlib.import_module(place)
    except SpecError as error:
        file = Path(*place.split(".")).with_suffix(".py")
        if isinstance(error.__cause__, ModuleNotFoundError) and file.is_file():
            raise SpecError(f"{error}; there is a file: write {file}:{name}") from error.__cause__
        raise


def _run(path: Path) -> ModuleType:
    if not path.is_file():
        raise SpecError(f"there is no file {str(path)!r}: look at the path, which begins at {str(Path.cwd())!r}")
    # A name that nobody can import, or pickle would look for the module and run a file of that name anew.
    spec = importlib.util.spec_from_file_location(f"_akkordeon_file_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with _importable_from(path.resolve().parent), _user_errors(str(path)):
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
    return module


@contextmanager
def _importable_from(folder: Path) -> Iterator[None]:
    """Modules of this folder can be imported in here; afterwards nobody knows them by name."""
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
def _user_errors(place: str) -> Iterator[None]:
    """What the user's code raises in here is told with the line where it happened."""
    try:
        yield
    except (Exception, SystemExit) as error:
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_users(frame.filename)]
        at = f" ({frames[-1].filename}, line {frames[-1].lineno})" if frames else ""
        raise SpecError(f"{place}: {type(error).__name__}: {error}{at}") from error


def _is_users(file: str) -> bool:
    """Whether a file is neither Python's, nor ours, nor installed."""
    path = Path(file)
    return path.is_file() and "site-packages" not in path.parts and _PACKAGE not in path.parents
