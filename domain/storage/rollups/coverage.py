"""Which days of a period the kept columns answer in a snapshot, and which stretches of it are left to the facts.

A day's columns are right when it is not dirty in the snapshot, for every instant of knowledge from its last fact on.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.kpis.requests import Period
from domain.storage.derived import IS_CAUGHT_UP
from domain.storage.direct import numbered
from domain.storage.kpis.attribution import moved_payments
from domain.storage.sessions import Database

_DAY = timedelta(days=1)
_KEPT = """
    SELECT day, CAST(version AS text) AS version, last_fact_at <= :as_of AND dirty.day IS NULL AS served
    FROM (
        SELECT day, version, last_fact_at FROM message_day
        WHERE tenant_id = :tenant_id AND day >= :first AND day < :until
    ) kept FULL JOIN (
        SELECT DISTINCT day FROM dirty_day WHERE tenant_id = :tenant_id AND day >= :first AND day < :until
    ) dirty USING (day)
"""
_SENT_LATER = "(SELECT max(sent_at) FROM communication WHERE tenant_id = :tenant_id) > :as_of"
_DAYS = text(f"SELECT *, {_SENT_LATER} AS sent_later FROM ({_KEPT}) days ORDER BY day")
_ALL_SERVED = numbered(
    f"""
    SELECT CASE WHEN bool_and(served) AND ({_SENT_LATER}) IS NOT TRUE
            AND (CAST(:now AS timestamptz) IS NULL OR {IS_CAUGHT_UP})
        THEN CAST(json_object_agg(day, version ORDER BY day) AS text) END
    FROM ({_KEPT}) days
    """,
    *("tenant_id", "first", "until", "as_of", "now"),
)


@dataclass(frozen=True, slots=True)
class Coverage:
    """served: the days that are kept as the facts are, each with the version that is kept of it.

    facts: what else may hold messages, on so many days.
    """

    served: Mapping[date, str]
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


async def all_served(
    database: Database, tenant_id: int, *, period: Period, as_of: datetime, now: datetime | None
) -> Mapping[date, str] | None:
    """The days with messages in the period and the version that is kept of each, by one statement of its own.

    None when anything in it is left to the facts, or there is none, or derived columns are behind `now` (None: they
    are as they should be).
    """
    first, until = period.whole_days()
    if first >= until or (period.start, period.end) != (_start(first), _start(until)):
        return None
    values = [tenant_id, first, until, as_of, now]
    found = await database.document(tenant_id, _ALL_SERVED, values, is_general=True)
    return (
        None if found is None else {date.fromisoformat(day): each for day, each in json.loads(found).items()}
    )


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
