"""Gates of a network before their rates are known."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from akkordeon_dask.telemetry._rates import GateRates


@contextmanager
def no_rates() -> Iterator[None]:
    """The scheduler, of this process, knows of one heartbeat of each gate: a rate takes two."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(GateRates, "rate", lambda gate, name, now: math.nan)
        yield
