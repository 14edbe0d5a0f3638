"""Message KPIs as they are now or were known once: from rollups where they can tell, else from the facts.

The one place that decides which. Whatever it decides, the answer is the same.
"""

from collections.abc import Sequence
from contextlib import suppress
from datetime import date, datetime

from domain.kpis.censored_sketches import CannotTell
from domain.kpis.messages import MessageKpiRow
from domain.kpis.requests import (
    ALL_FIGURES,
    MessageDimension,
    MessageFigures,
    MessageKpiWhere,
    Period,
    check_cost,
)
from domain.storage.kpis.messages import message_kpis
from domain.storage.rollups.coverage import coverage
from domain.storage.rollups.dimensions import rollup_for
from domain.storage.rollups.reading import RollupReader
from domain.storage.rollups.refreshing import dirty_days, refresh_day
from domain.storage.sessions import Database

#: A read counts at most so many dirty days again before it answers; more are left to the refresher.
FOLDED_BY_A_READ = 4


async def current_message_kpis(
    database: Database,
    tenant_id: int,
    *,
    period: Period,
    by: Sequence[MessageDimension],
    where: MessageKpiWhere | None = None,
    as_of: datetime,
    figures: MessageFigures = ALL_FIGURES,
) -> list[MessageKpiRow]:
    """What `message_kpis` answers, percentiles and medians within 1 %; whatever was committed before is in it.

    Raises:
        KpiRequestError: TOO_COSTLY, TOO_MANY_GROUPS.
    """
    by, where = tuple(dict.fromkeys(by)), where or MessageKpiWhere()
    check_cost(period, by)
    rollup = rollup_for(by, where)
    if rollup is not None:
        await _fold(database, tenant_id, *period.whole_days())
    async with database.snapshot(tenant_id) as connection:
        covered = rollup and await coverage(connection, tenant_id, period=period, as_of=as_of)
        if rollup and covered:
            reader = RollupReader(
                connection, tenant_id, rollup=rollup, covered=covered, by=by, where=where, as_of=as_of
            )
            with suppress(CannotTell):
                return await reader.rows(figures)
        return await message_kpis(
            connection, tenant_id, period=period, by=by, where=where, as_of=as_of, figures=figures
        )


async def _fold(database: Database, tenant_id: int, first: date, until: date) -> None:
    """Count the dirty days again that are few: this read and all after it need not ask the facts."""
    async with database.transaction(tenant_id) as connection:
        dirty = await dirty_days(connection, tenant_id, first=first, until=until, most=FOLDED_BY_A_READ + 1)
        if len(dirty) <= FOLDED_BY_A_READ:
            for day in sorted(dirty):
                await refresh_day(connection, tenant_id, day)
