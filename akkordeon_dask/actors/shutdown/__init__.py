"""The graceful shutdown of a worker: its actors move to other workers first."""
