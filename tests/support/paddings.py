"""Paddings of layers with a window, as their documentation defines them."""

from hypothesis import strategies as st


def both(value):
    return value if isinstance(value, tuple) else (value, value)


def around(layer, shape):
    """The pixels (before, behind) of rows and of columns, for images of `shape`, (channels, rows, columns)."""
    if layer.padding != "same":
        return [both(side) for side in both(layer.padding)]
    sides = []
    stride = both(layer.kernel_size if layer.stride is None else layer.stride)
    for extent, size, step, apart in zip(
        shape[1:], both(layer.kernel_size), stride, both(getattr(layer, "dilation", 1)), strict=True
    ):
        missing = 0
        # One pixel after the other, behind first, until there is a position for every `step` pixels.
        while (extent + missing - apart * (size - 1) - 1) // step + 1 < (extent + step - 1) // step:
            missing += 1
        sides.append((missing // 2, missing - missing // 2))
    return sides


def paddings(rows, columns):
    """Paddings of each form, of at most so many pixels."""
    one, other = st.integers(0, rows), st.integers(0, columns)
    return st.just("same") | st.tuples(one | st.tuples(one, one), other | st.tuples(other, other))
