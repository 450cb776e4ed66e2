"""Functions of JAX as layers: `pip install 'akkordeon_dask[jax]'`."""

try:
    import jax as _jax
except ImportError as error:
    raise ImportError("akkordeon_dask.jax needs JAX: pip install 'akkordeon_dask[jax]'") from error

from akkordeon_dask.jax._function import JaxFunction

__all__ = ["JaxFunction"]

del _jax
