"""A clock for tests of the dispatcher."""


class Clock:
    """Stands still: no thread is long with a message, however long this machine is with the thread."""

    now = 0.0

    def __call__(self):
        return self.now
