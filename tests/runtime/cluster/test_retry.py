"""An operation is retried for as long as that makes sense."""

import asyncio

import pytest

from akkordeon_dask.errors import DeadlineError, SpecError
from akkordeon_dask.runtime.cluster._retry import retry


def tried(errors, *, seconds=60.0, **options):
    """Retry an operation that fails with these errors one by one; returns the result and the errors that are left."""
    left = list(errors)

    async def attempt():
        if left:
            raise left.pop(0)
        return "done"

    async def story():
        return await retry(attempt, "trying", end=asyncio.get_running_loop().time() + seconds, longest=0.0, **options)

    try:
        return asyncio.run(story()), left
    except Exception as error:
        return error, left


LATE, WRONG = DeadlineError("late"), SpecError("wrong")


async def never(error):
    return isinstance(error, DeadlineError)


@pytest.mark.parametrize(
    ("errors", "options", "result", "left"),
    [
        ([LATE, LATE], {}, "done", []),
        ([LATE, WRONG, LATE], {}, WRONG, [LATE]),
        ([LATE, LATE], {"seconds": -1.0}, LATE, [LATE]),
        ([WRONG, LATE, LATE], {"retryable": (SpecError, DeadlineError), "hopeless": never}, LATE, [LATE]),
    ],
    ids=["until it succeeds", "not after another error", "not after its end", "not where it is hopeless"],
)
def test_an_operation_is_retried(errors, options, result, left):
    assert tried(errors, **options) == (result, left)
