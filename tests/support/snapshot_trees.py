"""Trees for snapshots: any that can be kept, and comparing them bit for bit."""

import dataclasses
import logging
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

DTYPES = ("float32", "float64", "uint8", "int64", "bool")

LAYOUTS = {
    "as made": lambda array: array,
    "turned round": lambda array: array.T,
    "column by column": np.asfortranarray,
    "every other": lambda array: array[(..., *[slice(None, None, 2)] * array.ndim)],
    "backwards": lambda array: array[(..., *[slice(None, None, -1)] * array.ndim)],
}

arrays = st.builds(
    lambda array, layout: LAYOUTS[layout](array),
    st.sampled_from(DTYPES).flatmap(
        lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
    ),
    st.sampled_from(sorted(LAYOUTS)),
)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
numpy_scalars = st.sampled_from([np.float32(0.1), np.int64(-7), np.uint8(255), np.True_, np.float64("nan")])
keys = st.text(max_size=4) | st.sampled_from(["", ".", "w", "a.b", "0", "__metadata__", "\ud800", "~1", "%2E"])
trees = st.recursive(
    arrays | scalars | numpy_scalars,
    lambda inner: (
        st.dictionaries(keys, inner, max_size=4) | st.lists(inner, max_size=4) | st.lists(inner, max_size=4).map(tuple)
    ),
    max_leaves=12,
)


def same(a, b):
    """Of one form, and equal to the last bit."""
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray | np.generic):
        return (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if dataclasses.is_dataclass(a):
        return all(same(getattr(a, field.name), getattr(b, field.name)) for field in dataclasses.fields(a))
    if isinstance(a, tuple | list):
        return len(a) == len(b) and all(map(same, a, b))
    return repr(a) == repr(b)


@contextmanager
def logged() -> Iterator[list[str]]:
    """The messages that the package logs in this block."""
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())
    logger = logging.getLogger("akkordeon_dask.snapshots")
    logger.addHandler(handler)
    try:
        yield lines
    finally:
        logger.removeHandler(handler)
