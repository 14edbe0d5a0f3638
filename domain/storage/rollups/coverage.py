"""Which days of a period the rollups answer in a snapshot, and which of its stretches are left to the facts.

A day's rollups are right when it is not dirty in the snapshot, for every instant of knowledge from its last fact on.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.kpis.requests import Period
from domain.storage.kpis.attribution import moved_payments

_DAY = timedelta(days=1)
_UNSERVED = text(
    """
    SELECT day FROM dirty_day WHERE tenant_id = :tenant_id AND day >= :first AND day < :until
    UNION
    SELECT day FROM rollup_day
    WHERE tenant_id = :tenant_id AND day >= :first AND day < :until AND last_fact_at > :as_of
    ORDER BY day
    """
)
_HELD = text(
    """
    SELECT count(*) FROM rollup_day
    WHERE tenant_id = :tenant_id AND day >= :first AND day < :until AND day <> ALL(CAST(:unserved AS date[]))
    """
)
_LAST_SENT = text("SELECT max(sent_at) FROM communication WHERE tenant_id = :tenant_id")


@dataclass(frozen=True, slots=True)
class Coverage:
    """The days first <= day < until but those of `unserved` are the rollups'; `facts`: the rest of the period."""

    first: date
    until: date
    unserved: Sequence[date]
    facts: Sequence[Period]


async def coverage(
    connection: AsyncConnection, tenant_id: int, *, period: Period, as_of: datetime
) -> Coverage | None:
    """What the rollups can answer of the period as known at `as_of`; None when that is nothing."""
    first, until = period.whole_days()
    if first >= until or await _attribution_differs(connection, tenant_id, as_of):
        return None
    binds = {"tenant_id": tenant_id, "first": first, "until": until}
    unserved = list(await connection.scalars(_UNSERVED, {**binds, "as_of": as_of}))
    if not await connection.scalar(_HELD, {**binds, "unserved": unserved}):
        return None
    stretches = [(period.start, _start(first)), (_start(until), period.end)]
    stretches += [(_start(begin), _start(end)) for begin, end in _runs(unserved)]
    return Coverage(first, until, unserved, [Period(start, end) for start, end in stretches if start < end])


async def _attribution_differs(connection: AsyncConnection, tenant_id: int, as_of: datetime) -> bool:
    """Whether payments went elsewhere then: to a message of any day, whose own facts do not tell."""
    last_sent: datetime | None = await connection.scalar(_LAST_SENT, {"tenant_id": tenant_id})
    if last_sent is None or last_sent <= as_of:
        return False
    return bool((await moved_payments(connection, tenant_id, as_of=as_of))["moved_to"])


def _start(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _runs(days: Iterable[date]) -> list[tuple[date, date]]:
    """(first, last + 1) of each run of days one after the other."""
    runs: list[tuple[date, date]] = []
    for day in days:
        if runs and runs[-1][1] == day:
            runs[-1] = (runs[-1][0], day + _DAY)
        else:
            runs.append((day, day + _DAY))
    return runs
