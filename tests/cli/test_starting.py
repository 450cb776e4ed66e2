"""An interrupt while `demo` starts its cluster leaves none behind."""

from contextlib import contextmanager

import pytest

from akkordeon_dask.runtime.cluster import _embedded


def test_an_interrupt_that_was_held_back_while_the_cluster_started_closes_it(monkeypatch):
    closed = []

    class Started:
        def __init__(self, **options):
            pass

        def close(self):
            closed.append(self)

    @contextmanager
    def held():
        yield
        raise KeyboardInterrupt

    monkeypatch.setattr(_embedded, "_Cluster", Started)
    monkeypatch.setattr(_embedded, "_interrupts_kept", held)
    with pytest.raises(KeyboardInterrupt):
        _embedded.EmbeddedCluster(2)
    assert [type(one) for one in closed] == [Started]
