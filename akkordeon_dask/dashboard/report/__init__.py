"""The report: one HTML file on a run."""

from akkordeon_dask.dashboard.report._run_facts import RunFacts

__all__ = ["RunFacts"]
