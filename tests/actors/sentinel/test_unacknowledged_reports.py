"""What a sentinel keeps of its passes."""

from hypothesis import given
from hypothesis import strategies as st

from akkordeon_dask.actors.sentinel._statistics import UnacknowledgedReports


@given(st.lists(st.one_of(st.none(), st.integers(0, 3)), max_size=60))
def test_a_client_gets_each_report_once_and_only_unacknowledged_ones_are_kept(steps):
    reports, heard, told = UnacknowledgedReports(), [], 0
    for step in steps:
        if step is None:
            told += 1
            reports.add(told)
        else:
            heard += reports.since(len(heard))[: step + 1]  # the rest of the answer is lost on the way
        assert len(reports) == told and reports.last == (told or None)
    heard += reports.since(len(heard))
    assert heard == list(range(1, told + 1))
    assert reports.since(told) == () and not reports._pending and len(reports) == told
