"""A table of cases as one test."""

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any

import pytest

Test = Callable[..., None]


def for_each(names: str, rows: Iterable[Any]) -> Callable[[Test], Test]:
    """As `pytest.mark.parametrize`, but in one test: it tries every row and reports each one that fails.

    For tables of cheap rows. All rows share the test's fixtures.
    """
    rows, keys = list(rows), names.split(", ")

    def decorate(test: Test) -> Test:
        @functools.wraps(test)
        def run(**others: Any) -> None:
            failures: list[BaseException] = []
            for row in rows:
                values = dict(zip(keys, row if len(keys) > 1 else (row,), strict=True))
                try:
                    test(**values, **others)
                except (Exception, pytest.fail.Exception) as failure:
                    failure.add_note(f"with {values!r}")
                    failures.append(failure)
            if failures:
                raise BaseExceptionGroup(f"{len(failures)} of {len(rows)} rows fail", failures)

        signature = inspect.signature(test)
        kept = [parameter for name, parameter in signature.parameters.items() if name not in keys]
        run.__signature__ = signature.replace(parameters=kept)  # type: ignore[attr-defined]
        return run

    return decorate
