"""A user's type checker: it knows what each verb returns, with a synchronous and an asynchronous client."""

import ast
import inspect
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import akkordeon_dask
from akkordeon_dask import Running, callbacks, data
from akkordeon_dask.runtime import AsyncRunning
from tests.support.patience import PATIENCE

ROOT = Path(__file__).parent.parent
SCRIPT = ROOT / "tests" / "support" / "typed_user.py"


@pytest.mark.slow
@pytest.mark.timeout(4 * PATIENCE)
def test_a_type_checker_knows_the_result_of_each_verb():
    options = "--strict", "--follow-imports=silent", "--config-file=", f"--cache-dir={ROOT / '.mypy_cache' / 'user'}"
    command = [sys.executable, "-m", "mypy", *options, str(SCRIPT)]
    output = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=3 * PATIENCE, check=False).stdout
    found = {}
    for line, kind, text in re.findall(r"typed_user\.py:(\d+): (note|error): (.*)", output):
        revealed = re.fullmatch(r'Revealed type is "(.*)"', text)
        short = re.sub(r"(?:\w+\.)+(?=[A-Za-z])", "", revealed[1]) if revealed else kind
        found.setdefault(int(line), short)
    lines = enumerate(SCRIPT.read_text().splitlines(), 1)
    wanted = {number: line.split("  # ")[1] for number, line in lines if "  # " in line}
    assert found == wanted, output


def members(owner):
    """The public functions, methods and properties that an exported name stands for."""
    if inspect.isclass(owner):
        kinds = [(name, vars(owner)[name]) for name in vars(owner) if not name.startswith("_")]
    else:
        kinds = [(owner.__name__, owner)]
    for name, one in kinds:
        function = one.fget if isinstance(one, property) else getattr(one, "__func__", one)
        if inspect.isfunction(function):
            yield name, function


@pytest.mark.parametrize("name", [name for name in akkordeon_dask.__all__ if callable(getattr(akkordeon_dask, name))])
def test_no_exported_function_or_method_returns_any(name):
    for member, function in members(getattr(akkordeon_dask, name)):
        definition = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
        returns = ast.unparse(definition.returns) if definition.returns is not None else "Any"
        assert "Any" not in returns.replace("dict[str, Any]", ""), f"{name}.{member}: {returns}"


@pytest.mark.parametrize("module", [callbacks, data], ids=["callbacks", "data"])
def test_a_type_checker_checks_what_public_functions_are_given(module):
    for name, function in vars(module).items():
        if name in module.__all__ and inspect.isfunction(function):
            arguments = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0].args
            untyped = {one.arg for one in arguments.args + arguments.kwonlyargs if "Any" in ast.unparse(one.annotation)}
            assert not untyped, f"{name}: {untyped}"


def test_the_view_for_asynchronous_clients_has_every_verb():
    verbs = {name for name, function in members(Running) if hasattr(function, "aio")}
    assert set(re.findall(r"self\.(\w+) =", inspect.getsource(AsyncRunning))) == verbs


def test_a_verb_shows_its_own_name_signature_and_text():
    signature = inspect.signature(Running.predict)
    assert str(signature).startswith("(self, x: ") and list(signature.parameters) == ["self", "x", "batch_size"]
    assert signature.return_annotation == Running.predict.__annotations__["return"] != inspect.Signature.empty
    assert Running.predict.__qualname__ == "Running.predict" and Running.predict.__doc__.startswith("The network's ")
