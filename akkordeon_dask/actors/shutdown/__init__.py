"""The graceful end of a worker whose actors move off first."""
