"""Connections beside SQLAlchemy's, for the one statement that makes a whole answer: three messages and no more work."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from time import monotonic
from typing import Any
from weakref import WeakKeyDictionary

from domain.storage.outages import DRIVER_ERRORS, connect

#: Statements that each connection keeps prepared, of any length.
_PREPARED = 50
#: How long a connection is kept: PostgreSQL holds a plan for each of its statements, a megabyte for a large filter.
KEPT_SECONDS = 1800


def numbered(sql: str, *names: str) -> str:
    """SQL with each `:name` as the driver has it: `$1` for the first of the names, and so on."""
    return re.sub(r"(?<!:):(\w+)", lambda found: f"${names.index(found[1]) + 1}", sql)


class DirectConnections:
    """A few connections, opened as they are needed and kept.

    A connection on which anything went wrong is closed; so is one that the server closed, or that is old. What went
    wrong on one that had been kept (the server restarted, the schema is another) is tried once more on a new one.
    """

    def __init__(self, options: Mapping[str, Any], *, most: int) -> None:
        self._options = options
        self._idle: list[Any] = []
        self._opened: WeakKeyDictionary[Any, float] = WeakKeyDictionary()
        self._places = asyncio.Semaphore(most)

    async def value(self, begin: str, sql: str, values: Sequence[object]) -> Any:
        """The one value of a statement, in a transaction of its own. begin: what that begins with, BEGIN included.

        Raises:
            DRIVER_ERRORS: it could not be read, or no connection be opened.
        """
        async with self._places:
            kept = self._kept()
            if kept is not None:
                with suppress(*DRIVER_ERRORS):
                    return await self._read(kept, begin, sql, values)
            return await self._read(await self._connect(), begin, sql, values)

    async def _read(self, connection: Any, begin: str, sql: str, values: Sequence[object]) -> Any:
        try:
            await connection.execute(begin)
            found = await connection.fetchval(sql, *values)
            await connection.execute("COMMIT")
        except BaseException:  # a cancellation too leaves it in the midst of something
            connection.terminate()
            raise
        self._idle.append(connection)
        return found

    def _kept(self) -> Any:
        while self._idle:
            connection = self._idle.pop()
            if connection.is_closed():
                continue
            if monotonic() - self._opened[connection] < KEPT_SECONDS:
                return connection
            connection.terminate()
        return None

    async def _connect(self) -> Any:
        made = await connect(**self._options, statement_cache_size=_PREPARED, max_cacheable_statement_size=0)
        self._opened[made] = monotonic()
        return made

    async def close(self) -> None:
        """Close those that are idle."""
        while self._idle:
            await self._idle.pop().close()
