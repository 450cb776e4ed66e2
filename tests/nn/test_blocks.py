"""The laws of a batch in blocks."""

from hypothesis import given, settings
from hypothesis import strategies as st

from akkordeon_dask.nn._blocks import blocks


@settings(max_examples=200, deadline=None, derandomize=True)
@given(samples=st.integers(0, 300), sample_bytes=st.integers(0, 50), bound=st.integers(1, 2000))
def test_blocks_are_few_and_alike_and_hold_each_sample_once(samples, sample_bytes, bound):
    cuts = list(blocks(samples, sample_bytes, bound))
    assert [row for cut in cuts for row in range(cut.start, cut.stop)] == list(range(samples))
    sizes = [cut.stop - cut.start for cut in cuts]
    most = max(1, bound // max(1, sample_bytes))
    assert max(sizes, default=0) <= most and len(sizes) <= -(-samples // most)
    assert len(set(sizes[:-1])) <= 1 and all(size <= sizes[0] for size in sizes)
