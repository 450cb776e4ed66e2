"""A function of JAX as a layer."""

from __future__ import annotations  # the documentation is built without JAX

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, ClassVar, NamedTuple

import jax
import numpy as np
from jax import numpy as jnp
from numpy.typing import DTypeLike

from akkordeon_dask._numbers import keep_flag
from akkordeon_dask._repr import shape_text
from akkordeon_dask.errors import ShapeError, SpecError
from akkordeon_dask.nn import Context, Key, Layer, Shape
from akkordeon_dask.nn._layer import Gradients
from akkordeon_dask.nn._shapes import is_full
from akkordeon_dask.tree import STATISTICS, Array, Tree, paths

__all__ = ["JaxFunction"]

_BATCH = 3
"""Samples of a trial."""


class _Context(NamedTuple):
    params: Tree
    x: Array
    random: Array | None
    vjp: Callable[[Any], Any] | None
    """The backward pass; None: made when it is needed, by the same forward pass."""


@dataclass(frozen=True, repr=False)
class JaxFunction(Layer):
    """A pure function of JAX as a layer, compiled; its gradients are those of `jax.vjp`.

    JAX computes on its own threads or device, where the arrays are copied for each pass: the gate waits for it.

    Parameters
    ----------
    initialize
        `initialize(key)` returns new parameters: arrays in dicts, lists and tuples; lists become tuples.
    apply
        `apply(params, x)` returns one array with a row for each sample. Both functions are pickled: of a module they
        are found again by their name, and two such layers are equal.
    random
        `apply(params, x, key)` draws random numbers in training; in evaluation its key is None.

    Shapes
    ------
    x : (batch, ...) float, converted to the parameters' dtype, or integer; y : (batch, ...), one array.
    Of an integer `dx` is zeros.

    Raises
    ------
    SpecError
        the functions are none, or parameters are no such arrays of floating point.
    ShapeError
        `apply` cannot take the samples, or returns anything but one array with a row for each sample.

    Examples
    --------
    >>> from jax import numpy as jnp
    >>> from akkordeon_dask.jax import JaxFunction
    >>> def initialize(key):
    ...     return {"w": jnp.ones((4, 3)), "b": jnp.zeros(3)}
    >>> def apply(params, x):
    ...     return jnp.tanh(x @ params["w"] + params["b"])
    >>> layer = JaxFunction(initialize, apply)
    >>> layer, layer.output_shape((4,))
    (JaxFunction(initialize, apply), (3,))
    """

    namespace: ClassVar[str] = ""
    keeps_output: ClassVar[bool] = True
    views: ClassVar[bool] = True
    waits: ClassVar[bool] = True

    initialize: Callable[[Any], Any]
    apply: Callable[..., Any]
    random: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        for function in (self.initialize, self.apply):
            if not callable(function):
                raise SpecError(
                    f"JaxFunction takes functions initialize(key) and apply(params, x), not {function!r:.80}"
                )
        keep_flag(self, "random")

    def __repr__(self) -> str:
        names = [getattr(function, "__qualname__", repr(function)) for function in (self.initialize, self.apply)]
        return f"JaxFunction({', '.join(names)}{', random=True' if self.random else ''})"

    def __getstate__(self) -> dict[str, Any]:
        # The compiled function stays in this process.
        return {"initialize": self.initialize, "apply": self.apply, "random": self.random}

    @cached_property
    def _compiled(self) -> Callable[..., Any]:
        return jax.jit(self._called)  # type: ignore[no-any-return]  # JAX may not be installed

    def _called(self, params: Tree, x: Any, random: Any) -> Any:
        key = () if not self.random else (None,) if random is None else (_key(random),)
        y = self.apply(params, x, *key)
        if not isinstance(y, jax.Array) or y.ndim == 0 or len(y) != len(x):
            what = f"shape {y.shape}" if isinstance(y, jax.Array) else f"a {type(y).__name__}"
            raise ShapeError(f"{self!r} gives {what} for {len(x)} samples: return one array, with a row for each")
        if jnp.iscomplexobj(y) or (_floats(x) and not _floats(y)):
            raise ShapeError(
                f"{self!r} gives {y.dtype}: gates pass floating point on, through which gradients come back"
            )
        return y.astype(_dtype(params, x))

    @cached_property
    def _form(self) -> Tree:
        """Parameters without memory, of the form that a gate has them in."""
        try:
            # A function of our own, for one that `jax.jit` made is no longer whole once it is unpickled.
            made = jax.eval_shape(lambda key: self.initialize(key), _key(np.zeros(2, np.uint32)))  # noqa: PLW0108
        except Exception as error:  # of the user's code
            raise SpecError(f"{self!r}: initialize(key) fails: {error!r:.300}") from error
        form = self._arrays(made, lambda leaf: np.broadcast_to(np.float32(0), leaf.shape))
        names = [name for name, _ in paths(form)]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise SpecError(f"{self!r}: two parameters are called {twice!r}, by a dot in a key: rename one")
        return form

    @property
    def draws(self) -> bool:  # type: ignore[override]
        return self.random

    @property
    def trainable(self) -> bool:
        return bool(jax.tree.leaves(self._form))

    @property
    def keeps_shape(self) -> bool:
        return False

    def output_shape(self, shape: Shape | None) -> Shape | None:
        if not is_full(shape):
            return None
        errors = []
        for dtype in (np.float32, np.int32):
            x = jax.ShapeDtypeStruct((_BATCH, *shape), dtype)
            try:
                y = jax.eval_shape(self._called, self._form, x, None)
                if self.random:
                    y = jax.eval_shape(self._called, self._form, x, jax.ShapeDtypeStruct((2,), np.uint32))
            except ShapeError:
                raise
            except Exception as error:  # of the user's code
                errors.append(error)
                continue
            return tuple(y.shape[1:])
        text = str(errors[0]).strip().partition("\n")[0]
        hint = "; in evaluation its key is None" if self.random and "None" in text else ""
        raise ShapeError(f"{self!r} cannot take samples of shape {shape_text(shape)}: {text:.300}{hint}") from errors[0]

    def output_dtype(self, dtype: np.dtype[Any]) -> np.dtype[Any]:
        return dtype if dtype.kind == "f" else np.dtype(np.float32)

    def multiply_adds(self, shape: Shape | None) -> int:
        return self.parameter_count

    def init(self, rng: np.random.Generator, dtype: DTypeLike = np.float32) -> Tree:
        with _precision(np.dtype(dtype)):
            made = self.initialize(_key(_random(rng)))
            return self._arrays(made, lambda leaf: np.array(leaf, dtype))

    @property
    def parameter_count(self) -> int:
        return sum(leaf.size for leaf in jax.tree.leaves(self._form))

    def _arrays(self, made: Any, array: Callable[[Any], Array]) -> Tree:
        if isinstance(made, dict) and all(isinstance(name, str) for name in made):
            if STATISTICS in made:
                raise SpecError(f"{self!r}: a parameter is called {STATISTICS!r}, as what is not trained: rename it")
            return {name: self._arrays(its, array) for name, its in made.items()}
        if type(made) in (tuple, list):
            return tuple(self._arrays(its, array) for its in made)
        if not isinstance(made, jax.Array | np.ndarray | jax.ShapeDtypeStruct) or not _floats(made):
            raise SpecError(
                f"{self!r}: parameters are arrays of floating point in dicts, whose keys are text, lists and tuples, "
                f"not {made!r:.80}"
            )
        return array(made)

    def forward(
        self, params: Tree, x: Array, *, train: bool = False, key: Key | None = None, own: bool = False
    ) -> tuple[Array, Context]:
        if train and self.random and key is None:
            raise SpecError(f"{self!r} draws random numbers: to train it pass key=nn.Key(...)")
        dtype = _dtype(params, x)
        x = np.asarray(x, dtype if x.dtype.kind == "f" else x.dtype)
        random = _random(key.generator()) if train and self.random and key is not None else None
        context = _Context(params, x, random, None)
        with _precision(dtype):
            self._check_whole(x)
            if not train:
                return np.asarray(self._compiled(params, x, random)), context
            y, vjp = self._differentiated(context)
            return np.asarray(y), context._replace(vjp=vjp)

    def _check_whole(self, x: Array) -> None:
        """Refuse whole numbers that JAX would cut off in silence: it has 32 bits of them beside float32."""
        kept = jax.dtypes.canonicalize_dtype(x.dtype)
        if kept != x.dtype and not np.array_equal(x.astype(kept), x):
            raise ShapeError(
                f"{self!r} takes whole numbers as {kept} where parameters are float32, and samples of {x.dtype} reach "
                f"from {x.min()} to {x.max()}: take their remainders, or others of {kept}, in the data"
            )

    def _differentiated(self, context: _Context) -> Any:
        return jax.vjp(partial(self._compiled, random=context.random), context.params, context.x)

    def backward(self, context: Context, dy: Array, *, need_dx: bool = True, own: bool = False) -> Gradients:
        dtype = _dtype(context.params, context.x)
        with _precision(dtype):
            vjp = context.vjp or self._differentiated(context)[1]
            grads, dx = vjp(jnp.asarray(dy, dtype))
            arrays = _arrays_like(context.params, grads)
        if not need_dx:
            return None, arrays
        return np.array(dx) if context.x.dtype.kind == "f" else np.zeros(context.x.shape, dtype), arrays

    def rebind(self, context: Context, params: Tree) -> Context:
        return context._replace(params=params, vjp=None)


def _arrays_like(params: Tree, grads: Any) -> Tree:
    """Gradients as arrays in the form of the parameters: JAX sorts the keys of a dict."""
    if isinstance(params, dict):
        return {name: _arrays_like(its, grads[name]) for name, its in params.items()}
    if isinstance(params, tuple):
        return tuple(_arrays_like(*both) for both in zip(params, grads, strict=True))
    return np.array(grads)


def _floats(its: Any) -> bool:
    return bool(jnp.issubdtype(its.dtype, jnp.floating))


def _dtype(params: Tree, x: Any) -> np.dtype[Any]:
    """The floating point of the parameters, or else of the input."""
    own = [np.dtype(leaf.dtype) for leaf in (*jax.tree.leaves(params), x)]
    return next((dtype for dtype in own if dtype.kind == "f"), np.dtype(np.float32))


def _precision(dtype: np.dtype[Any]) -> AbstractContextManager[Any]:
    """Have JAX compute float64 as such in this thread where the parameters are."""
    wide: AbstractContextManager[Any] = jax.enable_x64(dtype == np.float64)
    return wide


def _key(random: Any) -> Any:
    """A key of JAX of these data, the same whichever generator this process has as its default."""
    return jax.random.wrap_key_data(random, impl="threefry2x32")


def _random(rng: np.random.Generator) -> Array:
    """The data of a key of JAX."""
    return rng.integers(2**32, size=2, dtype=np.uint32)
