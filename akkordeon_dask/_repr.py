"""Values print as they were written: one `__repr__` for layers, optimizers, gates and sentinels; and shapes."""

import dataclasses
from typing import Any, ClassVar

from akkordeon_dask._numbers import check_int
from akkordeon_dask.errors import SpecError

__all__ = ["Written", "check_shape", "is_missing", "shape_text"]


class Written:
    """Mixin for frozen dataclasses: `repr` is the shortest call that makes an equal value.

    Fields without a default print by position, the others by keyword where they differ from it.
    """

    namespace: ClassVar[str] = ""
    """The prefix of the class's name, `"nn."` for a layer."""

    def __repr__(self) -> str:
        parts = []
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            if not field.repr:
                continue
            value, factory = getattr(self, field.name), field.default_factory
            default = field.default if is_missing(factory) else factory()  # type: ignore[operator]
            if is_missing(default):
                parts.append(repr(value))
            elif not _same(value, default):
                parts.append(f"{field.name}={value!r}")
        return f"{_namespace(type(self))}{type(self).__name__}({', '.join(parts)})"


def is_missing(default: Any) -> bool:
    """No such default: a class of a script or notebook may have come here with a copy of `MISSING`."""
    return isinstance(default, type(dataclasses.MISSING))


def shape_text(shape: tuple[int | None, ...] | int | None) -> str:
    """A shape or an extent with `?` for an unknown extent: `(6, ?, ?)`."""
    return str(shape).replace("None", "?")


def check_shape(shape: Any) -> tuple[int | None, ...] | None:
    """A sample's shape as a user writes it: sizes of at least 1, None for one that is not known or for all.

    Raises
    ------
    SpecError
        when it is something else.
    """
    if shape is None:
        return None
    if not isinstance(shape, tuple | list):
        raise SpecError(f"a sample's shape is a tuple of sizes, e.g. (3, 28, 28), not {shape!r}")
    return tuple(None if size is None else check_int("a size of a sample's shape", size, 1) for size in shape)


def _namespace(kind: type[Written]) -> str:
    """The namespace, if the class comes from the package that it stands for: a user's own class has none."""
    home = next(base for base in kind.__mro__ if "namespace" in vars(base))
    same = home.__module__.partition(".")[0] == kind.__module__.partition(".")[0]
    return kind.namespace if same else ""


def _same(a: Any, b: Any) -> bool:
    return type(a) is type(b) and bool(a == b)
