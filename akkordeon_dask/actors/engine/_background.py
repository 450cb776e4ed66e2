"""A thread that gives way to all others, and how long it had to.

Linux has a priority for each thread (`setpriority(2)` names it a deviation from POSIX) and counts, in
`/proc/self/task/<id>/schedstat`, how long each could have run and had no core. Where there is neither, a thread is as
good as any other, and waits for nothing that is known.
"""

import os
import sys
import threading
import time
from contextlib import suppress
from typing import Self

__all__ = ["Background"]

_LOWEST = 19


class Background:
    """The thread that enters has the lowest priority from then on, for good: only a privileged one could take it back.

    Owned by that thread, which leaves it to close the file that it reads.
    """

    def __init__(self) -> None:
        self._file: int | None = None

    def __enter__(self) -> Self:
        if sys.platform == "linux":
            thread = threading.get_native_id()
            with suppress(OSError):  # a container may forbid the one and lack the other
                os.setpriority(os.PRIO_PROCESS, thread, _LOWEST)
                self._file = os.open(f"/proc/self/task/{thread}/schedstat", os.O_RDONLY | os.O_CLOEXEC)
        return self

    def __exit__(self, *error: object) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def times(self) -> tuple[float, float]:
        """Seconds that the thread has computed, and that it has waited for a core; zero where that is not known."""
        waited = 0 if self._file is None else int(os.pread(self._file, 100, 0).split()[1])
        return time.thread_time(), waited * 1e-9
