"""The reports that a sentinel keeps for its client."""

from hypothesis import given
from hypothesis import strategies as st

from akkordeon_dask.actors.sentinel._statistics import UnacknowledgedReports
from tests.support.pass_reports import report


@given(st.lists(st.one_of(st.none(), st.integers(0, 3)), max_size=60))
def test_a_client_gets_each_report_once_and_only_unacknowledged_ones_are_kept(steps):
    reports, received, added = UnacknowledgedReports(), [], 0
    for step in steps:
        if step is None:
            added += 1
            reports.add(report(epoch=added))
        else:
            received += reports.since(len(received))[: step + 1]  # the rest of the answer is lost on the way
        assert len(reports) == added and (reports.last.epoch if added else reports.last) == (added or None)
    received += reports.since(len(received))
    assert [one.epoch for one in received] == list(range(1, added + 1))
    assert reports.since(added) == () and not reports._pending and len(reports) == added
