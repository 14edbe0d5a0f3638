"""A number for each live worker, held by a lock in PostgreSQL that ends with the worker's connection.

The number makes the worker's executor id: fixed while it lives, and taken up by the next worker after it died, however
it died. A number whose lock is free belongs to nobody, so its unfinished work may be taken over.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Self

import psycopg

from api.jobs.system import job_url

_LOCK_SPACE = 0x64756E77  # "dunw"
_MOST_WORKERS = 1000
_TRY = "SELECT pg_try_advisory_lock(%s, %s)"
_ALIVE = (
    "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND classid = %s AND objsubid = 2 AND granted"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))"
)


class SlotLost(Exception):
    """The connection that held the worker's number broke and another worker has taken the number since."""


class WorkerSlot:
    """The lowest free worker number of a database, held until `release` or the end of the process.

    The connection must be a session of its own: through PgBouncer that means session pooling.
    """

    def __init__(self, url: str) -> None:
        self._url = job_url(url)
        self._connection = self._connect()
        self.number = next(n for n in range(1, _MOST_WORKERS) if _lock(self._connection, n))

    @property
    def executor_id(self) -> str:
        """The worker's name in the job tables."""
        return executor_id(self.number)

    def keep(self) -> None:
        """Make sure that the number is still held; take it again after PostgreSQL was restarted.

        Raises:
            SlotLost: another worker has it.
            psycopg.OperationalError: PostgreSQL cannot be reached just now.
        """
        try:
            self._connection.execute("SELECT 1")
        except psycopg.OperationalError:
            self._connection.close()
            self._connection = self._connect()
            if not _lock(self._connection, self.number):
                raise SlotLost(f"worker number {self.number} was taken by another worker") from None

    @contextmanager
    def dead(self, number: int) -> Iterator[bool]:
        """Whether worker `number` is dead; while inside, nobody else can become it or take over its work."""
        if number == self.number or not _lock(self._connection, number):
            yield False
            return
        try:
            yield True
        finally:
            self._connection.execute("SELECT pg_advisory_unlock(%s, %s)", (_LOCK_SPACE, number))

    def release(self) -> None:
        """Give the number back: at once where PostgreSQL can be reached, else when it finds the session gone."""
        with suppress(psycopg.Error):
            self._connection.execute("SELECT pg_advisory_unlock_all()")
        self._connection.close()

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(self._url, autocommit=True, application_name="dunwell worker")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def executor_id(number: int) -> str:
    """The name of worker `number` in the job tables."""
    return f"worker-{number}"


def slot_number(executor: str) -> int | None:
    """The number in a worker's name, or None for a name that is not ours."""
    prefix, _, number = executor.rpartition("-")
    return int(number) if prefix == "worker" and number.isdecimal() else None


def any_worker_alive(url: str) -> bool:
    """Whether some process works on this database's jobs."""
    with psycopg.connect(job_url(url), autocommit=True) as connection:
        row = connection.execute(_ALIVE, (_LOCK_SPACE,)).fetchone()
    return bool(row and row[0])


def _lock(connection: psycopg.Connection, number: int) -> bool:
    row = connection.execute(_TRY, (_LOCK_SPACE, number)).fetchone()
    return bool(row and row[0])
