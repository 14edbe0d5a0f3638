"""Advisory file locks that the kernel releases when their holder dies, however it dies."""

from __future__ import annotations

import fcntl
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from api.embedded.errors import EmbeddedPostgresError, ErrorCode
from api.embedded.layout import open_private

logger = logging.getLogger("dunwell.embedded")


class FileLock:
    """One open file description with at most one `flock` on it.

    A child that inherits the descriptor shares the lock, which then lasts until the last of them is gone.
    That is how `server.lock` tells whether any process of a cluster lives, without trusting process ids.
    """

    def __init__(self, path: Path) -> None:
        """Open (or create) the lock's file; takes no lock yet. Raises OSError."""
        self.descriptor = open_private(path, os.O_RDWR)

    def try_exclusive(self) -> bool:
        """Take the lock alone; False when anybody else holds it."""
        return self._try(fcntl.LOCK_EX)

    def try_shared(self) -> bool:
        """Take the lock beside other sharers; False when somebody holds it alone."""
        return self._try(fcntl.LOCK_SH)

    def unlock(self) -> None:
        """Give the lock up, also for children that inherited it."""
        fcntl.flock(self.descriptor, fcntl.LOCK_UN)

    def close(self) -> None:
        """Close this process's descriptor; children that inherited the lock keep it. May be called twice."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def _try(self, kind: int) -> bool:
        try:
            fcntl.flock(self.descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Patience:
    """A deadline that says now and then, in the log, what is being waited for."""

    def __init__(self, seconds: float, folder: Path, say_every: float = 10.0) -> None:
        self._folder = folder
        self._seconds = seconds
        self._deadline = time.monotonic() + seconds
        self._say_every = say_every
        self._say_at = time.monotonic() + say_every

    def pause(self, waiting_for: str, seconds: float = 0.02) -> None:
        """Sleep a moment.

        Raises:
            EmbeddedPostgresError: START_TIMEOUT, when the time is used up.
        """
        now = time.monotonic()
        if now >= self._deadline:
            raise EmbeddedPostgresError(
                ErrorCode.START_TIMEOUT,
                f"waited {self._seconds:.0f} s for {waiting_for} in {self._folder}. "
                "See postgres/postgres.log in that folder; while it shows a recovery, start again and wait longer.",
            )
        if now >= self._say_at:
            logger.warning("still waiting for %s in %s", waiting_for, self._folder)
            self._say_at = now + self._say_every
        time.sleep(seconds)


@contextmanager
def gate(path: Path, patience: Patience) -> Iterator[None]:
    """Be the only process that starts, joins, leaves or stops the server of a home.

    Raises:
        EmbeddedPostgresError: START_TIMEOUT, when others did not finish in time.
        OSError: the lock's file cannot be opened or locked.
    """
    with FileLock(path) as lock:
        while not lock.try_exclusive():
            patience.pause("another dunwell command that is starting or stopping the database")
        yield


def is_held(path: Path) -> bool:
    """Whether anybody holds the lock alone or shared. Raises OSError."""
    with FileLock(path) as lock:
        return not lock.try_exclusive()
