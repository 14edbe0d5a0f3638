"""Which days of a period the kept columns answer in a snapshot, and which stretches of it are left to the facts.

A day's columns are right when it is not dirty in the snapshot, for every instant of knowledge from its last fact on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.kpis.requests import Period
from domain.storage.kpis.attribution import moved_payments

_DAY = timedelta(days=1)
_DAYS = text(
    """
    SELECT day, version, last_fact_at <= :as_of AND dirty.day IS NULL AS served,
        (SELECT max(sent_at) FROM communication WHERE tenant_id = :tenant_id) > :as_of AS sent_later
    FROM (
        SELECT day, version, last_fact_at FROM message_day
        WHERE tenant_id = :tenant_id AND day >= :first AND day < :until
    ) kept FULL JOIN (
        SELECT DISTINCT day FROM dirty_day WHERE tenant_id = :tenant_id AND day >= :first AND day < :until
    ) dirty USING (day)
    ORDER BY day
    """
)


@dataclass(frozen=True, slots=True)
class Coverage:
    """served: the days that are kept as the facts are, each with the version that is kept of it.

    facts: what else may hold messages, on so many days.
    """

    served: Mapping[date, UUID]
    facts: Sequence[Period]
    days_of_facts: int


async def coverage(
    connection: AsyncConnection, tenant_id: int, *, period: Period, as_of: datetime
) -> Coverage | None:
    """What is kept of the period as known at `as_of`; None when that is nothing."""
    first, until = period.whole_days()
    if first >= until:
        return None
    binds = {"tenant_id": tenant_id, "first": first, "until": until, "as_of": as_of}
    days = (await connection.execute(_DAYS, binds)).all()
    if days and days[0].sent_later and (await moved_payments(connection, tenant_id, as_of=as_of))["moved_to"]:
        return None  # payments went elsewhere then: to a message of any day, whose own facts do not tell
    stretches = [(period.start, _start(first))]
    stretches += [(_start(each.day), _start(each.day + _DAY)) for each in days if not each.served]
    stretches += [(_start(until), period.end)]
    # what begins or ends more than a day outside of the years of facts holds none
    within = [(start, end) for start, end in stretches if timedelta() < end - start <= _DAY]
    return Coverage({each.day: each.version for each in days if each.served}, _joined(within), len(within))


def _joined(stretches: Sequence[tuple[datetime, datetime]]) -> list[Period]:
    """Those that follow one another as one."""
    found: list[Period] = []
    for start, end in stretches:
        if found and found[-1].end == start:
            found[-1] = Period(found[-1].start, end)
        else:
            found.append(Period(start, end))
    return found


def _start(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
