"""Passes to show."""

import math
from typing import Any

from hypothesis import strategies as st

from akkordeon_dask.messages import PassReport


def report(sentinel: str = "train0", epoch: int = 1, **changes: Any) -> PassReport:
    """A pass; `changes` replaces its figures."""
    figures = {"loss": 0.5, "scores": {"accuracy": 0.75}, "samples": 100, "lost": 0, "seconds": 0.5, "resent": 0}
    return PassReport(sentinel=sentinel, epoch=epoch, **({"mode": "train"} | figures | changes))


def reports() -> st.SearchStrategy[PassReport]:
    """Any pass that can be."""
    share = st.floats(0, 1)
    return st.builds(
        PassReport,
        sentinel=st.from_regex(r"[A-Za-z][\w-]{0,20}", fullmatch=True),
        mode=st.sampled_from(["train", "validate", "test"]),
        epoch=st.integers(1, 10**7),
        loss=st.floats(0, 1e6) | st.just(math.nan),
        scores=st.dictionaries(st.sampled_from(["accuracy", "top5", "top3"]), share, max_size=3),
        samples=st.integers(0, 10**9),
        lost=st.integers(0, 10**6),
        seconds=st.floats(0, 1e6),
        resent=st.integers(0, 10**4),
    )
