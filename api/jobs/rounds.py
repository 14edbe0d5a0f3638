"""A thread of the worker that goes from tenant to tenant, again and again, until it is told to leave.

No queue: what is to be done stands in the tables, so it may die at any instant, and any number may work at once.
"""

import asyncio
import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence

from api.logs import log_failure, log_outage
from domain.storage.outages import outage_of
from domain.storage.sessions import Database

#: How long one that found nothing to do, or met a failure, waits before it looks again.
IDLE_SECONDS = 0.5
FAILED_SECONDS = 5.0
#: How long the end of what is being done is waited for; what takes longer is undone, and begun again by the next.
LEAVING_SECONDS = 5.0


class TenantRounds(ABC):
    """Takes the turn of each tenant that waits, between `start` and `stop`.

    name: of its thread, and in the log; waiting: the table whose rows say that something is to be done, for those that
    do not look for themselves (`tenants_to_do`).
    """

    name: str
    waiting: str = ""

    def __init__(self, url: str) -> None:
        self._url = url
        self._leaving = threading.Event()
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)

    @abstractmethod
    async def take_turn(self, database: Database, tenant_id: int) -> int:
        """Do what one tenant has to be done, or the next part of it; answers how much was done."""

    async def tenants_to_do(self, database: Database) -> Sequence[int]:
        """The tenants that wait."""
        return await database.tenants_to_do(self.waiting)

    @property
    def leaving(self) -> bool:
        """Whether it is to end: a turn of many parts looks between them."""
        return self._leaving.is_set()

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Stop after what is being done, if that ends soon."""
        self._leaving.set()
        self._thread.join(timeout=LEAVING_SECONDS)

    def _run(self) -> None:
        asyncio.run(self._go_round())

    async def _go_round(self) -> None:
        database = Database(self._url, pool_size=1)
        try:
            while not self.leaving:
                await self._look(database)
        finally:
            await database.close()

    async def _look(self, database: Database) -> None:
        done, failed = 0, False
        try:
            waiting = await self.tenants_to_do(database)
        except Exception as error:
            waiting, failed = (), True
            _log(error, self.name)
        for tenant_id in waiting:
            if self.leaving:
                break
            try:
                done += await self.take_turn(database, tenant_id)
            except Exception as error:  # the others' turns come all the same
                failed = True
                _log(error, self.name, tenant_id)
        pause = FAILED_SECONDS if failed else 0.0 if done else IDLE_SECONDS
        await asyncio.to_thread(self._leaving.wait, pause)


def _log(error: Exception, *where: object) -> None:
    """That the database is away is no failure of whoever waits for it."""
    outage = outage_of(error)
    if outage is None:
        log_failure(error, where=where)
    else:
        log_outage(outage, error)
