"""The worker's refresher: counts dirty days again, tenant by tenant, until it is told to leave.

No queue: what is to be done stands in the dirty days themselves, so a refresher may die at any instant, and any number
of them may work at once.
"""

import asyncio
import logging
import threading
from datetime import timedelta

from domain.storage.rollups.changes import forget_changes
from domain.storage.rollups.refreshing import EVER, dirty_days, refresh_day
from domain.storage.sessions import Database

logger = logging.getLogger("dunwell.rollups")

#: How long a refresher that found nothing to do, or met a failure, waits before it looks again.
IDLE_SECONDS = 0.5
FAILED_SECONDS = 5.0

#: A tenant with more dirty days than this lets the others have their turn.
_DAYS_A_TURN = 20
#: Changes are kept for those who watch KPIs; a watcher looks every second.
_CHANGES_KEPT = timedelta(minutes=10)


class RollupRefresher:
    """A thread that refreshes every tenant's rollups between `start` and `stop`."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._leaving = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rollup-refresher", daemon=True)

    def start(self) -> None:
        """Begin to refresh."""
        self._thread.start()

    def stop(self) -> None:
        """Stop after the day that is being counted."""
        self._leaving.set()
        self._thread.join()

    def _run(self) -> None:
        asyncio.run(self._refresh())

    async def _refresh(self) -> None:
        database = Database(self._url, pool_size=1)
        try:
            while not self._leaving.is_set():
                await self._look(database)
        finally:
            await database.close()

    async def _look(self, database: Database) -> None:
        try:
            refreshed = 0
            for tenant_id in await database.tenant_ids():
                refreshed += await self._take_turn(database, tenant_id)
            pause = 0.0 if refreshed else IDLE_SECONDS
        except Exception:
            logger.exception("rollups could not be refreshed; trying again")
            pause = FAILED_SECONDS
        await asyncio.to_thread(self._leaving.wait, pause)

    async def _take_turn(self, database: Database, tenant_id: int) -> int:
        async with database.transaction(tenant_id) as connection:
            days = await dirty_days(connection, tenant_id, *EVER, most=_DAYS_A_TURN)
            await forget_changes(connection, tenant_id, age=_CHANGES_KEPT)
        for done, day in enumerate(days):
            if self._leaving.is_set():
                return done
            async with database.transaction(tenant_id) as connection:
                await refresh_day(connection, tenant_id, day)
        return len(days)
