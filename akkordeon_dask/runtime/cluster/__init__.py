"""Scheduler and workers: calls, queries, retries, versions. Nothing about networks."""
