"""The base of layers with branches: each branch gets the same input, their outputs are joined."""

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from functools import reduce
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from akkordeon_dask._repr import shape_text
from akkordeon_dask.errors import ShapeError
from akkordeon_dask.memory import empty
from akkordeon_dask.nn._key import Key
from akkordeon_dask.nn._layer import Context, Gradients, Layer, Shape, SplitGradients, as_pair
from akkordeon_dask.nn._precision import widened
from akkordeon_dask.nn._shapes import agree, asked, is_full, merged
from akkordeon_dask.tree import Array, Tree

__all__ = ["Branches", "added"]


class _Context(NamedTuple):
    items: tuple[Context, ...]
    ends: list[int]
    """The end of each branch's part of the output, when it is concatenated."""


class Branches(Layer):
    """A layer whose branches are added, or concatenated along an axis of a sample.

    Its parameters are the tuple of its branches' parameters. No branch may overwrite its input: the others and
    their contexts need it too. The output was made here, or inside a branch that does not keep it: it is neither kept
    nor a view.
    """

    @property
    @abstractmethod
    def _branches(self) -> tuple[Layer, ...]: ...

    @property
    def _axis(self) -> int | None:
        """The axis of a sample along which outputs are concatenated; None: they are added."""
        return None

    @abstractmethod
    def _misfit(self, one: int, its: Shape, other: int, others: Shape) -> str:
        """The text of an error: two branches give shapes that cannot be joined."""

    def init(self, rng: np.random.Generator, dtype: DTypeLike = np.float32) -> Tree:
        return tuple(branch.init(rng, dtype) for branch in self._branches)

    @property
    def parameter_count(self) -> int:
        return sum(branch.parameter_count for branch in self._branches)

    @property
    def known_parameter_count(self) -> int:
        return sum(branch.known_parameter_count for branch in self._branches)

    def forward(
        self, params: Tree, x: Array, *, train: bool = False, key: Key | None = None, own: bool = False
    ) -> tuple[Array, Context]:
        branches = self._branches
        if len(params) != len(branches):
            raise ShapeError(f"{self!r} has {len(branches)} branches, its parameters are those of {len(params)}")
        ys, items = [], []
        for index, (branch, its) in enumerate(zip(branches, params, strict=True)):
            below = key.fold(index) if key is not None and branch.draws else None
            y, item = as_pair(branch, "forward", branch.forward(its, x, train=train, key=below))
            ys.append(y)
            items.append(item)
        shape = self._joined_shape([y.shape[1:] for y in ys])
        if self._axis is None:
            free = [not branch.views and not branch.keeps_output for branch in branches]
            return added(ys, free), _Context(tuple(items), [])
        assert is_full(shape)
        axis = self._axis + 1
        y = empty((len(x), *shape), np.result_type(*(y.dtype for y in ys)))
        ends = np.cumsum([y.shape[axis] for y in ys]).tolist()
        return np.concatenate(ys, axis, out=y), _Context(tuple(items), ends)

    def backward(self, context: Context, dy: Array, *, need_dx: bool = True, own: bool = False) -> Gradients:
        # A subclass that overrides `backward` alone may call this one: its own `split_backward` would call it again.
        dx, later = Branches.split_backward(self, context, dy, need_dx=need_dx)
        return dx, later()

    def split_backward(self, context: Context, dy: Array, *, need_dx: bool = True, own: bool = False) -> SplitGradients:
        branches, axis = self._branches, self._axis
        pieces = [dy] * len(branches) if axis is None else np.split(dy, context.ends[:-1], axis + 1)
        dxs, rest = [], []
        for branch, item, piece in zip(branches, context.items, pieces, strict=True):
            dx, later = as_pair(branch, "split_backward", branch.split_backward(item, piece, need_dx=need_dx))
            if need_dx and dx is None:
                raise ShapeError(f"{branch!r} gives no dx: backward returns it wherever need_dx is set")
            dxs.append(dx)
            rest.append(later)
        dx = added([dx for dx in dxs if dx is not None], [not branch.views for branch in branches]) if need_dx else None
        return dx, lambda: tuple(later() for later in rest)

    def rebind(self, context: Context, params: Tree) -> Context:
        triples = zip(self._branches, context.items, params, strict=True)
        return _Context(tuple(branch.rebind(item, its) for branch, item, its in triples), context.ends)

    @property
    def trainable(self) -> bool:
        return any(branch.trainable for branch in self._branches)

    @property
    def draws(self) -> bool:  # type: ignore[override]
        return any(branch.draws for branch in self._branches)

    @property
    def waits(self) -> bool:  # type: ignore[override]
        return any(layer.waits for layer in self._branches)

    def check_here(self) -> None:
        for layer in self._branches:
            layer.check_here()

    @property
    def observes(self) -> bool:
        return any(branch.observes for branch in self._branches)

    def advance(self, params: Tree, grads: Tree) -> Tree:
        return tuple(branch.advance(*both) for branch, *both in zip(self._branches, params, grads, strict=True))

    def parameter_names(self, path: str) -> tuple[str, ...]:
        index, _, inner = path.partition(".")
        return self._branches[int(index)].parameter_names(inner)

    @property
    def keeps_shape(self) -> bool:
        return self._axis is None and any(branch.keeps_shape for branch in self._branches)

    @property
    def input_shape(self) -> Shape | None:
        """The shape that all branches ask for."""
        return reduce(merged, (branch.input_shape for branch in self._branches))

    def output_shape(self, shape: Shape | None) -> Shape | None:
        return self._joined_shape(self._shapes(shape))

    def _shapes(self, shape: Shape | None) -> list[Shape | None]:
        """The shape behind each branch for samples of `shape`, completed by what all of them ask for."""
        asks = merged(shape, self.input_shape)
        try:
            return [asked(branch.output_shape, asks, None) for branch in self._branches]
        except ShapeError as error:
            if shape is not None:
                raise
            first = next(branch for branch in self._branches if branch.input_shape is not None)
            raise ShapeError(f"what goes into {first!r} goes into all branches of {self!r}: {error}") from None

    def _joined_shape(self, shapes: Sequence[Shape | None]) -> Shape | None:
        """The shape behind the join; ShapeError where the known ones among `shapes` do not fit."""
        known = [(index, shape) for index, shape in enumerate(shapes) if shape is not None]
        rests = [self._without_axis(index, shape) for index, shape in known]
        for (one, its_rest), (other, others_rest) in combinations(zip(known, rests, strict=True), 2):
            if not agree(its_rest, others_rest):
                raise ShapeError(f"{self!r}: {self._misfit(*one, *other)}")
        joined, axis = reduce(merged, rests, None), self._axis
        if axis is None:
            return joined
        if joined is None or len(known) < len(shapes):
            return None
        sizes = tuple(shape[axis] for _, shape in known)
        return (*joined[:axis], sum(sizes) if is_full(sizes) else None, *joined[axis + 1 :])

    def _without_axis(self, index: int, shape: Shape) -> Shape:
        """The shape as if nothing were known of the axis along which outputs are concatenated."""
        axis = self._axis
        if axis is None:
            return shape
        if axis >= len(shape):
            gives = f"branch {index} gives samples of shape {shape_text(shape)}"
            raise ShapeError(f"{self!r}: {gives}, which have no axis {axis}")
        return (*shape[:axis], None, *shape[axis + 1 :])

    def output_dtype(self, dtype: np.dtype[Any]) -> np.dtype[Any]:
        joined = np.result_type(*(branch.output_dtype(dtype) for branch in self._branches))
        if self._axis is None and joined.kind != "f":
            raise ShapeError(f"{self!r} adds floating point, not {joined}: put nn.Scale(mean, std) in front of it")
        return joined

    def multiply_adds(self, shape: Shape | None) -> int:
        asks = merged(shape, self.input_shape)
        return sum(asked(branch.multiply_adds, asks, 0) for branch in self._branches)


def added(arrays: Sequence[Array], free: Iterable[bool]) -> Array:
    """The sum of arrays of one shape: written into the first that is free, else a new array."""
    dtype = np.result_type(*(array.dtype for array in arrays))
    if dtype == np.float16:
        return added([widened(array) for array in arrays], [True] * len(arrays)).astype(dtype)
    for index, (array, its) in enumerate(zip(arrays, free, strict=True)):
        if its and array.dtype == dtype:
            total, rest = array, [*arrays[:index], *arrays[index + 1 :]]
            break
    else:
        total, rest = empty(arrays[0].shape, dtype), list(arrays[2:])
        if len(arrays) > 1:
            np.add(arrays[0], arrays[1], out=total)
        else:
            np.copyto(total, arrays[0])
    for array in rest:
        total += array
    return total
