"""The worker's refresher: counts dirty days again, tenant by tenant."""

import time
from datetime import date, timedelta

from api.jobs.rounds import TenantRounds
from domain.storage.rollups.changes import forget_changes
from domain.storage.rollups.refreshing import EVER, dirty_days, refresh_day
from domain.storage.sessions import Database

#: A tenant with more dirty days than this lets the others have their turn.
_DAYS_A_TURN = 20
#: A day that changes without end is counted again after so long: each time all of it is written anew. Until then reads
#: take it from the facts.
_COUNTED_AGAIN_SECONDS = 5.0
#: Changes are kept for those who watch KPIs; a watcher looks every second.
_CHANGES_KEPT = timedelta(minutes=10)


class RollupRefresher(TenantRounds):
    """Refreshes every tenant's rollups; told to stop, it finishes the day that is being counted."""

    name = "rollup-refresher"
    waiting = "dirty_day"

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._counted: dict[tuple[int, date], float] = {}

    async def take_turn(self, database: Database, tenant_id: int) -> int:
        """Count the tenant's newest dirty days again, but those counted just now."""
        just_now = self._counted_just_now(tenant_id)
        async with database.transaction(tenant_id) as connection:
            dirty = await dirty_days(connection, tenant_id, *EVER, most=_DAYS_A_TURN + len(just_now))
            await forget_changes(connection, tenant_id, age=_CHANGES_KEPT)
        days = [day for day in dirty if day not in just_now]
        for done, day in enumerate(days):
            if self.leaving:
                return done
            async with database.transaction(tenant_id) as connection:
                await refresh_day(connection, tenant_id, day)
            self._counted[tenant_id, day] = time.monotonic()
        return len(days)

    def _counted_just_now(self, tenant_id: int) -> set[date]:
        since = time.monotonic() - _COUNTED_AGAIN_SECONDS
        self._counted = {each: at for each, at in self._counted.items() if at > since}
        return {day for tenant, day in self._counted if tenant == tenant_id}
