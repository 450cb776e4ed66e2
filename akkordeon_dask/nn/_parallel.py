"""Layers side by side."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from akkordeon_dask._foreign import instead
from akkordeon_dask._numbers import keep_int
from akkordeon_dask._repr import shape_text
from akkordeon_dask.errors import SpecError
from akkordeon_dask.nn._branches import Branches
from akkordeon_dask.nn._layer import Layer, Shape

__all__ = ["Parallel"]

Join = Literal["sum", "concatenate"]


@dataclass(frozen=True, repr=False)
class Parallel(Branches):
    """Several branches of one input, joined: `y = a(x) + b(x) + ...`, or their outputs concatenated.

    Concatenated as in Szegedy, Liu, Jia, Sermanet, Reed, Anguelov, Erhan, Vanhoucke, Rabinovich,
    'Going Deeper with Convolutions', arXiv 1409.4842, 2014.

    Its parameters are the tuple of its branches' parameters.

    Parameters
    ----------
    branches
        at least one layer or chain; the constructor checks that their shapes fit, as far as they are known.
    join
        `"sum"`, or `"concatenate"` along `axis`.
    axis
        of a sample, from 0: of images its channels, of vectors its features.

    Shapes
    ------
    x : (batch, ...), as the branches take it; y : (batch, ...), the output of a branch, or that with the
    branches' sizes along `axis` added up

    Raises
    ------
    SpecError
        when there is no branch, one is no layer, or `join` or `axis` is none.
    ShapeError
        when the branches take different samples, or their outputs cannot be joined.

    Examples
    --------
    >>> from akkordeon_dask import nn
    >>> nn.Parallel([nn.Linear(4, 2), nn.Linear(4, 3)], join="concatenate").output_shape((4,))
    (5,)
    """

    branches: Sequence[Layer]
    join: Join = "sum"
    axis: int = 0

    def __post_init__(self) -> None:
        if isinstance(self.branches, Layer):
            raise SpecError(f"the branches of a Parallel are a list of layers, not {self.branches!r}")
        object.__setattr__(self, "branches", tuple(self.branches))
        for branch in self.branches:
            if not isinstance(branch, Layer):
                raise SpecError(f"a Parallel holds layers, e.g. nn.ReLU(), not {branch!r}{instead(branch)}")
        if not self.branches:
            raise SpecError("an empty Parallel gives nothing: give it at least one branch")
        if self.join not in get_args(Join):
            raise SpecError(f"{self!r}: join is one of {', '.join(get_args(Join))}, not {self.join!r}")
        keep_int(self, "axis", 0)
        self.output_shape(None)

    @property
    def _branches(self) -> tuple[Layer, ...]:
        return tuple(self.branches)

    @property
    def _axis(self) -> int | None:
        return self.axis if self.join == "concatenate" else None

    def _misfit(self, one: int, its: Shape, other: int, others: Shape) -> str:
        how = "added" if self._axis is None else f"concatenated along axis {self.axis}"
        both = f"branch {one} gives {shape_text(its)}, branch {other} gives {shape_text(others)}"
        return f"{both}, which cannot be {how}"

    def __repr__(self) -> str:
        parts = [f"[{', '.join(repr(branch) for branch in self.branches)}]"]
        parts += [f"join={self.join!r}"] if self.join != "sum" else []
        parts += [f"axis={self.axis!r}"] if self.axis != 0 else []
        return f"nn.Parallel({', '.join(parts)})"
