"""Message KPIs as they are now or were known once: from kept columns where they can tell, else from the facts.

The one place that decides which. Whatever it decides, the answer is the same.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

from sqlalchemy.ext.asyncio import AsyncConnection

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
from domain.storage.rollups.answered import Answered, Asked
from domain.storage.rollups.blocks import TooFine
from domain.storage.rollups.coverage import all_served, coverage
from domain.storage.rollups.dimensions import ROLLUPS, needed, rollup_for
from domain.storage.rollups.facts import read_messages
from domain.storage.rollups.merging import Part, merge
from domain.storage.rollups.rolled import Days, Rollup
from domain.storage.rollups.stored import messages_of_days, part_of_facts
from domain.storage.rollups.table import MessageKpiTable
from domain.storage.sessions import Database

#: With more days than this left to the facts, one statement over all of the period takes less time.
DAYS_OF_FACTS = 31
#: So many groups and bands of sketches are put together in a millisecond or two.
_QUICKLY_MERGED = 10_000
_ANSWERED = Answered(96 << 20)
#: Sums of seconds may be off by as much.
_SHORTER = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class CatchUp:
    """Up to which instant derived columns must be, and what brings them there."""

    now: datetime
    bring: Callable[[], Awaitable[None]]


async def current_message_kpis(
    database: Database,
    tenant_id: int,
    *,
    period: Period,
    by: Sequence[MessageDimension],
    where: MessageKpiWhere | None = None,
    as_of: datetime,
    figures: MessageFigures = ALL_FIGURES,
    catch_up: CatchUp | None = None,
) -> Sequence[MessageKpiRow]:
    """What `message_kpis` answers, percentiles and medians within 1 %; whatever was committed before is in it.

    Where one statement tells that this process remembers it, whole or by days, nothing else is read. catch_up: for
    derived columns that may be behind; None: the caller has seen to them.

    Raises:
        KpiRequestError: TOO_COSTLY, TOO_MANY_GROUPS.
    """
    by, where = tuple(dict.fromkeys(by)), where or MessageKpiWhere()
    check_cost(period, by)
    answer = _Answer(tenant_id, period=period, by=by, where=where, as_of=as_of, figures=figures)
    remembered = await answer.remembered(database, catch_up.now if catch_up else None)
    if remembered is not None:
        return remembered
    if catch_up is not None:
        await catch_up.bring()
    async with database.snapshot(tenant_id) as connection:
        return await answer.rows(connection)


class _Answer:
    """One question."""

    def __init__(
        self,
        tenant_id: int,
        *,
        period: Period,
        by: tuple[MessageDimension, ...],
        where: MessageKpiWhere,
        as_of: datetime,
        figures: MessageFigures,
    ) -> None:
        self._tenant_id = tenant_id
        self._period = period
        self._by = by
        self._where = where
        self._as_of = as_of
        self._figures = figures
        self._rollup = self._serving()

    def _serving(self) -> Rollup | None:
        name = rollup_for(self._by, self._where)
        if name is None:
            return None
        wanted, by = self._figures, set(self._by)
        kinds = ["groups", "money"] if wanted.money else ["groups"]
        if wanted.reactions or wanted.medians:
            is_whole = (
                MessageDimension.DAY in by and set(ROLLUPS[name]) <= by
            )  # no rows are to be put together
            kinds += ["reactions"] if is_whole and not wanted.medians else ["reactions", "bands"]
        if wanted.medians or by & {MessageDimension.DAY, MessageDimension.WEEK}:
            return Rollup(self._tenant_id, name, kinds)
        return Rollup(self._tenant_id, name, kinds, self._period.whole_days())

    async def remembered(self, database: Database, now: datetime | None) -> Sequence[MessageKpiRow] | None:
        """The answer, if this process has read all of it before, and no fact has changed it; else None."""
        served = await all_served(database, self._tenant_id, period=self._period, as_of=self._as_of, now=now)
        if not served:
            return None
        known = _ANSWERED.get(self._asked(served), as_of=self._as_of)
        if known is not None or self._rollup is None:
            return known
        with suppress(CannotTell, TooFine):
            parts = self._rollup.remembered(served)
            return None if parts is None else self._lasting(served, await self._merged(parts))
        return None

    async def rows(self, connection: AsyncConnection) -> Sequence[MessageKpiRow]:
        """The answer, in a snapshot."""
        covered = await coverage(connection, self._tenant_id, period=self._period, as_of=self._as_of)
        if covered and covered.served and covered.days_of_facts <= DAYS_OF_FACTS:
            with suppress(CannotTell, TooFine):
                parts = await self._kept(connection, covered.served)
                if not covered.facts:
                    return self._lasting(covered.served, await self._merged(parts))
                parts.append(await self._counted(connection, covered.facts))
                return await self._merged(parts)
        return await message_kpis(
            connection,
            self._tenant_id,
            period=self._period,
            by=self._by,
            where=self._where,
            as_of=self._as_of,
            figures=self._figures,
        )

    async def _kept(self, connection: AsyncConnection, days: Days) -> list[Part]:
        if self._rollup is None:
            return await messages_of_days(
                connection, self._tenant_id, list(days), by=self._by, where=self._where, wanted=self._figures
            )
        return await self._rollup.read(connection, days)

    def _asked(self, days: Days) -> Asked:
        return Asked(self._tenant_id, self._by, self._where, self._figures, tuple(sorted(days.items())))

    def _lasting(self, days: Days, rows: MessageKpiTable) -> Sequence[MessageKpiRow]:
        """The rows, which are these days' alone, remembered for as long as they hold."""
        return _ANSWERED.put(
            self._asked(days), rows, since=self._as_of, until=_after(self._as_of, rows.holding)
        )

    async def _merged(self, parts: Sequence[Part]) -> MessageKpiTable:
        """The parts put together; where that takes long, it must not keep others waiting."""
        together = partial(merge, parts, self._by, self._where, self._figures, as_of=self._as_of)
        rows = sum(part.rolled.size + len(part.rolled.bands) for part in parts)
        return together() if rows <= _QUICKLY_MERGED else await asyncio.to_thread(together)

    async def _counted(self, connection: AsyncConnection, stretches: Sequence[Period]) -> Part:
        facts, _ = await read_messages(
            connection,
            self._tenant_id,
            stretches,
            dimensions=needed(self._by, self._where),
            wanted=self._figures,
            as_of=self._as_of,
        )
        return part_of_facts(facts, by=self._by, where=self._where, wanted=self._figures)


def _after(instant: datetime, seconds: float) -> datetime:
    """So many seconds later, or the last instant that there is."""
    try:
        return instant + timedelta(seconds=seconds) - _SHORTER
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)
