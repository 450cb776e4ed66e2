"""JAX where it is installed."""

import pytest

pytest.importorskip("jax")
