"""The worker's refresher: counts dirty days again, tenant by tenant."""

from datetime import timedelta

from api.jobs.rounds import TenantRounds
from domain.storage.rollups.changes import forget_changes
from domain.storage.rollups.refreshing import EVER, dirty_days, refresh_day
from domain.storage.sessions import Database

#: A tenant with more dirty days than this lets the others have their turn.
_DAYS_A_TURN = 20
#: Changes are kept for those who watch KPIs; a watcher looks every second.
_CHANGES_KEPT = timedelta(minutes=10)


class RollupRefresher(TenantRounds):
    """Refreshes every tenant's rollups; told to stop, it finishes the day that is being counted."""

    name = "rollup-refresher"
    waiting = "dirty_day"

    async def take_turn(self, database: Database, tenant_id: int) -> int:
        """Count the tenant's newest dirty days again."""
        async with database.transaction(tenant_id) as connection:
            days = await dirty_days(connection, tenant_id, *EVER, most=_DAYS_A_TURN)
            await forget_changes(connection, tenant_id, age=_CHANGES_KEPT)
        for done, day in enumerate(days):
            if self.leaving:
                return done
            async with database.transaction(tenant_id) as connection:
                await refresh_day(connection, tenant_id, day)
        return len(days)
